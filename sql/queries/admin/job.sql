-- Jobs that are not done, dead ones first, then the oldest; `state` null: of every state.
-- name: admin_job_list
-- args: state text, rows int8
-- row: run_id uuid, kind text, state text, email text, attempts text, age int8, runner text, last_error text, body json
SELECT j.run_id, j.kind, j.state, u.email, j.attempts || '/' || j.max_attempts AS attempts,
	extract(epoch FROM now() - coalesce(j.ended_at, j.created_at))::int8 AS age, j.runner, j.last_error,
	json_build_object('id', j.run_id, 'kind', j.kind, 'state', j.state, 'email', u.email, 'userId', j.owner_id,
		'attempts', j.attempts, 'maxAttempts', j.max_attempts, 'priority', j.priority, 'runner', j.runner,
		'error', j.last_error, 'createdAt', rfc3339(j.created_at), 'runAt', rfc3339(j.run_at),
		'leaseUntil', rfc3339(j.lease_until), 'endedAt', rfc3339(j.ended_at)) AS body
FROM job j LEFT JOIN app_user u ON u.id = j.owner_id
WHERE j.state IN ('dead', 'queued', 'waiting', 'running') AND ($1::text IS NULL OR j.state = $1)
ORDER BY j.state <> 'dead', j.created_at LIMIT $2;

-- NOT_FOUND where there is no dead job of this id.
-- name: admin_job_retry
-- args: run uuid
-- row: new_run uuid
SELECT job_retry($1) AS new_run;

-- Retries up to `rows` dead jobs, the oldest first; rows that another session retries just now are
-- skipped.
-- name: admin_job_retry_dead
-- args: rows int8
-- row: retried int8
WITH dead AS MATERIALIZED (
	SELECT run_id FROM job WHERE state = 'dead' ORDER BY ended_at LIMIT $1 FOR UPDATE SKIP LOCKED
), retried AS MATERIALIZED (
	SELECT job_retry(run_id) FROM dead
)
SELECT count(*) AS retried FROM retried;
