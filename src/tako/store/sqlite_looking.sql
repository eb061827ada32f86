-- What people look at; see sqlite.sql. Lists of runs are found by number first, newest first:
-- ?1 state, ?2 workflow ("": all but our own), ?3 and ?4 the lowest and the highest number, ?5 how
-- many.

-- name: find_runs
SELECT seq FROM runs
WHERE seq BETWEEN ?3 AND ?4 AND (?1 IS NULL OR state = ?1)
  AND (?2 IS NULL OR workflow = ?2 OR (?2 = '' AND workflow NOT GLOB 'tako.*'))
ORDER BY seq DESC LIMIT ?5;

-- name: find_runs_of_workflow
SELECT seq FROM runs
WHERE workflow = ?2 AND seq BETWEEN ?3 AND ?4 AND (?1 IS NULL OR state = ?1)
ORDER BY seq DESC LIMIT ?5;

-- name: find_waiting_runs
SELECT seq FROM runs
WHERE state = 'waiting' AND state = ?1 AND seq BETWEEN ?3 AND ?4
  AND (?2 IS NULL OR workflow = ?2 OR (?2 = '' AND workflow NOT GLOB 'tako.*'))
ORDER BY seq DESC LIMIT ?5;

-- name: find_troubled_runs
SELECT seq FROM runs
WHERE state IN ('failed', 'cancelled') AND state = ?1 AND seq BETWEEN ?3 AND ?4
  AND (?2 IS NULL OR workflow = ?2 OR (?2 = '' AND workflow NOT GLOB 'tako.*'))
ORDER BY seq DESC LIMIT ?5;

-- name: find_pending_runs
SELECT seq FROM (
  SELECT seq, workflow, state FROM runs INDEXED BY runs_ready
  WHERE state = 'pending' AND run_at IS NULL AND isolated = 0
  UNION ALL
  SELECT seq, workflow, state FROM runs INDEXED BY runs_isolated
  WHERE state = 'pending' AND run_at IS NULL AND isolated = 1
  UNION ALL
  SELECT seq, workflow, state FROM runs INDEXED BY runs_scheduled
  WHERE state = 'pending' AND run_at IS NOT NULL)
WHERE state = ?1 AND seq BETWEEN ?3 AND ?4
  AND (?2 IS NULL OR workflow = ?2 OR (?2 = '' AND workflow NOT GLOB 'tako.*'))
ORDER BY seq DESC LIMIT ?5;

-- name: find_running_runs
SELECT seq FROM runs INDEXED BY runs_running
WHERE state = 'running' AND state = ?1 AND seq BETWEEN ?3 AND ?4
  AND (?2 IS NULL OR workflow = ?2 OR (?2 = '' AND workflow NOT GLOB 'tako.*'))
ORDER BY seq DESC LIMIT ?5;

-- name: find_tagged_runs
SELECT t.seq FROM run_tags AS t JOIN runs AS r ON r.seq = t.seq
WHERE t.tag = ?6 AND t.seq BETWEEN ?3 AND ?4
  AND (?1 IS NULL OR r.state = ?1)
  AND (?2 IS NULL OR r.workflow = ?2 OR (?2 = '' AND r.workflow NOT GLOB 'tako.*'))
ORDER BY t.seq DESC LIMIT ?5;

-- name: find_tagged_troubled_runs
-- Whether a run of the tag is one is seen in the index, without its row.
SELECT t.seq FROM run_tags AS t WHERE t.tag = ?6 AND t.seq BETWEEN ?3 AND ?4
  AND EXISTS (
    SELECT 1 FROM runs AS r INDEXED BY runs_troubled
    WHERE r.state IN ('failed', 'cancelled') AND r.state = ?1 AND r.seq = t.seq
      AND (?2 IS NULL OR r.workflow = ?2 OR (?2 = '' AND r.workflow NOT GLOB 'tako.*')))
ORDER BY t.seq DESC LIMIT ?5;

-- name: find_runs_by_id
SELECT seq FROM runs
WHERE id >= ?6 AND id < ?7 AND seq BETWEEN ?3 AND ?4
  AND (?1 IS NULL OR state = ?1)
  AND (?2 IS NULL OR workflow = ?2 OR (?2 = '' AND workflow NOT GLOB 'tako.*'))
  AND (?8 IS NULL OR EXISTS (SELECT 1 FROM run_tags AS t WHERE t.tag = ?8 AND t.seq = runs.seq))
ORDER BY id DESC LIMIT ?5;

-- name: has_ids_between
SELECT 1 FROM runs WHERE id >= ? AND id < ? LIMIT 1;

