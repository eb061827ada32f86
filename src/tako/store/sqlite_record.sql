-- The record of approvals, the links of people, and their sessions and tokens.

-- ---- audit ------------------------------------------------------------------------------------

-- name: last_audit
SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1;

-- name: append_audit
INSERT INTO audit (seq, at, kind, approval_id, run_id, person, auth, channel, address, digest,
                   detail, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);
