-- Woken by these: work is there; a run is to be cancelled; periodic work of the name that is the
-- payload is to be done.
-- name: runner_listen_jobs
-- args:
-- row:
LISTEN millrace_job;

-- A job was handed to a runner: its name, the run, its owner and its input, a line each.
-- name: runner_listen_handed
-- args:
-- row:
LISTEN millrace_handed;

-- name: runner_listen_cancels
-- args:
-- row:
LISTEN millrace_cancel;

-- name: runner_listen_periodic
-- args:
-- row:
LISTEN millrace_periodic;

-- The runner's name is taken for as long as this connection lives.
-- name: runner_name_lock
-- args: runner_name text
-- row: taken bool
SELECT pg_try_advisory_lock(hashtext('millrace.runner'), hashtext($1)) AS taken;

-- What is claimed has begun: nothing is asked between a claim and the work, and what a
-- chat needs at its start comes along: the latest 40 messages before its question, and 64 KiB, at
-- most; so does a workflow's definition. Topics are locked in the order of their names. The last
-- row has no run, and says in how many milliseconds the next job that was left is due.
-- name: runner_jobs_claim
-- args: runner_name text, want int4, per_user int4, lease interval
-- row: run_id uuid, owner_id uuid, kind text, attempt int4, conversation_id uuid, document_id uuid, input text, cancelled bool, max_attempts int4, seq int8, wait_ms int8, begun json
SELECT c.run_id, b.owner_id, c.kind, c.attempt, b.conversation_id, b.document_id, b.input, b.cancelled, b.max_attempts, b.seq, c.wait_ms,
	CASE WHEN c.kind IN ('agent', 'chat', 'preview') THEN chat_begin(c.run_id, b.owner_id, b.conversation_id, 40, 65536)
		WHEN c.kind = 'workflow' THEN workflow_begin(c.run_id) END AS begun
FROM (SELECT * FROM job_claim($1, $2, $3, $4) ORDER BY 'run:' || run_id) c LEFT JOIN LATERAL job_begin(c.run_id, $1, c.attempt) b ON true;

-- The same columns for what was handed to this runner and it never heard of; the last row's run is
-- the bound that job_unheard() gives.
-- name: runner_jobs_unheard
-- args: runner_name text, known uuid[], lease interval
-- row: run_id uuid, owner_id uuid, kind text, attempt int4, conversation_id uuid, document_id uuid, input text, cancelled bool, max_attempts int4, seq int8, wait_ms int8, begun json
-- batched
SELECT c.run_id, b.owner_id, c.kind, c.attempt, b.conversation_id, b.document_id, b.input, b.cancelled, b.max_attempts, b.seq, NULL::int8 AS wait_ms,
	CASE WHEN c.kind IN ('agent', 'chat', 'preview') THEN chat_begin(c.run_id, b.owner_id, b.conversation_id, 40, 65536)
		WHEN c.kind = 'workflow' THEN workflow_begin(c.run_id) END AS begun
FROM (SELECT * FROM job_unheard($1, $2, $3) ORDER BY kind IS NULL, 'run:' || run_id) c
LEFT JOIN LATERAL job_begin(c.run_id, $1, c.attempt) b ON true;

-- The input of a job that was handed to this runner, where it did not fit the notification. No row:
-- it is not this runner's any more.
-- name: runner_job_handed
-- args: run_id uuid, runner_name text
-- row: input text
-- reads
-- batched
SELECT r.input::text AS input FROM job j JOIN run r ON r.id = j.run_id
WHERE j.run_id = $1 AND j.state = 'running' AND j.runner = $2 AND j.attempts = 1;

-- Puts jobs that there is no room for into the queue.
-- name: runner_jobs_refuse
-- args: runner_name text, runs uuid[]
-- row: returned int8
-- batched
SELECT count(job_release(r, $1, '0', NULL, false)) AS returned FROM unnest($2::uuid[]) r;

