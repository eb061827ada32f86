-- The record of approvals, the links of people, and their sessions and tokens.

-- ---- audit ------------------------------------------------------------------------------------

-- name: last_audit
SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1;

-- name: append_audit
INSERT INTO audit (seq, at, kind, approval_id, run_id, person, auth, channel, address, digest,
                   detail, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: read_audit
SELECT seq, at, kind, approval_id, run_id, person, auth, channel, address, digest, detail, hash
FROM audit WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: read_audit_of_approval
SELECT seq, at, kind, approval_id, run_id, person, auth, channel, address, digest, detail, hash
FROM audit WHERE approval_id = ? AND approval_id IS NOT NULL AND seq > ? ORDER BY seq LIMIT ?;

-- name: audit_written
-- How many rows there ever were: SQLite remembers that by itself.
SELECT seq FROM sqlite_sequence WHERE name = 'audit';

-- name: audit_base
SELECT value FROM meta WHERE key = 'audit_base';

-- name: prunable_audit
-- The first rows, each with whether it may go: old enough, and of no approval that is open.
SELECT r.seq, r.kind, r.hash, r.at < ? AND coalesce(a.state, '') <> 'open'
FROM audit AS r LEFT JOIN approvals AS a ON a.id = r.approval_id ORDER BY r.seq LIMIT ?;

-- name: set_audit_base
INSERT INTO meta (key, value) VALUES ('audit_base', ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: prune_audit
DELETE FROM audit WHERE seq <= ?;

-- name: prune_links
DELETE FROM links WHERE id IN (SELECT id FROM links WHERE expires_at < ? LIMIT ?);

-- ---- links ------------------------------------------------------------------------------------

-- name: insert_link
INSERT INTO links (id, approval_id, person, answers, digest, key_id, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: link_by_id
SELECT id, approval_id, person, answers, digest, key_id, created_at, expires_at, used_at, revoked_at
FROM links WHERE id = ?;

-- name: use_link
UPDATE links SET used_at = ? WHERE id = ? AND used_at IS NULL AND revoked_at IS NULL;

-- name: revoke_links
UPDATE links SET revoked_at = ?1
WHERE approval_id = ?2 AND (?3 IS NULL OR person = ?3) AND used_at IS NULL AND revoked_at IS NULL
RETURNING id;

-- name: revoke_links_of_key
UPDATE links SET revoked_at = ? WHERE key_id = ? AND used_at IS NULL AND revoked_at IS NULL;

-- name: link_key
SELECT secret FROM link_keys WHERE id = ?;

-- name: signing_link_key
SELECT id, secret FROM link_keys WHERE retired_at IS NULL;

-- name: insert_link_key
INSERT INTO link_keys (id, secret, created_at) VALUES (?, ?, ?);

-- name: retire_link_key
UPDATE link_keys SET retired_at = ? WHERE retired_at IS NULL;

-- name: forget_link_keys
UPDATE link_keys SET secret = NULL WHERE secret IS NOT NULL AND retired_at IS NOT NULL
RETURNING id;

-- ---- sessions and tokens ----------------------------------------------------------------------

-- name: insert_credential
-- Sent twice it is there once.
INSERT INTO credentials (hash, id, kind, person, auth, groups, scopes, name, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING;

-- name: credential_by_hash
SELECT id, kind, person, auth, groups, scopes, name, created_at, expires_at FROM credentials
WHERE hash = ? AND expires_at > ?;

-- name: delete_credential
DELETE FROM credentials WHERE id = ?1 AND (?2 IS NULL OR person = ?2);

-- name: delete_credentials_of_person
DELETE FROM credentials WHERE person = ?;

-- name: delete_expired_credentials
DELETE FROM credentials WHERE expires_at <= ?;

-- name: list_credentials
SELECT id, kind, person, auth, groups, scopes, name, created_at, expires_at FROM credentials
WHERE expires_at > ?1 AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR person = ?3)
ORDER BY created_at DESC, id DESC LIMIT ?4;

-- ---- requests ---------------------------------------------------------------------------------

-- name: request
SELECT what FROM requests WHERE id = ? AND until > ?;

-- name: insert_request
INSERT INTO requests (id, what, until) VALUES (?, ?, ?);

-- name: reply_to_request
SELECT reply FROM requests WHERE id = ?;

-- name: keep_reply
UPDATE requests SET reply = ? WHERE id = ? AND reply IS NULL;

-- name: forget_requests
DELETE FROM requests WHERE until <= ?;
