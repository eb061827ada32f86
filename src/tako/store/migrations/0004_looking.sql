-- What people look at: lists by state and workflow, tags, who executed a run when, its log.

ALTER TABLE runs ADD COLUMN tags TEXT; -- a JSON list; NULL: none

CREATE INDEX runs_waiting ON runs (seq) WHERE state = 'waiting';
-- With the workflow in the index a run is found without a look at the rows of the others; with what
-- the list says of it, so is a text. A row is thirty times as long, most of it the traceback.
CREATE INDEX runs_troubled ON runs (
  state, seq, workflow, id, substr(coalesce(nullif(reason, ''),
    json_extract(error, '$.type') || ': ' || json_extract(error, '$.message')), 1, 1000)
) WHERE state IN ('failed', 'cancelled');
CREATE INDEX runs_of_workflow ON runs (workflow, seq);

CREATE TABLE run_tags (
  tag TEXT NOT NULL,
  seq INTEGER NOT NULL,                -- runs.seq
  PRIMARY KEY (tag, seq)
) WITHOUT ROWID;

-- Each claim of a run after its first: where it went on, after a wait, a failure or a death.
CREATE TABLE passes (
  run_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  worker_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  PRIMARY KEY (run_id, at, worker_id)
) WITHOUT ROWID;

CREATE TABLE run_log (
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  level TEXT NOT NULL,
  message TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;
