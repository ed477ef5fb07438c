-- Runs and jobs.
--
-- What the runner writes is fenced: an attempt may write for its run only while the job is leased
-- to it. (runner, attempt) is the fence; `after` is the seq that the attempt has written last, so
-- that a write whose reply was lost is not done twice. Locks are taken in one order
-- everywhere: job, run, topic. Sequential scans are off in what runs for every chat: its plans are
-- kept, and may have been made while the tables were empty.

-- Whose a job is, for its place in the queue: an owner, or the zero uuid for what is nobody's.
CREATE OR REPLACE FUNCTION queue_owner(owner uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT coalesce($1, '00000000-0000-0000-0000-000000000000')
$$;
GRANT EXECUTE ON FUNCTION queue_owner TO millrace_runner;

-- Refuses where one job more is too much. Alone, a user may have `queue_max` jobs waiting; while
-- others wait, a quarter of that: more is RATE_LIMITED. Whoever has less is taken though one user
-- has filled the queue: up to twice its length, and who has nothing waiting up to three times; then
-- it is OVERLOADED. Jobs that are nobody's (sign-ins, which are counted by address) have no share.
-- As the owner: the queue is everybody's.
CREATE OR REPLACE FUNCTION queue_check(queue_max int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	own bigint;
	everybodys bigint;
BEGIN
	-- Of one snapshot, so that one's own that come meanwhile are not taken for others'.
	SELECT (SELECT count(*) FROM (SELECT FROM job j WHERE j.state = 'queued' AND queue_owner(j.owner_id) = caller_id()
			LIMIT queue_max) q),
		(SELECT count(*) FROM (SELECT FROM job j WHERE j.state = 'queued' LIMIT 3 * queue_max) q)
	INTO own, everybodys;
	IF own >= queue_max OR (own >= greatest(queue_max / 4, 1) AND everybodys > own) THEN
		PERFORM refuse('RATE_LIMITED', 'Too much of your work is waiting; let some of it end first.');
	ELSIF everybodys >= queue_max * (CASE own WHEN 0 THEN 3 ELSE 2 END) THEN
		PERFORM refuse('OVERLOADED', 'Too much work is waiting; try again shortly.');
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION queue_check TO millrace_api;

-- Refuses work that no runner would do, or, where its client waits, whose reply no streamd would
-- send, instead of letting the client wait. A role is gone after 30 seconds without a heartbeat: a
-- restart takes one or two, and what a dead runner leaves behind is taken over after as long
-- (MILLRACE_LEASE_SECONDS). While the server itself was away no heartbeat could arrive.
CREATE OR REPLACE FUNCTION work_require(waits boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	runner boolean;
	streamd boolean;
BEGIN
	SELECT bool_or(r.role = 'runner'), bool_or(r.role = 'streamd') OR NOT waits INTO runner, streamd
	FROM role_seen r WHERE r.role IN ('runner', 'streamd') AND r.seen_at > now() - interval '30 seconds';
	IF (runner AND streamd) IS TRUE OR pg_postmaster_start_time() > now() - interval '30 seconds' THEN
		RETURN;
	ELSIF runner IS NOT TRUE THEN
		PERFORM refuse('OVERLOADED', 'No runner is there to do this; try again when one has been started.');
	END IF;
	PERFORM refuse('OVERLOADED', 'No streamd is there to send the reply; try again when it has been started.');
END $$;
GRANT EXECUTE ON FUNCTION work_require TO millrace_api;

-- Stores a run with its job and wakes a runner, where queue_check() lets it; OVERLOADED where
-- nobody would do it or send its reply. What else the run needs belongs into the same
-- transaction.
CREATE OR REPLACE FUNCTION run_enqueue(kind text, input jsonb, queue_max int, conversation_id uuid DEFAULT NULL,
	document_id uuid DEFAULT NULL, priority int DEFAULT 0) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
	nothing text;	-- an assignment is no statement of its own, as PERFORM is
BEGIN
	nothing := queue_check(queue_max);
	INSERT INTO run (owner_id, kind, input, conversation_id, document_id)
	VALUES (caller_id(), $1, $2, $4, $5) RETURNING id INTO new_id;
	INSERT INTO job (run_id, owner_id, kind, priority) VALUES (new_id, caller_id(), $1, $6);
	nothing := work_require(kind = 'chat' OR input ? 'reply');
	nothing := notify_durable('millrace_job', '');
	RETURN new_id;
END $$;
GRANT EXECUTE ON FUNCTION run_enqueue TO millrace_api;

-- Stores a run with its job and wakes a runner, whatever waits already: for what a user has not
-- asked for now. Where `owner` is NULL it belongs to no user.
CREATE OR REPLACE FUNCTION run_add(owner uuid, kind text, input jsonb, priority int DEFAULT 0, attempts int DEFAULT 3) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
BEGIN
	INSERT INTO run (owner_id, kind, input) VALUES ($1, $2, $3) RETURNING id INTO new_id;
	INSERT INTO job (run_id, owner_id, kind, priority, max_attempts) VALUES (new_id, $1, $2, $4, $5);
	PERFORM notify_durable('millrace_job', '');
	RETURN new_id;
END $$;
GRANT EXECUTE ON FUNCTION run_add TO millrace_api, millrace_runner;

-- Leases up to `want` due jobs to `runner`, at most `per_user` running at once for one user: users
-- with the fewest running first, and of one user's the oldest of the highest priority. Looks at no
-- more of anybody's jobs than may run, however many wait, and at twice as many as are wanted, since
-- some may be locked by who ends them. Claims take turns (they are short), so the bound is exact.
-- Jobs without attempts left are not here: job_sweep() ends them. The last row, without a run, says
-- in how many milliseconds the next of those left in the queue is due: 0 where some are (their
-- users have as many running as may, or there was no room), NULL where the queue is empty. One plan
-- for all, which looks everything up by keys (LATERAL, ANY): a join may walk through all jobs.
-- Its caller hears of it when it is on disk: (runner, attempt) fences what a job writes, and an
-- attempt's number that a crash undid could be given out twice.
CREATE OR REPLACE FUNCTION job_claim(runner text, want int, per_user int, lease interval)
RETURNS TABLE (run_id uuid, owner_id uuid, kind text, attempt int, wait_ms bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('millrace.job_claim'));
	RETURN QUERY
	WITH RECURSIVE waiting (owner) AS (	-- each owner once, by skipping along the index
		(SELECT queue_owner(j.owner_id) FROM job j WHERE j.state = 'queued' ORDER BY 1 LIMIT 1)
		UNION ALL
		SELECT (SELECT queue_owner(j.owner_id) FROM job j WHERE j.state = 'queued' AND queue_owner(j.owner_id) > w.owner
			ORDER BY 1 LIMIT 1)
		FROM waiting w WHERE w.owner IS NOT NULL
	), due AS (
		SELECT d.run_id FROM waiting w
		CROSS JOIN LATERAL (
			SELECT count(*) AS n FROM (SELECT FROM job j WHERE j.state = 'running' AND j.owner_id = w.owner LIMIT per_user) r
		) busy
		CROSS JOIN LATERAL (
			SELECT j.run_id, j.priority, j.run_at, busy.n + row_number() OVER (ORDER BY j.priority DESC, j.run_at, j.run_id) AS rank
			FROM job j WHERE j.state = 'queued' AND queue_owner(j.owner_id) = w.owner AND j.run_at <= now()
			ORDER BY j.priority DESC, j.run_at, j.run_id LIMIT least(per_user - busy.n, 2 * want)
		) d
		ORDER BY d.rank, d.priority DESC, d.run_at LIMIT 2 * want
	), chosen AS (
		SELECT locked.run_id FROM due d CROSS JOIN LATERAL (
			SELECT j.run_id FROM job j WHERE j.run_id = d.run_id AND j.state = 'queued' FOR UPDATE SKIP LOCKED
		) locked LIMIT want
	), leased AS (
		UPDATE job j SET state = 'running', attempts = j.attempts + 1, runner = $1, lease_until = now() + lease
		WHERE j.run_id = ANY (ARRAY(SELECT c.run_id FROM chosen c))
		RETURNING j.run_id, j.owner_id, j.kind, j.attempts
	), started AS (
		UPDATE run r SET status = 'running', started_at = coalesce(r.started_at, now())
		WHERE r.id = ANY (ARRAY(SELECT l.run_id FROM leased l))
	)
	SELECT l.run_id, l.owner_id, l.kind, l.attempts, NULL::bigint FROM leased l;
	RETURN QUERY
	SELECT NULL::uuid, NULL::uuid, NULL::text, NULL::int,
		CASE WHEN EXISTS (SELECT FROM job j WHERE j.state = 'queued' AND j.run_at <= now()) THEN 0
		ELSE (SELECT ceil(extract(epoch FROM min(j.run_at) - now()) * 1000)::bigint FROM job j WHERE j.state = 'queued') END;
END $$;
GRANT EXECUTE ON FUNCTION job_claim TO millrace_runner;

-- A runner says that it takes jobs that are handed to it.
-- As the owner: these rows are no role's to write.
CREATE OR REPLACE FUNCTION runner_is_ready(name text, per_user int, lease interval) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	INSERT INTO runner_ready AS r (name, per_user, lease) VALUES ($1, $2, $3) ON CONFLICT ON CONSTRAINT runner_ready_pkey
	DO UPDATE SET per_user = excluded.per_user, lease = excluded.lease, seen_at = now()
$$;
GRANT EXECUTE ON FUNCTION runner_is_ready TO millrace_runner;

-- The runner that a job of the caller's is handed to at once, leased from its beginning: it needs
-- neither a claim nor that one's flush. NULL: it has to wait in the queue, since as many run as
-- may, or nobody is there; who has others waiting there does not ask. A runner is there while its
-- connection holds the lock of its name. It gives back what it has no room for. `alone`: only where
-- nobody waits, and a streamd is there, which is all that queue_check() and work_require() look at.
CREATE OR REPLACE FUNCTION runner_at_hand(alone boolean) RETURNS runner_ready LANGUAGE plpgsql AS $$
DECLARE
	r runner_ready;
	lock CONSTANT int := hashtext('millrace.runner');
BEGIN
	SELECT * INTO r FROM runner_ready x WHERE x.seen_at > now() - interval '15 seconds'
		AND CASE WHEN pg_try_advisory_lock_shared(lock, hashtext(x.name))
			THEN NOT pg_advisory_unlock_shared(lock, hashtext(x.name)) ELSE true END
		AND (SELECT count(*) FROM (SELECT FROM job j WHERE j.state = 'running' AND j.owner_id = caller_id() LIMIT x.per_user) n) < x.per_user
		AND NOT (alone AND (EXISTS (SELECT FROM job j WHERE j.state = 'queued')
			OR NOT EXISTS (SELECT FROM role_seen s WHERE s.role = 'streamd' AND s.seen_at > now() - interval '30 seconds')))
	ORDER BY random() LIMIT 1;
	RETURN r;
END $$;

-- Jobs that were handed to `runner` and that it never heard of, since their worker ended in
-- between: not among `known`, and some seconds old. They are leased to it anew. The last row is the
-- bound: what is older, and is heard of after this, is not to be begun.
CREATE OR REPLACE FUNCTION job_unheard(runner text, known uuid[], lease interval) RETURNS TABLE (run_id uuid, kind text, attempt int)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	bound CONSTANT uuid := uuid_v7_floor(now() - interval '2 seconds');
BEGIN
	RETURN QUERY UPDATE job j SET attempts = j.attempts + 1, lease_until = now() + lease
	WHERE j.run_id = ANY (ARRAY(SELECT u.run_id FROM job u WHERE u.state = 'running' AND u.runner = $1 AND u.run_id < bound
		AND u.run_id <> ALL (known) FOR UPDATE SKIP LOCKED))
	RETURNING j.run_id, j.kind, j.attempts;
	RETURN QUERY SELECT bound, NULL::text, NULL::int;
END $$;
GRANT EXECUTE ON FUNCTION job_unheard TO millrace_runner;

-- At a runner's end: puts what was handed to it and is not among `known` into the queue.
CREATE OR REPLACE FUNCTION job_return(runner text, known uuid[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(job_release(j.run_id, $1, '0', NULL, false)) FROM job j
	WHERE j.state = 'running' AND j.runner = $1 AND j.run_id <> ALL ($2)
$$;
GRANT EXECUTE ON FUNCTION job_return TO millrace_runner;

-- Extends the leases that `runner` still holds; returns the runs of `runs` that it has lost or
-- whose cancellation was requested, and which ('lost', 'cancel'). Waits for nobody: a job that is
-- locked is just being written by who holds it, and is left alone by the sweep as long.
CREATE OR REPLACE FUNCTION job_heartbeat(runner text, runs uuid[], lease interval)
RETURNS TABLE (run_id uuid, why text) LANGUAGE sql AS $$
	WITH kept AS (
		UPDATE job j SET lease_until = now() + $3 WHERE j.run_id = ANY (ARRAY(
			SELECT l.run_id FROM job l WHERE l.run_id = ANY ($2) AND l.state = 'running' AND l.runner = $1 FOR UPDATE SKIP LOCKED))
	)
	SELECT u, 'lost' FROM unnest($2) u
	WHERE NOT EXISTS (SELECT FROM job j WHERE j.run_id = u AND j.state = 'running' AND j.runner = $1)
	UNION ALL
	SELECT r.id, 'cancel' FROM run r WHERE r.id = ANY ($2) AND r.cancel_requested_at IS NOT NULL
$$;
GRANT EXECUTE ON FUNCTION job_heartbeat TO millrace_runner;

-- Returns a leased job to the queue, to run again after `delay`: at shutdown (`counts` false: the
-- attempt is not counted) and after a transient error. False where the lease was lost.
CREATE OR REPLACE FUNCTION job_release(run_id uuid, runner text, delay interval, error text, counts boolean)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE job j SET state = 'queued', run_at = now() + delay, lease_until = NULL, runner = NULL,
		last_error = coalesce(error, j.last_error), attempts = j.attempts - CASE WHEN counts THEN 0 ELSE 1 END
	WHERE j.run_id = $1 AND j.state = 'running' AND j.runner = $2;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE run SET status = 'queued' WHERE id = $1;
	-- A delayed job is heard of, too: runners then know when to claim.
	PERFORM notify_durable('millrace_job', '');
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION job_release TO millrace_runner;

-- Writes a run's end but for its job: the outcome and the terminal event, in one statement. Called
-- as the owner, who holds the job or the run. See run_finish().
CREATE OR REPLACE FUNCTION run_close(run_id uuid, status text, terminal text, data json, reply json) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	log CONSTANT text := 'run:' || $1;
	failed CONSTANT boolean := terminal = 'error';
	n bigint;
BEGIN
	WITH t AS (
		INSERT INTO topic AS t (name, seq) VALUES (log, CASE WHEN reply IS NULL THEN 1 ELSE 2 END)
		ON CONFLICT ON CONSTRAINT topic_pkey DO UPDATE SET seq = t.seq + excluded.seq, updated_at = now() RETURNING t.seq
	), e AS (
		INSERT INTO stream_event (topic, seq, type, data)
		SELECT log, t.seq - 1, 'result', reply FROM t WHERE reply IS NOT NULL UNION ALL SELECT log, t.seq, terminal, data FROM t
	)
	UPDATE run r SET status = $2, outcome = $4, ended_at = now(), last_seq = t.seq,
		error_code = CASE WHEN failed THEN data ->> 'code' END, error_message = CASE WHEN failed THEN data ->> 'message' END
	FROM t WHERE r.id = $1 RETURNING r.last_seq INTO n;
	IF reply IS NULL THEN
		PERFORM notify_durable('millrace_event', event_notification(log, n, terminal, data::text));
	ELSE
		PERFORM notify_durable('millrace_event', event_notification(log, n - 1, 'result', reply::text),
			event_notification(log, n, terminal, data::text));
	END IF;
END $$;

-- The same for many runs that are completed, whose logs stand at `after`; '' is no reply.
CREATE OR REPLACE FUNCTION runs_close(runs uuid[], after bigint[], data text[], replies text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WITH g AS MATERIALIZED (
		SELECT u.run_id, 'run:' || u.run_id AS log, u.after, u.data, nullif(u.reply, '') AS reply,
			u.after + CASE u.reply WHEN '' THEN 1 ELSE 2 END AS seq FROM unnest($1, $2, $3, $4) u (run_id, after, data, reply)
	), t AS (
		INSERT INTO topic (name, seq) SELECT g.log, g.seq FROM g ORDER BY g.log
		ON CONFLICT ON CONSTRAINT topic_pkey DO UPDATE SET seq = excluded.seq, updated_at = now()
	), e AS (
		INSERT INTO stream_event (topic, seq, type, data)
		SELECT g.log, g.seq - 1, 'result', g.reply::json FROM g WHERE g.reply IS NOT NULL UNION ALL SELECT g.log, g.seq, 'done', g.data::json FROM g
	)
	UPDATE run r SET status = 'completed', outcome = g.data::json, ended_at = now(), last_seq = g.seq
	FROM g WHERE r.id = g.run_id AND r.id = ANY ($1);
	PERFORM notify_durable('millrace_event', VARIADIC (
		SELECT array_agg(event_notification('run:' || u.run_id, u.after + k, CASE WHEN k = 1 AND u.reply <> '' THEN 'result' ELSE 'done' END,
			CASE WHEN k = 1 AND u.reply <> '' THEN u.reply ELSE u.data END) ORDER BY u.n, k)
		FROM unnest($1, $2, $3, $4) WITH ORDINALITY u (run_id, after, data, reply, n)
		CROSS JOIN LATERAL generate_series(1, CASE u.reply WHEN '' THEN 1 ELSE 2 END) k));
END $$;

-- Ends a run, once. `terminal` is 'done' or 'error'; where `reply` is given (deferred requests) a
-- `result` event {status, headers, body} goes before it. A dead job is kept for `millracectl jobs`.
-- Returns false, and does nothing, where the run has ended already. A call's is settled here, other
-- kinds' by a trigger.
-- As the owner: the log and the ledger are no role's to write.
CREATE OR REPLACE FUNCTION run_finish(run_id uuid, status text, terminal text, data json, reply json, dead boolean DEFAULT false)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r record;
BEGIN
	-- By the key alone: with more of a condition a kept plan may walk through all open runs.
	SELECT x.ended_at, x.owner_id, x.kind INTO r FROM run x WHERE x.id = $1 FOR UPDATE;
	IF NOT FOUND OR r.ended_at IS NOT NULL THEN
		RETURN false;
	END IF;
	PERFORM run_close($1, $2, $3, $4, $5);
	UPDATE job j SET state = CASE WHEN dead THEN 'dead' ELSE 'done' END, ended_at = now(), lease_until = NULL,
		last_error = CASE WHEN terminal = 'error' THEN data ->> 'message' ELSE j.last_error END
	WHERE j.run_id = $1;
	IF r.kind = 'call' THEN
		PERFORM run_settle(r.owner_id, $1, r.kind);
	END IF;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION run_finish TO millrace_runner;

-- The text that a run has produced so far: its token events concatenated.
CREATE OR REPLACE FUNCTION run_text(run_id uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT coalesce(string_agg(e.data ->> 'content', '' ORDER BY e.seq), '')
	FROM stream_event e WHERE e.topic = 'run:' || $1 AND e.type = 'token');
END $$;
GRANT EXECUTE ON FUNCTION run_text TO millrace_runner;

-- Runs a dead job again. The ended run's event log cannot be reused, so a copy is enqueued, whose
-- id is returned.
CREATE OR REPLACE FUNCTION job_retry(run_id uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	old run;
	new_id uuid;
BEGIN
	SELECT r.* INTO old FROM run r JOIN job j ON j.run_id = r.id WHERE r.id = $1 AND j.state = 'dead' FOR UPDATE OF j;
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no dead job of this id.');
	END IF;
	INSERT INTO run (owner_id, kind, input, conversation_id, document_id)
	VALUES (old.owner_id, old.kind, old.input, old.conversation_id, old.document_id) RETURNING id INTO new_id;
	INSERT INTO job (run_id, owner_id, kind) VALUES (new_id, old.owner_id, old.kind);
	-- A workflow goes on where it was.
	INSERT INTO workflow_run (id, owner_id, workflow_id, definition, inputs)
	SELECT new_id, w.owner_id, w.workflow_id, w.definition, w.inputs FROM workflow_run w WHERE w.id = $1;
	INSERT INTO workflow_step (workflow_run_id, owner_id, n, id, status, tries, input, output, started_at, ended_at)
	SELECT new_id, s.owner_id, s.n, s.id, s.status, s.tries, s.input, s.output, s.started_at, s.ended_at FROM workflow_step s
	WHERE s.workflow_run_id = $1 AND s.status = 'completed';
	-- A task begins anew; the schedule's time has been begun for.
	INSERT INTO task (id, owner_id, process_id, pipeline)
	SELECT new_id, t.owner_id, t.process_id, pipeline_new() FROM task t WHERE t.id = $1 AND t.process_id IS NOT NULL;
	UPDATE job j SET state = 'done' WHERE j.run_id = $1;
	PERFORM notify_durable('millrace_job', '');
	RETURN new_id;
END $$;

CREATE OR REPLACE FUNCTION run_json(r run) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', r.id, 'kind', r.kind, 'status', r.status, 'conversationId', r.conversation_id,
		'documentId', r.document_id, 'outcome', r.outcome,
		'error', CASE WHEN r.error_code IS NOT NULL
			THEN json_build_object('code', r.error_code, 'message', r.error_message) END,
		'lastEventId', r.last_seq, 'createdAt', rfc3339(r.created_at),
		'startedAt', rfc3339(r.started_at), 'endedAt', rfc3339(r.ended_at))
$$;
GRANT EXECUTE ON FUNCTION run_json TO millrace_api;

-- Requests a run's end. One that still waits ends here; a running one is ended by its runner, which
-- is notified.
CREATE OR REPLACE FUNCTION run_stop(run_id uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE run r SET cancel_requested_at = coalesce(r.cancel_requested_at, now()) WHERE r.id = $1 AND r.ended_at IS NULL;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	PERFORM pg_notify('millrace_cancel', $1::text);
	PERFORM FROM job j WHERE j.run_id = $1 AND j.state IN ('queued', 'waiting') FOR UPDATE SKIP LOCKED;
	IF FOUND THEN
		PERFORM run_abort($1, 'cancelled', 'CANCELLED', 'The run was cancelled.', false);
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION run_stop TO millrace_runner;

-- The caller requests a run's end.
-- As the owner: a run's end is the runner's to write.
CREATE OR REPLACE FUNCTION run_cancel(run_id uuid) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r run;
BEGIN
	SELECT * INTO r FROM run WHERE run.id = $1 AND run.owner_id = caller_id() FOR UPDATE;
	-- A mail is not its user's: it may tell them what somebody else does with the account.
	IF NOT FOUND OR r.kind = 'mail' OR NOT run_is_shown(r) THEN
		PERFORM refuse('NOT_FOUND', 'There is no such run.');
	END IF;
	PERFORM run_stop(r.id);
	SELECT * INTO r FROM run WHERE run.id = $1;
	RETURN run_json(r);
END $$;
GRANT EXECUTE ON FUNCTION run_cancel TO millrace_api;

-- Requests the end of a tool's run, or a call's, whose client has gone away.
-- As the owner: a run's end is the runner's to write.
CREATE OR REPLACE FUNCTION run_cancel_left(run_id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM FROM run r WHERE r.id = $1 AND r.kind IN ('tool', 'call') FOR UPDATE;
	IF FOUND THEN
		PERFORM run_stop($1);
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION run_cancel_left TO millrace_stream;

-- Ends a run that no runner ends (cancelled while it waited, its attempts used up, or what it works
-- on is gone) in an error; a chat keeps its text so far. What another kind has to do about that, a
-- trigger on run does (document_ingest_ended).
CREATE OR REPLACE FUNCTION run_abort(run_id uuid, status text, code text, message text, dead boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	r run;
BEGIN
	SELECT * INTO r FROM run WHERE run.id = $1 AND run.ended_at IS NULL FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	ELSIF r.kind IN ('chat', 'preview') THEN
		RETURN chat_abort(r, $2, $3, $4, $5);
	ELSIF r.kind = 'agent' THEN
		RETURN agent_abort(r, $2, $3, $4, $5);
	ELSIF r.kind = 'workflow' THEN
		RETURN workflow_abort(r, $2, $3, $4, $5);
	END IF;
	RETURN run_finish(r.id, $2, 'error', json_build_object('code', $3, 'message', $4),
		CASE WHEN r.kind <> 'call' THEN error_reply(r.id, CASE $3 WHEN 'CANCELLED' THEN 409 ELSE 500 END, $3, $4) END, $5);
END $$;
GRANT EXECUTE ON FUNCTION run_abort TO millrace_runner;

-- The `result` event of a run whose request waits for an ordinary reply (input.reply is set); NULL
-- for the others.
CREATE OR REPLACE FUNCTION data_reply(run_id uuid, body json) RETURNS json LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
	RETURN (SELECT json_build_object('status', 200, 'headers', '{}'::json, 'body', $2)
		FROM run r WHERE r.id = $1 AND r.input ? 'reply');
END $$;
GRANT EXECUTE ON FUNCTION data_reply TO millrace_runner;

-- The same for an error.
CREATE OR REPLACE FUNCTION error_reply(run_id uuid, status int, code text, message text) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('status', $2, 'headers', '{}'::json,
		'body', json_build_object('error', $4, 'code', $3, 'detail', $4, 'request_id', $1))
$$;
GRANT EXECUTE ON FUNCTION error_reply TO millrace_runner;

-- Locks the job where this attempt still holds it, and returns the topic's seq; NULL where it does
-- not. While it is held nobody else writes there.
CREATE OR REPLACE FUNCTION job_fence(run_id uuid, runner text, attempt int) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	j record;
BEGIN
	SELECT x.state = 'running' AND x.runner = $2 AND x.attempts = $3 AS is_held, coalesce(t.seq, 0) AS seq INTO j
	FROM job x LEFT JOIN LATERAL (SELECT o.seq FROM topic o WHERE o.name = 'run:' || $1 OFFSET 0) t ON true
	WHERE x.run_id = $1 FOR UPDATE OF x;
	RETURN CASE WHEN j.is_held THEN j.seq END;
END $$;
GRANT EXECUTE ON FUNCTION job_fence TO millrace_runner;

-- An attempt's first step, in the transaction of its claim: what it is to do, and the seq it
-- continues from. Taking the topic's lock waits for a predecessor's last write.
-- As the owner: the log is no role's to write.
CREATE OR REPLACE FUNCTION job_begin(run_id uuid, runner text, attempt int)
RETURNS TABLE (owner_id uuid, conversation_id uuid, document_id uuid, input text, cancelled boolean, max_attempts int, seq bigint)
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
BEGIN
	INSERT INTO topic AS t (name) VALUES ('run:' || $1) ON CONFLICT DO NOTHING;
	IF NOT FOUND THEN
		PERFORM FROM topic t WHERE t.name = 'run:' || $1 FOR UPDATE;
	END IF;
	RETURN QUERY
	SELECT r.owner_id, r.conversation_id, r.document_id, r.input::text, r.cancel_requested_at IS NOT NULL, j.max_attempts, t.seq
	FROM job j JOIN run r ON r.id = j.run_id JOIN topic t ON t.name = 'run:' || $1
	WHERE j.run_id = $1 AND j.state = 'running' AND j.runner = $2 AND j.attempts = $3;
END $$;
GRANT EXECUTE ON FUNCTION job_begin TO millrace_runner;

-- Writes the events of many runs, in the order given. Run i of `runs` has counts[i] events, which
-- stand together, and has written after[i] so far: so each event has its number, and nobody looks
-- it up. Returns for each run its seq: after + count where they are in the log (also where an
-- earlier try had put them there), something else where nothing was written because the log does
-- not stand at `after`, NULL where the lease is lost.
-- As the owner: the log is no role's to write.
CREATE OR REPLACE FUNCTION job_publish(runner text, runs uuid[], attempts int[], after bigint[], counts int[], topics text[], types text[],
	data text[]) RETURNS TABLE (n int, seq bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	names CONSTANT text[] := ARRAY(SELECT 'run:' || r FROM unnest(runs) r);
	stands bigint[];	-- where a run's log does, of whose lease is not lost
	due bigint[];	-- and where it will, of whose events are written
	moved bigint;
	held bigint;
BEGIN
	-- With the topics locked, the jobs' state read here holds until the commit: a successor
	-- begins by taking the same lock. Moving the topics locks them, and is all there is to do
	-- where each log stands as its run counts on, and no lease is lost; else it is undone.
	BEGIN
		UPDATE topic t SET seq = g.after + g.count, updated_at = now()
		FROM (SELECT * FROM unnest(names, after, counts) AS u (name, after, count) ORDER BY u.name) g
		WHERE t.name = g.name AND t.seq = g.after;
		GET DIAGNOSTICS moved = ROW_COUNT;
		-- Looked up one by one by key (LATERAL with OFFSET; further conditions on a job
		-- stand outside): a join would compare each with each.
		held := (SELECT count(*) FROM unnest(runs, attempts) AS g (run_id, attempt)
			CROSS JOIN LATERAL (SELECT o.state, o.runner, o.attempts FROM job o WHERE o.run_id = g.run_id OFFSET 0) j
			WHERE j.state = 'running' AND j.runner = $1 AND j.attempts = g.attempt);
		IF moved < cardinality(runs) OR held < cardinality(runs) THEN
			RAISE SQLSTATE 'MR001';
		END IF;
		PERFORM publish_numbered(topics, ARRAY(SELECT g.after + k
			FROM unnest(after, counts) WITH ORDINALITY AS g (after, count, n), generate_series(1, g.count) k ORDER BY g.n, k), types, data);
		RETURN QUERY SELECT g.n::int, g.after + g.count FROM unnest(after, counts) WITH ORDINALITY AS g (after, count, n);
		RETURN;
	EXCEPTION WHEN SQLSTATE 'MR001' THEN
	END;
	PERFORM FROM topic t WHERE t.name = ANY (names) ORDER BY t.name FOR UPDATE;
	SELECT array_agg(CASE WHEN j.run_id IS NOT NULL THEN t.seq END ORDER BY g.n),
		array_agg(CASE WHEN j.run_id IS NOT NULL AND t.seq = g.after THEN g.after + g.count END ORDER BY g.n)
	INTO stands, due
	FROM unnest(names, runs, attempts, after, counts) WITH ORDINALITY AS g (name, run_id, attempt, after, count, n)
	LEFT JOIN LATERAL (SELECT o.seq FROM topic o WHERE o.name = g.name OFFSET 0) t ON true
	LEFT JOIN LATERAL (SELECT o.run_id, o.state, o.runner, o.attempts FROM job o WHERE o.run_id = g.run_id OFFSET 0) j
		ON j.state = 'running' AND j.runner = $1 AND j.attempts = g.attempt;
	IF array_remove(due, NULL) <> '{}' THEN
		UPDATE topic t SET seq = g.seq, updated_at = now() FROM unnest(names, due) AS g (name, seq)
		WHERE t.name = g.name AND g.seq IS NOT NULL;
		PERFORM publish_numbered(topics, ARRAY(
			SELECT CASE WHEN g.due IS NOT NULL THEN g.after + k END
			FROM unnest(after, counts, due) WITH ORDINALITY AS g (after, count, due, n), generate_series(1, g.count) k
			ORDER BY g.n, k), types, data);
	END IF;
	RETURN QUERY SELECT s.n::int, coalesce(s.due, s.seq) FROM unnest(due, stands) WITH ORDINALITY AS s (due, seq, n);
END $$;
GRANT EXECUTE ON FUNCTION job_publish TO millrace_runner;

-- The same of one event, the short way: it is somebody's first token. The topic is moved, and so
-- locked, before the job is looked at; where the lease is lost it is moved back.
-- As the owner: the log is no role's to write.
CREATE OR REPLACE FUNCTION job_publish_one(runner text, run_id uuid, attempt int, after bigint, type text, data text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	log CONSTANT text := 'run:' || $2;
	stands CONSTANT bigint := after + 1;
	nothing text;
BEGIN
	UPDATE topic t SET seq = stands, updated_at = now() WHERE t.name = log AND t.seq = after;
	IF FOUND THEN
		INSERT INTO stream_event (topic, seq, type, data) SELECT log, stands, $5, $6::json
		WHERE (SELECT j.state = 'running' AND j.runner = $1 AND j.attempts = $3 FROM job j WHERE j.run_id = $2);
		IF FOUND THEN
			nothing := notify_durable('millrace_event', event_notification(log, stands, $5, $6));
			RETURN stands;
		END IF;
		UPDATE topic t SET seq = after WHERE t.name = log;
	END IF;
	RETURN (SELECT p.seq FROM job_publish($1, ARRAY[$2], ARRAY[$3], ARRAY[after], ARRAY[1], ARRAY[log], ARRAY[$5], ARRAY[$6]) p);
END $$;
GRANT EXECUTE ON FUNCTION job_publish_one TO millrace_runner;

-- An attempt's last step, for every kind of run. All three return NULL where the lease is lost, and
-- `after` where the run has ended; another seq where the log does not stand there (nothing is done
-- then).
CREATE OR REPLACE FUNCTION job_done(run_id uuid, runner text, attempt int, after bigint, data json, reply json)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq = after THEN
		PERFORM run_finish($1, 'completed', 'done', data, reply);
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION job_done TO millrace_runner;

CREATE OR REPLACE FUNCTION job_fail(run_id uuid, runner text, attempt int, after bigint, status text, code text, message text, dead boolean)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq = after THEN
		PERFORM run_abort($1, $5, $6, $7, $8);
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION job_fail TO millrace_runner;

-- The same as job_fail() for what is no failure of ours: whoever waits is told by this status, and
-- nothing is done again.
CREATE OR REPLACE FUNCTION job_refuse(run_id uuid, runner text, attempt int, after bigint, status int, code text, message text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq = after THEN
		PERFORM run_finish($1, 'failed', 'error', json_build_object('code', $6, 'message', $7), error_reply($1, $5, $6, $7));
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION job_refuse TO millrace_runner;

-- A job whose runner is gone: queues it again after `delay`, or ends it where it was cancelled, has
-- no attempts left, or is a call that was passed on. The caller holds the job's lock. Returns
-- whether it was queued.
CREATE OR REPLACE FUNCTION job_abandoned(run_id uuid, delay interval, provider text, model text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	j job;
	r run;
	passed boolean;
BEGIN
	SELECT * INTO j FROM job WHERE job.run_id = $1;
	SELECT * INTO r FROM run WHERE run.id = $1 FOR UPDATE;
	passed := r.kind = 'call' AND r.input ->> 'face' = 'pass';
	IF r.ended_at IS NOT NULL THEN
		UPDATE job SET state = 'done', ended_at = now(), lease_until = NULL WHERE job.run_id = $1;
		RETURN false;
	END IF;
	IF passed THEN
		PERFORM call_lost($1, j.attempts, false);
	ELSIF r.kind IN ('chat', 'preview', 'agent', 'call') AND (r.cancel_requested_at IS NOT NULL OR j.attempts >= j.max_attempts) THEN
		PERFORM usage_estimate($1, j.attempts, coalesce(r.input ->> 'provider', provider), coalesce(r.input ->> 'model', model));
	END IF;
	IF r.cancel_requested_at IS NOT NULL THEN
		PERFORM run_abort($1, 'cancelled', 'CANCELLED', 'The run was cancelled.', false);
		RETURN false;
	END IF;
	IF passed THEN
		-- It may have been billed at the provider, which is not asked twice.
		PERFORM run_abort($1, 'failed', 'UPSTREAM_FAILED',
			'The answer was lost by a fault here. It may have been billed, so it is charged as was expected, and not asked for again.', false);
		RETURN false;
	END IF;
	IF j.attempts >= j.max_attempts THEN
		PERFORM run_abort($1, 'failed', 'INTERNAL', 'The run was interrupted too often and was given up.', true);
		RETURN false;
	END IF;
	UPDATE job SET state = 'queued', run_at = now() + delay, lease_until = NULL, runner = NULL,
		last_error = 'its runner ended' WHERE job.run_id = $1;
	UPDATE run SET status = 'queued' WHERE run.id = $1;
	PERFORM notify_durable('millrace_job', '');
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION job_abandoned TO millrace_runner;

-- At a runner's start: queues at once what its predecessor of the same name held; returns how many
-- jobs. What ends is charged to its owner, whose row is locked until the commit: several owners in
-- the order of their ids.
CREATE OR REPLACE FUNCTION job_reclaim(runner text, provider text, model text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	held uuid[];
BEGIN
	SELECT array_agg(l.run_id) INTO held FROM (SELECT j.run_id FROM job j WHERE j.state = 'running' AND j.runner = $1
		ORDER BY j.run_id FOR UPDATE) l;
	RETURN (SELECT count(*) FILTER (WHERE job_abandoned(l.run_id, '0', provider, model))
		FROM (SELECT r.id AS run_id FROM run r WHERE r.id = ANY (held) ORDER BY r.owner_id, r.id) l);
END $$;
GRANT EXECUTE ON FUNCTION job_reclaim TO millrace_runner;

-- Guarantees every run its one terminal event: queues or ends jobs whose lease expired, and ends
-- runs without a job. After a restart of the server leases are left alone for as long as one lasts,
-- since heartbeats could not arrive. One sweep at a time; owners in the order of their ids, as
-- job_reclaim.
CREATE OR REPLACE FUNCTION job_sweep(lease interval, provider text, model text) RETURNS TABLE (again bigint, ended bigint)
LANGUAGE plpgsql AS $$
DECLARE
	j record;
	waits boolean;
BEGIN
	again := 0;
	ended := 0;
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.job_sweep')) THEN
		RETURN NEXT;
		RETURN;
	END IF;
	FOR j IN WITH lapsed AS (
			SELECT q.run_id, q.attempts FROM job q WHERE q.state = 'running' AND q.lease_until < now()
				AND pg_postmaster_start_time() < now() - lease ORDER BY q.run_id LIMIT 200 FOR UPDATE SKIP LOCKED
		), lost AS (
			SELECT r.id, r.owner_id FROM run r WHERE r.ended_at IS NULL AND r.created_at < now() - interval '1 minute' AND NOT EXISTS
				(SELECT FROM job q WHERE q.run_id = r.id AND q.state IN ('queued', 'waiting', 'running')) ORDER BY r.id LIMIT 200
		)
		-- Whose the run is: a service's job may be its user's.
		SELECT l.run_id, r.owner_id, l.attempts FROM lapsed l JOIN run r ON r.id = l.run_id UNION ALL SELECT x.id, x.owner_id, NULL FROM lost x ORDER BY 2, 1 LOOP
		IF j.attempts IS NULL THEN
			PERFORM run_abort(j.run_id, 'failed', 'INTERNAL', 'The run was lost and was given up.', true);
			waits := false;
		ELSE
			waits := job_abandoned(j.run_id, (0.5 + random()) * 2 ^ least(j.attempts, 6) * interval '0.5 s', provider, model);
		END IF;
		again := again + waits::int;
		ended := ended + (NOT waits)::int;
	END LOOP;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION job_sweep TO millrace_runner;

-- Is an ended run still named by something that lives longer than it would? What comes to name runs
-- (a workflow's step, a task, a request by its id) is asked here, and keeps them from the sweep.
CREATE OR REPLACE FUNCTION run_is_named(r run) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM idempotency i WHERE i.created_at = r.created_at AND i.owner_id = r.owner_id
		AND strpos(array_to_string(i.reply, ' '), r.id::text) > 0)
		OR EXISTS (SELECT FROM workflow_step s WHERE s.child = r.id AND s.status = 'waiting')
		OR (r.kind = 'task' AND (EXISTS (SELECT FROM agent_process p WHERE p.matched_task = r.id)
			OR EXISTS (SELECT FROM task t WHERE t.id = r.id AND NOT t.swept)))
$$;