-- name: find_runs_by_text
-- Not those that are found by their ids, which ?6 and ?7 are about: NULL, there are none. All that
-- is looked at is in the index, the text too: it has to be written as it is there.
SELECT seq FROM runs
WHERE state IN ('failed', 'cancelled') AND state = ?1 AND seq BETWEEN ?3 AND ?4
  AND (?2 IS NULL OR workflow = ?2 OR (?2 = '' AND workflow NOT GLOB 'tako.*'))
  AND (?6 IS NULL OR NOT (id >= ?6 AND id < ?7))
  AND substr(coalesce(nullif(reason, ''),
    json_extract(error, '$.type') || ': ' || json_extract(error, '$.message')), 1, 1000)
    LIKE ?8 ESCAPE '!'
  AND (?9 IS NULL OR EXISTS (SELECT 1 FROM run_tags AS t WHERE t.tag = ?9 AND t.seq = runs.seq))
ORDER BY seq DESC LIMIT ?5;

-- name: searched_upto
-- What follows on the newest ?5 of a state, and whether there is one more.
SELECT seq, id FROM runs
WHERE state IN ('failed', 'cancelled') AND state = ?1 AND seq BETWEEN ?3 AND ?4
  AND (?2 IS NULL OR workflow = ?2 OR (?2 = '' AND workflow NOT GLOB 'tako.*'))
  AND (?6 IS NULL OR NOT (id >= ?6 AND id < ?7))
ORDER BY seq DESC LIMIT 2 OFFSET ?5;

-- name: runs_by_seq
SELECT id, workflow, worker_group, state, attempt, strikes, retries, priority, created_at, run_at,
       started_at, finished_at, expires_at, unique_key, payload, result, error, reason, worker_id,
       tags, seq
FROM runs WHERE seq IN (SELECT value FROM json_each(?));

-- name: brief_runs_by_seq
SELECT id, workflow, worker_group, state, attempt, strikes, retries, priority, created_at, run_at,
       started_at, finished_at, expires_at, unique_key, 'null', NULL,
       json_remove(error, '$.traceback'), reason, worker_id, tags, seq
FROM runs WHERE seq IN (SELECT value FROM json_each(?));

-- name: seq_of_run
SELECT seq FROM runs WHERE id = ?;

-- name: run_from_seq
SELECT seq, created_at FROM runs WHERE seq >= ? ORDER BY seq LIMIT 1;

-- name: last_run
SELECT max(seq) FROM runs;

-- name: last_run_of_workflow
SELECT max(seq) FROM runs WHERE workflow = ?;

-- name: insert_tag
INSERT INTO run_tags (tag, seq) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- ---- counts -----------------------------------------------------------------------------------

-- name: count_runs_at_rest
SELECT state, sum(runs) FROM run_counts
WHERE ?1 IS NULL OR workflow = ?1 OR (?1 = '' AND workflow NOT GLOB 'tako.*') GROUP BY state;

-- name: runs_at_rest
SELECT sum(runs) FROM run_counts
WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR workflow = ?2);

-- name: count_pending_runs
SELECT (SELECT count(*) FROM runs INDEXED BY runs_ready
        WHERE state = 'pending' AND run_at IS NULL AND isolated = 0
          AND (?1 IS NULL OR workflow = ?1 OR (?1 = '' AND workflow NOT GLOB 'tako.*')))
     + (SELECT count(*) FROM runs INDEXED BY runs_isolated
        WHERE state = 'pending' AND run_at IS NULL AND isolated = 1
          AND (?1 IS NULL OR workflow = ?1 OR (?1 = '' AND workflow NOT GLOB 'tako.*')))
     + (SELECT count(*) FROM runs INDEXED BY runs_scheduled
        WHERE state = 'pending' AND run_at IS NOT NULL
          AND (?1 IS NULL OR workflow = ?1 OR (?1 = '' AND workflow NOT GLOB 'tako.*')));

-- name: count_running_runs
SELECT count(*) FROM runs INDEXED BY runs_running
WHERE state = 'running'
  AND (?1 IS NULL OR workflow = ?1 OR (?1 = '' AND workflow NOT GLOB 'tako.*'));

-- ---- one run ----------------------------------------------------------------------------------

-- name: insert_pass
INSERT INTO passes (run_id, at, worker_id, attempt) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: passes_of_run
SELECT at, worker_id, attempt FROM passes WHERE run_id = ? ORDER BY at LIMIT ?;

