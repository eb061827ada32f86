-- When workflows run by themselves, as their code says.

CREATE TABLE schedules (
  workflow TEXT PRIMARY KEY,
  rule TEXT NOT NULL,
  zone TEXT NOT NULL,
  payload TEXT,                        -- NULL: each run is given its moment
  next_at INTEGER,                     -- NULL: the server knows of none
  last_at INTEGER                      -- the last moment that a run was enqueued for
) WITHOUT ROWID;

CREATE INDEX schedules_by_time ON schedules (next_at) WHERE next_at IS NOT NULL;
