-- Approvals: a wait with a face.

-- Steps and waiters get one kind more: SQLite changes a CHECK only with a new table.
CREATE TABLE new_steps (
  run_id TEXT NOT NULL,
  name TEXT NOT NULL,
  seq INTEGER NOT NULL,                -- the order in which the run's outcomes were saved
  kind TEXT NOT NULL CHECK (kind IN ('run', 'sleep', 'wait_for', 'approval')),
  outcome TEXT NOT NULL CHECK (outcome IN ('ok', 'failed', 'timeout')),
  value TEXT,
  attempt INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  PRIMARY KEY (run_id, name),
  CHECK ((outcome = 'timeout') = (value IS NULL))
) WITHOUT ROWID;
INSERT INTO new_steps SELECT * FROM steps;
DROP TABLE steps;
ALTER TABLE new_steps RENAME TO steps;

CREATE TABLE new_waiters (
  seq INTEGER PRIMARY KEY,             -- the order in which they came; never used twice
  run_id TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('sleep', 'wait_for', 'approval')),
  event TEXT,
  deadline INTEGER,
  schema_id INTEGER REFERENCES schemas,
  attempt INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (run_id, name),
  CHECK (event IS NOT NULL OR deadline IS NOT NULL OR kind = 'approval'),
  CHECK (event IS NULL OR kind <> 'approval') -- no signal answers an approval
);
INSERT INTO new_waiters SELECT * FROM event_waiters;
DROP TABLE event_waiters;
ALTER TABLE new_waiters RENAME TO event_waiters;

CREATE INDEX waiters_by_event ON event_waiters (event, seq) WHERE event IS NOT NULL;
CREATE INDEX waiters_by_type ON event_waiters (event, schema_id, seq) WHERE schema_id IS NOT NULL;
CREATE INDEX waiters_by_deadline ON event_waiters (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX waiters_for_ever ON event_waiters (seq) WHERE event IS NULL AND deadline IS NULL;

CREATE TABLE approvals (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  run_id TEXT NOT NULL,
  name TEXT NOT NULL,                  -- of the step
  workflow TEXT NOT NULL,
  worker_group TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'decided', 'expired', 'withdrawn')),
  question TEXT NOT NULL,              -- model.Question as JSON, without its schema
  schema_id INTEGER REFERENCES schemas,
  digest TEXT NOT NULL,                -- of what people are shown
  asked_at INTEGER NOT NULL,
  deadline INTEGER,
  due INTEGER NOT NULL AS (coalesce(deadline, 9223372036854775807)) VIRTUAL,
  outcome TEXT,
  decided_by TEXT,
  decided_at INTEGER,                  -- when it was closed, however
  channel TEXT,
  CHECK ((state = 'open') = (decided_at IS NULL)),
  CHECK (state <> 'decided' OR (outcome IS NOT NULL AND decided_by IS NOT NULL)),
  CHECK (state <> 'withdrawn' OR outcome IS NULL)
);

CREATE UNIQUE INDEX approvals_open_step ON approvals (run_id, name) WHERE state = 'open';
CREATE INDEX approvals_of_run ON approvals (run_id, name, seq);
CREATE INDEX approvals_open ON approvals (due, seq) WHERE state = 'open';
CREATE INDEX approvals_closed ON approvals (state, seq) WHERE state <> 'open';

-- Whom it is asked of: a person, "group:<name>", or "*" for every approver; names are canonical.
CREATE TABLE asked (
  approval INTEGER NOT NULL,           -- approvals.seq
  who TEXT NOT NULL,
  due INTEGER NOT NULL,                -- as the approval's
  open INTEGER NOT NULL DEFAULT 1,
  added INTEGER NOT NULL,              -- 1: by an escalation or a delegation
  PRIMARY KEY (approval, who)
) WITHOUT ROWID;

CREATE INDEX asked_open ON asked (who, due, approval) WHERE open = 1;
CREATE INDEX asked_of ON asked (who, approval);

CREATE TABLE answers (
  approval INTEGER NOT NULL,
  seq INTEGER NOT NULL,                -- the order in which they came
  digest TEXT NOT NULL,                -- of the content that was answered
  person TEXT NOT NULL,
  answer TEXT NOT NULL,
  at INTEGER NOT NULL,
  channel TEXT NOT NULL,
  value TEXT,
  comment TEXT,
  decide_id TEXT NOT NULL UNIQUE,      -- of the command, so that it counts once
  PRIMARY KEY (approval, digest, person)
) WITHOUT ROWID;

CREATE TABLE delegations (
  approval INTEGER NOT NULL,
  person TEXT NOT NULL,
  to_person TEXT NOT NULL,
  PRIMARY KEY (approval, person)
) WITHOUT ROWID;

-- Reminders (people IS NULL) and escalations (people: a JSON list of names) to come.
CREATE TABLE approval_timers (
  id INTEGER PRIMARY KEY,
  approval INTEGER NOT NULL,
  at INTEGER NOT NULL,
  people TEXT
);

CREATE INDEX approval_timers_due ON approval_timers (at);
CREATE INDEX approval_timers_of ON approval_timers (approval);
