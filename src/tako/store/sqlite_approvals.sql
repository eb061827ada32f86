-- The statements of approvals; see sqlite.sql.

-- name: insert_approval
INSERT INTO approvals (seq, id, run_id, name, workflow, worker_group, state, question, schema_id,
                       digest, asked_at, deadline)
VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?);

-- name: change_approval
UPDATE approvals SET question = ?, schema_id = ?, digest = ? WHERE seq = ? AND state = 'open';

-- name: approval_by_id
SELECT a.seq, a.id, a.run_id, a.workflow, a.name, a.state, a.question, s.schema, a.digest,
       a.asked_at, a.deadline, a.outcome, a.decided_by, a.decided_at, a.channel, a.worker_group
FROM approvals AS a LEFT JOIN schemas AS s ON s.id = a.schema_id WHERE a.id = ?;

-- name: approval_by_seq
SELECT a.seq, a.id, a.run_id, a.workflow, a.name, a.state, a.question, s.schema, a.digest,
       a.asked_at, a.deadline, a.outcome, a.decided_by, a.decided_at, a.channel, a.worker_group
FROM approvals AS a LEFT JOIN schemas AS s ON s.id = a.schema_id WHERE a.seq = ?;

-- name: titles_of_approvals
SELECT seq, question ->> '$.title' FROM approvals
WHERE seq IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR workflow = ?2);

-- name: open_approval_of_step
SELECT id FROM approvals WHERE run_id = ? AND name = ? AND state = 'open';

-- name: decided_before
-- What people decided on the same content of the same step, if it was ever so.
SELECT id FROM approvals
WHERE run_id = ? AND name = ? AND digest = ? AND state = 'decided' ORDER BY seq DESC LIMIT 1;

-- name: close_approval
-- The compare-and-set: whoever comes second changes nothing.
UPDATE approvals SET state = ?, outcome = ?, decided_by = ?, decided_at = ?, channel = ?
WHERE seq = ? AND state = 'open';

-- name: insert_asked
INSERT INTO asked (approval, who, due, added) VALUES (?, ?, ?, ?)
ON CONFLICT (approval, who) DO UPDATE SET added = max(added, excluded.added);

-- name: asked_of_approval
SELECT who FROM asked WHERE approval = ?;

-- name: delete_asked
-- Those of the question; who was added stays.
DELETE FROM asked WHERE approval = ? AND NOT added;

-- name: close_asked
UPDATE asked SET open = 0 WHERE approval = ?;

-- name: insert_answer
INSERT INTO answers (approval, seq, digest, person, answer, at, channel, value, comment, decide_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: answers_of_approval
SELECT person, answer, at, channel, value, comment FROM answers
WHERE approval = ? AND digest = ? ORDER BY seq;

-- name: answer_by_decide_id
SELECT approval, person, answer FROM answers WHERE decide_id = ?;

-- name: delegate
INSERT INTO delegations (approval, person, to_person) VALUES (?, ?, ?)
ON CONFLICT (approval, person) DO UPDATE SET to_person = excluded.to_person;

-- name: take_back
DELETE FROM delegations WHERE approval = ? AND person = ?;

-- name: delegations_of_approval
SELECT person, to_person FROM delegations WHERE approval = ? ORDER BY person;

-- name: insert_approval_timer
INSERT INTO approval_timers (approval, at, people) VALUES (?, ?, ?);

-- name: due_approval_timers
SELECT id, approval, people FROM approval_timers WHERE at <= ? ORDER BY at, id LIMIT ?;

-- name: delete_approval_timer
DELETE FROM approval_timers WHERE id = ?;

-- name: delete_approval_timers
DELETE FROM approval_timers WHERE approval = ?;

-- name: open_approvals
SELECT seq, due FROM approvals
WHERE state = 'open' AND (due, seq) > (?, ?) ORDER BY due, seq LIMIT ?;

-- name: closed_approvals
SELECT seq FROM approvals WHERE state = ? AND state <> 'open' AND seq < ? ORDER BY seq DESC LIMIT ?;

-- name: all_approvals
SELECT seq FROM approvals WHERE seq < ? ORDER BY seq DESC LIMIT ?;

-- name: approvals_of_run
SELECT seq FROM approvals WHERE run_id = ? ORDER BY seq DESC;

-- name: open_asked
SELECT approval, due FROM asked
WHERE who = ? AND open = 1 AND (due, approval) > (?, ?) ORDER BY due, approval LIMIT ?;

-- name: newest_asked
SELECT approval FROM asked
WHERE who = ? AND approval < ? ORDER BY approval DESC LIMIT ?;

-- name: answered_approvals
SELECT DISTINCT approval FROM answers
WHERE approval IN (SELECT value FROM json_each(?1)) AND person IN (SELECT value FROM json_each(?2));

-- name: count_open_approvals
SELECT count(*) FROM approvals WHERE state = 'open';

-- name: shown_before
SELECT 1 FROM audit
WHERE approval_id = ? AND kind = 'shown' AND person = ? AND channel = ? AND digest = ? LIMIT 1;