-- name: step_lines
SELECT seq, name, kind, outcome, attempt, started_at, finished_at, coalesce(length(value), 0),
       coalesce(substr(iif(outcome = 'failed',
         json_extract(value, '$.type') || ': ' || json_extract(value, '$.message'),
         value), 1, 100), '')
FROM steps WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?;

-- ---- workflows --------------------------------------------------------------------------------

-- name: count_runs_between
SELECT count(*) FROM runs WHERE workflow = ? AND seq >= ? AND seq < ?;

-- name: newest_of_workflow
SELECT state, created_at, started_at, finished_at FROM runs
WHERE workflow = ? ORDER BY seq DESC LIMIT ?;

-- name: newest_waits
-- Among the newest ?2 steps of the newest ?2 runs: a run may have ten thousand.
SELECT finished_at - started_at FROM (
  SELECT s.kind, s.started_at, s.finished_at FROM (
    SELECT id FROM runs WHERE workflow = ?1 ORDER BY seq DESC LIMIT ?2) AS found
  JOIN steps AS s ON s.run_id = found.id LIMIT ?2)
WHERE kind IN ('wait_for', 'approval');

-- ---- the system -------------------------------------------------------------------------------

-- name: due_things
-- From the moment ?2 on.
SELECT * FROM (
  SELECT run_at, 'run', id, workflow FROM runs
  WHERE state = 'pending' AND run_at >= ?2 ORDER BY run_at, seq LIMIT ?1)
UNION ALL
SELECT * FROM (
  SELECT deadline, kind, run_id, name FROM event_waiters
  WHERE deadline >= ?2 ORDER BY deadline, seq LIMIT ?1)
UNION ALL
SELECT * FROM (
  SELECT expires_at, 'timeout', id, workflow FROM runs
  WHERE expires_at >= ?2 AND state IN ('pending', 'running', 'waiting')
  ORDER BY expires_at, seq LIMIT ?1)
UNION ALL
SELECT * FROM (
  SELECT t.at, CASE WHEN t.people IS NULL THEN 'reminder' ELSE 'escalation' END, a.run_id, a.name
  FROM approval_timers AS t JOIN approvals AS a ON a.seq = t.approval
  WHERE t.at >= ?2 ORDER BY t.at, t.approval LIMIT ?1)
UNION ALL
SELECT * FROM (
  SELECT next_at, 'schedule', '', workflow FROM schedules
  WHERE next_at >= ?2 ORDER BY next_at, workflow LIMIT ?1);

-- name: ready_groups
SELECT worker_group, count(*), min(seq) FROM runs INDEXED BY runs_ready
WHERE state = 'pending' AND run_at IS NULL AND isolated = 0 GROUP BY worker_group;

-- name: created_at_of
SELECT created_at FROM runs WHERE seq = ?;

-- name: count_events
SELECT count(*) FROM events;

-- name: count_approvals
SELECT count(*) FROM approvals;

-- ---- waits, and signals that nobody has taken ---------------------------------------------------

-- name: event_groups
-- ?1 and ?2: from here on, and before this; ?3 after this one.
SELECT g.event, g.waiters, w.run_id, w.name, w.created_at, w.deadline FROM (
  SELECT event, count(*) AS waiters, min(seq) AS first FROM event_waiters
  WHERE event >= ?1 AND event < ?2 AND event > ?3 GROUP BY event ORDER BY event LIMIT ?4) AS g
JOIN event_waiters AS w ON w.seq = g.first ORDER BY g.event;

-- name: page_of_waiters
SELECT seq, run_id, name, kind, event, deadline, created_at FROM event_waiters
WHERE event = ? AND seq > ? ORDER BY seq LIMIT ?;

-- name: mailbox
-- ?1 and ?2: events from here on, and before this; ?3 and ?4: after this event and number.
SELECT seq, id, event, key, payload, state, delivered, created_at, expires_at, reason FROM events
INDEXED BY events_kept
WHERE payload IS NOT NULL AND state IN ('buffered', 'refused')
  AND event >= ?1 AND event < ?2 AND (event, seq) > (?3, ?4)
ORDER BY event, seq LIMIT ?5;

-- ---- logs -------------------------------------------------------------------------------------

-- name: log_so_far
SELECT count(*), coalesce(sum(octet_length(message)), 0), coalesce(max(seq), 0) FROM run_log
WHERE run_id = ?;

-- name: log_between
SELECT seq FROM run_log WHERE run_id = ? AND seq BETWEEN ? AND ?;

-- name: insert_log
INSERT INTO run_log (run_id, seq, at, level, message, attempt) VALUES (?, ?, ?, ?, ?, ?);

-- name: list_logs
SELECT seq, at, level, message, attempt FROM run_log
WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?;
