-- Times are integer milliseconds since the epoch. JSON is text.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
  seq INTEGER PRIMARY KEY,             -- the order in which runs came in
  id TEXT NOT NULL UNIQUE,
  workflow TEXT NOT NULL,
  worker_group TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('pending', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),
  attempt INTEGER NOT NULL DEFAULT 1,
  strikes INTEGER NOT NULL DEFAULT 0,
  isolated INTEGER NOT NULL DEFAULT 0, -- next in a worker of its own
  retries INTEGER,                     -- NULL: what the workflow's code says
  priority INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  run_at INTEGER,                      -- pending, but not before this time
  started_at INTEGER,
  finished_at INTEGER,
  timeout INTEGER,                     -- how long it may take, waits included
  expires_at INTEGER,                  -- that as a moment
  unique_key TEXT,
  lease_id TEXT,
  worker_id TEXT,
  lease_until INTEGER,
  payload TEXT NOT NULL,
  result TEXT,
  error TEXT,
  reason TEXT,
  CHECK ((state = 'running') = (lease_id IS NOT NULL)),
  CHECK ((lease_id IS NULL) = (worker_id IS NULL)),
  CHECK ((lease_id IS NULL) = (lease_until IS NULL)),
  CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
  CHECK (run_at IS NULL OR state = 'pending'),
  CHECK ((state = 'succeeded') = (result IS NOT NULL)),
  CHECK (state <> 'failed' OR error IS NOT NULL),
  CHECK (state <> 'cancelled' OR reason IS NOT NULL)
);

CREATE INDEX runs_ready ON runs (worker_group, workflow, priority DESC, seq)
  WHERE state = 'pending' AND run_at IS NULL AND isolated = 0;
CREATE INDEX runs_isolated ON runs (worker_group, workflow, seq)
  WHERE state = 'pending' AND run_at IS NULL AND isolated = 1;
CREATE INDEX runs_scheduled ON runs (run_at) WHERE state = 'pending' AND run_at IS NOT NULL;
CREATE INDEX runs_running ON runs (worker_id, workflow, lease_until) WHERE state = 'running';
CREATE INDEX runs_expiring ON runs (expires_at)
  WHERE expires_at IS NOT NULL AND state IN ('pending', 'running', 'waiting');
CREATE UNIQUE INDEX runs_unique ON runs (workflow, unique_key)
  WHERE unique_key IS NOT NULL AND state IN ('pending', 'running', 'waiting');

CREATE TABLE steps (
  run_id TEXT NOT NULL,
  name TEXT NOT NULL,
  seq INTEGER NOT NULL,                -- the order in which the run's outcomes were saved
  kind TEXT NOT NULL CHECK (kind IN ('run', 'sleep', 'wait_for')),
  outcome TEXT NOT NULL CHECK (outcome IN ('ok', 'failed', 'timeout')),
  value TEXT,
  attempt INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  PRIMARY KEY (run_id, name),
  CHECK ((outcome = 'timeout') = (value IS NULL))
) WITHOUT ROWID;

CREATE TABLE schemas (
  id INTEGER PRIMARY KEY,
  schema TEXT NOT NULL UNIQUE
);

CREATE TABLE event_waiters (
  seq INTEGER PRIMARY KEY,             -- the order in which they came; never used twice
  run_id TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('sleep', 'wait_for')),
  event TEXT,
  deadline INTEGER,
  schema_id INTEGER REFERENCES schemas,
  attempt INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (run_id, name),
  CHECK (event IS NOT NULL OR deadline IS NOT NULL)
);

CREATE INDEX waiters_by_event ON event_waiters (event, seq) WHERE event IS NOT NULL;
CREATE INDEX waiters_by_type ON event_waiters (event, schema_id, seq) WHERE schema_id IS NOT NULL;
CREATE INDEX waiters_by_deadline ON event_waiters (deadline) WHERE deadline IS NOT NULL;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  event TEXT NOT NULL,
  key TEXT,
  payload TEXT,                        -- NULL once it has been delivered
  state TEXT NOT NULL CHECK (state IN ('buffered', 'spreading', 'delivered', 'refused')),
  delivered INTEGER NOT NULL DEFAULT 0,
  upto INTEGER,                        -- spreading: the last waiter it is meant for
  reason TEXT,                         -- refused: what the waiter's type did not take
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  CHECK ((state = 'spreading') = (upto IS NOT NULL)),
  CHECK ((state = 'delivered') = (payload IS NULL))
);

CREATE INDEX events_kept ON events (event, seq) WHERE payload IS NOT NULL;
CREATE INDEX events_spreading ON events (event, seq) WHERE state = 'spreading';
CREATE UNIQUE INDEX events_by_key ON events (event, key) WHERE key IS NOT NULL;
CREATE INDEX events_by_expiry ON events (expires_at) WHERE state <> 'spreading';

CREATE TABLE workflows (
  name TEXT PRIMARY KEY,
  worker_group TEXT NOT NULL,
  source TEXT NOT NULL,
  concurrency INTEGER,
  timeout INTEGER,
  schema TEXT,
  seen_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE broken_modules (
  module TEXT PRIMARY KEY,
  error TEXT NOT NULL,
  seen_at INTEGER NOT NULL
) WITHOUT ROWID;
