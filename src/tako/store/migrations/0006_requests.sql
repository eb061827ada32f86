-- What somebody has asked for under an id of their own, so that asking again is not asking twice;
-- and links by their end, which are pruned like the record.

CREATE TABLE requests (
  id TEXT PRIMARY KEY,
  what TEXT NOT NULL,                  -- under one id always the same
  reply TEXT,                          -- what was answered, once it was
  until INTEGER NOT NULL               -- forgotten then
) WITHOUT ROWID;

CREATE INDEX requests_by_end ON requests (until);

CREATE INDEX links_by_expiry ON links (expires_at);
