-- Every statement of the SQLite store, by name. `move:` names the change of state, in model.py,
-- that a statement makes; nothing else may write runs.state.

-- name: reserve_seqs
INSERT INTO meta (key, value) VALUES ('seq', ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: reserved_seqs
SELECT value FROM meta WHERE key = 'seq';

-- ---- enqueue --------------------------------------------------------------------------------

-- name: insert_run
INSERT INTO runs (id, workflow, worker_group, state, retries, priority, created_at, run_at,
                  timeout, expires_at, unique_key, payload, tags)
VALUES (?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING;

-- name: run_exists
SELECT 1 FROM runs WHERE id = ?;

-- name: run_by_unique_key
SELECT id FROM runs
WHERE workflow = ? AND unique_key = ? AND unique_key IS NOT NULL
  AND state IN ('pending', 'running', 'waiting');

-- name: workflow_by_name
SELECT worker_group, timeout, schema FROM workflows WHERE name = ?;

-- ---- claim ----------------------------------------------------------------------------------

-- name: ready_workflows
-- A loose index scan: one look-up for each workflow that has a ready run.
WITH RECURSIVE found (workflow) AS (
  SELECT min(workflow) FROM runs
  WHERE worker_group = ?1 AND state = 'pending' AND run_at IS NULL AND isolated = 0
  UNION ALL
  SELECT (SELECT min(workflow) FROM runs
          WHERE worker_group = ?1 AND workflow > found.workflow
            AND state = 'pending' AND run_at IS NULL AND isolated = 0)
  FROM found WHERE found.workflow IS NOT NULL
)
SELECT workflow FROM found WHERE workflow IS NOT NULL;

-- name: ready_runs
SELECT seq, priority, started_at IS NULL FROM runs
WHERE worker_group = ? AND workflow = ?
  AND state = 'pending' AND run_at IS NULL AND isolated = 0
ORDER BY priority DESC, seq LIMIT ?;

-- name: isolated_runs
SELECT seq, workflow FROM runs
WHERE worker_group = ? AND state = 'pending' AND run_at IS NULL AND isolated = 1
ORDER BY seq;

-- name: running_of_workflow
SELECT count(*) FROM runs INDEXED BY runs_running WHERE state = 'running' AND workflow = ?;

-- name: known_workflows
SELECT name, worker_group, concurrency FROM workflows;

-- name: claim_runs
-- move: claim
UPDATE runs SET state = 'running', lease_id = ?1 || '.' || seq, worker_id = ?2, lease_until = ?3,
                started_at = coalesce(started_at, ?4)
WHERE state = 'pending' AND seq IN (SELECT value FROM json_each(?5))
RETURNING seq, id, lease_id, workflow, payload, attempt, strikes, retries, created_at;

-- name: steps_after
SELECT name, kind, outcome, value, attempt, started_at, finished_at FROM steps
WHERE run_id = ? AND name > ? ORDER BY name LIMIT ?;

-- name: waiters_of_run
SELECT run_id, name, kind, event, deadline, created_at FROM event_waiters WHERE run_id = ?;

-- ---- the worker's writes ----------------------------------------------------------------------

-- name: save_step
INSERT INTO steps (run_id, name, seq, kind, outcome, value, attempt, started_at, finished_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND lease_id = ?10)
ON CONFLICT (run_id, name) DO UPDATE
SET seq = excluded.seq, kind = excluded.kind, outcome = excluded.outcome, value = excluded.value,
    attempt = excluded.attempt, started_at = excluded.started_at,
    finished_at = excluded.finished_at
WHERE steps.outcome = 'failed' AND steps.attempt < excluded.attempt;

-- name: step_of_run
SELECT name, kind, outcome, value, attempt, started_at, finished_at FROM steps
WHERE run_id = ? AND name = ?;

-- name: holds_lease
SELECT workflow, worker_group FROM runs WHERE id = ? AND lease_id = ?;

-- name: record_outcome
-- What a signal or a deadline saves; a failure left by a step of that name gives way.
INSERT INTO steps (run_id, name, seq, kind, outcome, value, attempt, started_at, finished_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id, name) DO UPDATE
SET seq = excluded.seq, kind = excluded.kind, outcome = excluded.outcome, value = excluded.value,
    attempt = excluded.attempt, started_at = excluded.started_at,
    finished_at = excluded.finished_at
WHERE steps.outcome = 'failed';

-- name: schema_id
SELECT id FROM schemas WHERE schema = ?;

-- name: insert_schema
INSERT INTO schemas (schema) VALUES (?);

-- name: schema_by_id
SELECT schema FROM schemas WHERE id = ?;

-- name: waiter_of_run
SELECT seq, run_id, name, kind, event, deadline, schema_id, attempt, created_at
FROM event_waiters WHERE run_id = ? AND name = ?;

-- name: insert_waiter
INSERT INTO event_waiters
  (seq, run_id, name, kind, event, deadline, schema_id, attempt, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: delete_waiters
DELETE FROM event_waiters WHERE seq IN (SELECT value FROM json_each(?));

-- name: delete_waiter_by_name
DELETE FROM event_waiters WHERE run_id = ? AND name = ? RETURNING kind;

-- name: delete_waiters_of_run
DELETE FROM event_waiters WHERE run_id = ? RETURNING run_id, name, kind;

-- name: park_run
-- move: park
UPDATE runs SET state = 'waiting', lease_id = NULL, worker_id = NULL, lease_until = NULL,
                isolated = 0
WHERE id = ? AND lease_id = ? AND state = 'running';

-- name: succeed_run
-- move: succeed
UPDATE runs SET state = 'succeeded', result = ?, finished_at = ?, error = NULL,
                lease_id = NULL, worker_id = NULL, lease_until = NULL
WHERE id = ? AND lease_id = ? AND state = 'running'
RETURNING id, workflow, worker_group;

-- name: bail_run
-- move: bail
UPDATE runs SET state = 'cancelled', reason = ?, finished_at = ?,
                lease_id = NULL, worker_id = NULL, lease_until = NULL
WHERE id = ? AND lease_id = ? AND state = 'running'
RETURNING workflow, worker_group;

-- name: fail_run
-- move: fail
UPDATE runs SET state = 'failed', error = ?, finished_at = ?,
                lease_id = NULL, worker_id = NULL, lease_until = NULL
WHERE id = ? AND lease_id = ? AND state = 'running'
RETURNING workflow, worker_group;

-- name: retry_run
-- move: retry
UPDATE runs SET state = 'pending', error = ?, run_at = ?, attempt = attempt + 1, isolated = 0,
                lease_id = NULL, worker_id = NULL, lease_until = NULL
WHERE id = ? AND lease_id = ? AND state = 'running'
RETURNING workflow, worker_group;

-- name: release_run
-- move: reclaim
UPDATE runs SET state = 'pending', lease_id = NULL, worker_id = NULL, lease_until = NULL
WHERE id = ? AND lease_id = ? AND state = 'running'
RETURNING workflow, worker_group;

-- name: renew_leases
UPDATE runs SET lease_until = ? WHERE worker_id = ? AND state = 'running';

-- name: shift_leases
UPDATE runs SET lease_until = lease_until + ? WHERE state = 'running';

-- ---- signals ----------------------------------------------------------------------------------

-- name: event_by_id
SELECT state, delivered FROM events WHERE id = ?;

-- name: event_by_key
-- With whether it counts still: while it is being delivered, it is not over.
SELECT id, delivered, expires_at > ?3 OR state = 'spreading' FROM events
WHERE event = ?1 AND key = ?2 AND key IS NOT NULL;

-- name: delete_event
DELETE FROM events WHERE id = ?;

-- name: insert_event
INSERT INTO events (id, event, key, payload, state, delivered, upto, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: waiters_of_event
SELECT seq, run_id, name, kind, event, deadline, schema_id, attempt, created_at
FROM event_waiters
WHERE event = ? AND seq > ? AND seq <= ? AND (deadline IS NULL OR deadline > ?)
ORDER BY seq LIMIT ?;

-- name: promised_upto
-- The waiters up to here belong to earlier signals that are still being delivered.
SELECT max(upto) FROM events WHERE event = ? AND state = 'spreading' AND seq < ?;

-- name: promised_event
SELECT seq, payload FROM events
WHERE event = ? AND state = 'spreading' AND upto >= ? AND created_at < ? ORDER BY seq LIMIT 1;

-- name: count_delivery
UPDATE events SET delivered = delivered + 1 WHERE seq = ?;

-- name: last_waiter_of_event
SELECT max(seq) FROM event_waiters WHERE event = ?;

-- name: schemas_of_event
-- A loose index scan: one look-up for each type that is declared, however many wait.
WITH RECURSIVE found (id) AS (
  SELECT min(schema_id) FROM event_waiters WHERE event = ?1 AND schema_id IS NOT NULL
  UNION ALL
  SELECT (SELECT min(schema_id) FROM event_waiters WHERE event = ?1 AND schema_id > found.id)
  FROM found WHERE found.id IS NOT NULL
)
SELECT id FROM found WHERE id IS NOT NULL AND EXISTS (
  SELECT 1 FROM event_waiters
  WHERE event = ?1 AND schema_id = found.id AND seq > ?2
    AND (deadline IS NULL OR deadline > ?3));

-- name: buffered_event
SELECT seq, payload FROM events
WHERE event = ? AND payload IS NOT NULL AND state = 'buffered' AND expires_at > ?
ORDER BY seq LIMIT 1;

-- name: take_event
UPDATE events SET state = 'delivered', delivered = 1, payload = NULL WHERE seq = ?;

-- name: refuse_event
UPDATE events SET state = 'refused', reason = ? WHERE seq = ?;

-- name: spreading_event
SELECT seq, event, payload, upto, delivered, created_at FROM events
WHERE id = ? AND state = 'spreading';

-- name: spreading_events
SELECT id FROM events INDEXED BY events_spreading WHERE state = 'spreading' ORDER BY seq;

-- name: advance_event
UPDATE events SET delivered = ? WHERE seq = ?;

-- name: finish_event
UPDATE events SET state = 'delivered', delivered = ?, payload = NULL, upto = NULL WHERE seq = ?;

-- name: wake_runs
-- move: wake
UPDATE runs SET state = 'pending'
WHERE state = 'waiting' AND id IN (SELECT value FROM json_each(?)) RETURNING id, worker_group;

-- name: holder_of_run
SELECT worker_id, lease_id FROM runs WHERE id = ? AND state = 'running';

-- ---- from outside -----------------------------------------------------------------------------

-- name: state_of_run
SELECT state, worker_id, lease_id, workflow, worker_group, timeout FROM runs WHERE id = ?;

-- name: cancel_run
-- move: cancel
UPDATE runs SET state = 'cancelled', reason = ?, finished_at = ?, run_at = NULL,
                lease_id = NULL, worker_id = NULL, lease_until = NULL
WHERE id = ? AND state IN ('pending', 'waiting', 'running');

-- name: unique_holder
SELECT other.id FROM runs AS me JOIN runs AS other
  ON other.workflow = me.workflow AND other.unique_key = me.unique_key
WHERE me.id = ? AND other.unique_key IS NOT NULL
  AND other.state IN ('pending', 'running', 'waiting');

-- name: rerun_run
-- move: rerun
UPDATE runs SET state = 'pending', attempt = 1, strikes = 0, isolated = 0, run_at = NULL,
                finished_at = NULL, error = NULL, reason = NULL, worker_group = ?, expires_at = ?
WHERE id = ? AND state IN ('failed', 'cancelled');

-- name: seq_of_step
SELECT seq FROM steps WHERE run_id = ? AND name = ?;

-- name: forget_steps_from
DELETE FROM steps WHERE run_id = ? AND seq >= ?;

-- name: forget_failures
DELETE FROM steps WHERE run_id = ? AND outcome = 'failed';

-- ---- what is due ------------------------------------------------------------------------------

-- name: due_runs
SELECT seq, worker_group FROM runs
WHERE state = 'pending' AND run_at IS NOT NULL AND run_at <= ? ORDER BY run_at, seq LIMIT ?;

-- name: make_ready
UPDATE runs SET run_at = NULL WHERE seq = ?;

-- name: due_waiters
SELECT seq, run_id, name, kind, event, deadline, schema_id, attempt, created_at
FROM event_waiters WHERE deadline IS NOT NULL AND deadline <= ? ORDER BY deadline, seq LIMIT ?;

-- name: expired_runs
SELECT id, timeout FROM runs
WHERE expires_at IS NOT NULL AND expires_at <= ? AND state IN ('pending', 'running', 'waiting')
ORDER BY expires_at, seq LIMIT ?;

-- name: expired_leases
SELECT DISTINCT worker_id FROM runs WHERE state = 'running' AND lease_until <= ?;

-- name: delete_expired_events
DELETE FROM events WHERE seq IN (
  SELECT seq FROM events WHERE expires_at <= ? AND state <> 'spreading'
  ORDER BY expires_at, seq LIMIT ?);

-- name: next_due
SELECT min(at) FROM (
  SELECT min(run_at) AS at FROM runs WHERE state = 'pending' AND run_at IS NOT NULL
  UNION ALL
  SELECT min(deadline) FROM event_waiters WHERE deadline IS NOT NULL
  UNION ALL
  SELECT min(expires_at) FROM runs
  WHERE expires_at IS NOT NULL AND state IN ('pending', 'running', 'waiting')
  UNION ALL
  SELECT min(lease_until) FROM runs WHERE state = 'running'
  UNION ALL
  SELECT min(expires_at) FROM events WHERE state <> 'spreading'
  UNION ALL
  SELECT min(at) FROM approval_timers
  UNION ALL
  SELECT min(next_at) FROM schedules WHERE next_at IS NOT NULL
);

-- ---- workers ----------------------------------------------------------------------------------

-- name: runs_of_worker
SELECT id, lease_id, strikes, worker_group FROM runs
WHERE worker_id = ? AND state = 'running';

-- name: poison_run
-- move: fail
UPDATE runs SET state = 'failed', strikes = strikes + 1, error = ?, finished_at = ?,
                lease_id = NULL, worker_id = NULL, lease_until = NULL
WHERE id = ? AND lease_id = ? AND state = 'running';

-- name: isolate_run
-- move: reclaim
UPDATE runs SET state = 'pending', isolated = 1, strikes = strikes + ?, attempt = attempt + ?,
                error = ?, lease_id = NULL, worker_id = NULL, lease_until = NULL
WHERE id = ? AND lease_id = ? AND state = 'running';

-- name: running_workers
SELECT DISTINCT worker_id FROM runs WHERE state = 'running';

-- name: upsert_workflow
INSERT INTO workflows (name, worker_group, source, concurrency, timeout, schema, seen_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET worker_group = excluded.worker_group, source = excluded.source,
    concurrency = excluded.concurrency, timeout = excluded.timeout, schema = excluded.schema,
    seen_at = excluded.seen_at;

-- name: regroup_runs
-- Reads the whole table: only for a workflow that is new or was moved to another group.
UPDATE runs SET worker_group = ?1
WHERE workflow = ?2 AND worker_group <> ?1 AND state IN ('pending', 'waiting', 'running');

-- name: forget_workflow
DELETE FROM workflows WHERE name = ?;

-- name: known_schedules
SELECT workflow, rule, zone, payload, next_at FROM schedules;

-- name: upsert_schedule
INSERT INTO schedules (workflow, rule, zone, payload, next_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (workflow) DO UPDATE
SET rule = excluded.rule, zone = excluded.zone, payload = excluded.payload,
    next_at = excluded.next_at;

-- name: forget_schedule
DELETE FROM schedules WHERE workflow = ?;

-- name: due_schedules
SELECT s.workflow, w.worker_group, w.timeout, s.rule, s.zone, s.payload, s.next_at, s.last_at
FROM schedules AS s JOIN workflows AS w ON w.name = s.workflow
WHERE s.next_at IS NOT NULL AND s.next_at <= ? ORDER BY s.next_at, s.workflow LIMIT ?;

-- name: advance_schedule
UPDATE schedules SET next_at = ?, last_at = ? WHERE workflow = ?;

-- name: forget_broken
DELETE FROM broken_modules;

-- name: insert_broken
INSERT INTO broken_modules (module, error, seen_at) VALUES (?, ?, ?);

-- ---- reading ----------------------------------------------------------------------------------

-- name: get_run
SELECT id, workflow, worker_group, state, attempt, strikes, retries, priority, created_at, run_at,
       started_at, finished_at, expires_at, unique_key, payload, result, error, reason, worker_id,
       tags
FROM runs WHERE id = ?;

-- name: list_steps
SELECT name, kind, outcome, value, attempt, started_at, finished_at FROM steps
WHERE run_id = ?1 AND seq > coalesce((SELECT seq FROM steps WHERE run_id = ?1 AND name = ?2), -1)
ORDER BY seq LIMIT ?3;

-- name: list_waiters
SELECT * FROM (
  SELECT run_id, name, kind, event, deadline, created_at FROM event_waiters
  WHERE deadline IS NOT NULL ORDER BY deadline, seq LIMIT ?1)
UNION ALL
SELECT * FROM (
  SELECT run_id, name, kind, event, deadline, created_at FROM event_waiters
  WHERE event IS NOT NULL AND deadline IS NULL LIMIT ?1)
UNION ALL
SELECT * FROM (
  SELECT run_id, name, kind, event, deadline, created_at FROM event_waiters
  WHERE event IS NULL AND deadline IS NULL ORDER BY seq LIMIT ?1)
LIMIT ?1;

-- name: list_waiters_of_event
SELECT run_id, name, kind, event, deadline, created_at FROM event_waiters
WHERE event = ? ORDER BY deadline IS NULL, deadline, seq LIMIT ?;

-- name: list_events
SELECT id, event, key, payload, state, delivered, created_at, expires_at, reason FROM events
INDEXED BY events_kept
WHERE payload IS NOT NULL AND state IN ('buffered', 'refused') AND (?1 IS NULL OR event = ?1)
ORDER BY seq LIMIT ?2;

-- name: list_workflows
-- Those of the app: ours are those of builtin.py.
SELECT w.name, w.worker_group, w.source, w.concurrency, w.timeout, w.schema,
       s.rule, s.zone, s.payload, s.next_at, s.last_at
FROM workflows AS w LEFT JOIN schedules AS s ON s.workflow = w.name
WHERE w.name NOT LIKE 'tako.%' ORDER BY w.name;

-- name: list_broken
SELECT module, error FROM broken_modules ORDER BY module;
