-- What is on record, and who may come in: the audit, links, sessions and tokens.

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, -- 1, 2, 3: without gaps; the last is remembered
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  approval_id TEXT,
  run_id TEXT,
  person TEXT,
  auth TEXT,
  channel TEXT,
  address TEXT,
  digest TEXT,
  detail TEXT,
  hash TEXT NOT NULL                   -- of this row and the hash of the one before
) STRICT;

CREATE INDEX audit_of_approval ON audit (approval_id, seq) WHERE approval_id IS NOT NULL;

-- No mistake of ours changes what was written; `tako audit verify` finds who does it on purpose.
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;

-- Pruning says first, in meta, up to where: "<seq> <hash>".
CREATE TRIGGER audit_is_pruned_from_its_beginning BEFORE DELETE ON audit
WHEN old.seq > coalesce(
  (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'audit_base'), 0)
BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;

CREATE TABLE links (
  id TEXT PRIMARY KEY,
  approval_id TEXT NOT NULL,
  person TEXT NOT NULL,
  answers TEXT NOT NULL,
  digest TEXT NOT NULL,
  key_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  revoked_at INTEGER,
  CHECK (used_at IS NULL OR revoked_at IS NULL)
) WITHOUT ROWID;

CREATE INDEX links_unused ON links (approval_id, person)
  WHERE used_at IS NULL AND revoked_at IS NULL;
CREATE INDEX links_of_key ON links (key_id) WHERE used_at IS NULL AND revoked_at IS NULL;

CREATE TABLE link_keys (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  secret TEXT,                         -- NULL: forgotten, its links are void
  created_at INTEGER NOT NULL,
  retired_at INTEGER,                  -- signs no more
  CHECK (secret IS NOT NULL OR retired_at IS NOT NULL)
);

CREATE UNIQUE INDEX link_key_that_signs ON link_keys (retired_at IS NULL)
  WHERE retired_at IS NULL;

CREATE TABLE credentials (
  hash TEXT PRIMARY KEY,               -- SHA-256 of the secret
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('session', 'token')),
  person TEXT NOT NULL,
  auth TEXT NOT NULL,
  groups TEXT NOT NULL,
  scopes TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX credentials_by_person ON credentials (person, created_at);
CREATE INDEX credentials_by_expiry ON credentials (expires_at);