-- name: runner_jobs_return
-- args: runner_name text, known uuid[]
-- row: returned int8
SELECT job_return($1, $2) AS returned;

-- name: runner_jobs_reclaim
-- args: runner_name text, provider text, model text
-- row: again int8
SELECT job_reclaim($1, $2, $3) AS again;

-- name: runner_jobs_heartbeat
-- args: runner_name text, runs uuid[], lease interval
-- row: run_id uuid, why text
SELECT run_id, why FROM job_heartbeat($1, $2, $3);

-- name: runner_jobs_sweep
-- args: lease interval, provider text, model text
-- row: again int8, ended int8, running bool
SELECT s.again, s.ended, EXISTS (SELECT FROM job j WHERE j.state = 'running') AS running FROM job_sweep($1, $2, $3) s;

-- name: runner_analytics_publish
-- args: most int4
-- row: published int8
-- batched
SELECT outbox_analytics_publish($1) AS published;

-- name: runner_old_sweep
-- args: event_hours int4, idempotency_hours int4, run_days int4, notification_days int4, key_days int4, most int4
-- row: more bool
SELECT sweep_old($1, $2, $3, $4, $5, $6) AS more;

-- name: runner_usage_count
-- args: most int4
-- row: more bool
SELECT usage_count($1) AS more;

-- name: runner_figures_roll
-- args: most int4
-- row: more bool
SELECT figures_roll(now() - interval '10 minutes', $1) AS more;

-- name: runner_deletions_due
-- args: most int4
-- row: kind text, thing uuid
SELECT kind, thing FROM deletions_due($1);

-- name: runner_deletion_step
-- args: kind text, thing uuid, most int4
-- row: wait_ms int8
SELECT deletion_step($1, $2, $3) AS wait_ms;

-- The arrays of numbers travel as text[].
-- name: runner_events_write
-- args: runner_name text, runs uuid[], attempts text[], after text[], counts text[], topics text[], types text[], data text[]
-- row: n int4, seq int8
-- posted
SELECT n, seq FROM job_publish($1, $2, $3::text[]::int[], $4::text[]::bigint[], $5::text[]::int[], $6, $7, $8);

-- The same of one event.
-- name: runner_event_write
-- args: runner_name text, run_id uuid, attempt int4, after int8, type text, data text
-- row: n int4, seq int8
-- posted
SELECT 1 AS n, job_publish_one($1, $2, $3, $4, $5, $6) AS seq;

-- name: runner_job_give_back
-- args: run_id uuid, runner_name text, delay interval, error text, counts bool
-- row: job_release bool
-- batched
SELECT job_release($1, $2, $3, $4, $5);

-- name: runner_job_end_done
-- args: run_id uuid, runner_name text, attempt int4, after int8, data text, reply text
-- row: job_done int8
-- ends
-- batched
SELECT job_done($1, $2, $3, $4, $5::text::json, $6::text::json);

-- name: runner_job_end_failed
-- args: run_id uuid, runner_name text, attempt int4, after int8, status text, code text, message text, dead bool
-- row: job_fail int8
-- ends
-- batched
SELECT job_fail($1, $2, $3, $4, $5, $6, $7, $8);

-- name: runner_job_end_refused
-- args: run_id uuid, runner_name text, attempt int4, after int8, status int4, code text, message text
-- row: job_refuse int8
-- ends
SELECT job_refuse($1, $2, $3, $4, $5, $6, $7);

-- name: runner_seen
-- args: host text, pid int4, version text, started_at timestamptz, stats text, runner_name text, per_user int4, lease interval
-- row: process_heartbeat void, runner_is_ready void
SELECT process_heartbeat($1, 'runner', $2, $3, $4, $5::text::json), runner_is_ready($6, $7, $8);

-- name: runner_forget
-- args: host text, pid int4
-- row: process_forget void
SELECT process_forget($1, 'runner', $2);
