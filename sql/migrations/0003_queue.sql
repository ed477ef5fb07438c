-- Runs (what a user asked for and can look at) and jobs (how the runner gets it done).

CREATE TABLE run (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	kind		text NOT NULL,			-- chat, ingest, search: names the runner's job
	conversation_id	uuid,
	document_id	uuid,
	status		text NOT NULL DEFAULT 'queued'
			CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
	input		jsonb NOT NULL DEFAULT '{}',
	outcome		json,				-- the terminal event's data
	error_code	text,
	error_message	text,
	last_seq	bigint,				-- the terminal event's seq
	cancel_asked_at	timestamptz,
	created_at	timestamptz NOT NULL DEFAULT now(),
	started_at	timestamptz,
	ended_at	timestamptz
);
CREATE INDEX run_owner ON run (owner_id, id);
CREATE INDEX run_conversation ON run (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX run_document ON run (document_id) WHERE document_id IS NOT NULL;
CREATE INDEX run_open ON run (created_at) WHERE ended_at IS NULL;
ALTER TABLE run ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON run TO millrace_api USING (owner_id = caller_id());
GRANT SELECT, INSERT, UPDATE (cancel_asked_at) ON run TO millrace_api;
GRANT SELECT, UPDATE ON run TO millrace_runner;

CREATE TABLE job (
	run_id		uuid PRIMARY KEY REFERENCES run ON DELETE CASCADE,
	owner_id	uuid NOT NULL,
	kind		text NOT NULL,
	state		text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'dead')),
	priority	int NOT NULL DEFAULT 0,		-- larger goes first
	attempts	int NOT NULL DEFAULT 0,
	max_attempts	int NOT NULL DEFAULT 3,
	run_at		timestamptz NOT NULL DEFAULT now(),
	lease_until	timestamptz,
	runner		text,				-- host/instance that holds the lease
	last_error	text,
	created_at	timestamptz NOT NULL DEFAULT now(),
	ended_at	timestamptz
);
CREATE INDEX job_next ON job (priority DESC, run_at, run_id) WHERE state = 'queued';
CREATE INDEX job_running ON job (owner_id) WHERE state = 'running';
CREATE INDEX job_dead ON job (ended_at) WHERE state = 'dead';
ALTER TABLE job ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON job TO millrace_api USING (owner_id = caller_id());
GRANT SELECT, INSERT ON job TO millrace_api;
GRANT SELECT, UPDATE, DELETE ON job TO millrace_runner;

-- How many jobs wait, counted no further than `up_to`, whoever they belong to.
CREATE FUNCTION queue_depth(up_to int) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT count(*) FROM (SELECT FROM job WHERE state = 'queued' LIMIT up_to) q
$$;

-- Stores a run with its job and wakes a runner; 503 where `queue_max` jobs wait already. The caller's transaction does the
-- rest of what the run needs.
CREATE FUNCTION run_enqueue(kind text, input jsonb, queue_max int, conversation_id uuid DEFAULT NULL,
	document_id uuid DEFAULT NULL, priority int DEFAULT 0) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
BEGIN
	IF queue_depth(queue_max) >= queue_max THEN
		PERFORM refuse(503, 'Too much work is waiting; try again shortly.');
	END IF;
	INSERT INTO run (owner_id, kind, input, conversation_id, document_id)
	VALUES (caller_id(), $1, $2, $4, $5) RETURNING id INTO new_id;
	INSERT INTO job (run_id, owner_id, kind, priority) VALUES (new_id, caller_id(), $1, $6);
	PERFORM pg_notify('millrace_job', '');
	RETURN new_id;
END $$;

-- Leases up to `want` due jobs to `runner`, at most `per_user` running at once for one user, oldest of the highest
-- priority first, users with the fewest running first. Claims take turns (they are short), so the bound is exact. Jobs without
-- attempts left are not here: job_sweep() ends them. Committed synchronously: (runner, attempt) fences what a job writes, and an attempt's
-- number that a crash had taken back could be given out twice.
CREATE FUNCTION job_claim(runner text, want int, per_user int, lease interval)
RETURNS TABLE (run_id uuid, owner_id uuid, kind text, attempt int) LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('millrace.job_claim'));
	RETURN QUERY
	WITH busy AS (
		SELECT j.owner_id, count(*) AS n FROM job j WHERE j.state = 'running' GROUP BY j.owner_id
	), due AS (
		SELECT j.run_id, j.owner_id, j.priority, j.run_at,
			coalesce(b.n, 0) + row_number() OVER (PARTITION BY j.owner_id
				ORDER BY j.priority DESC, j.run_at, j.run_id) AS place
		FROM job j LEFT JOIN busy b ON b.owner_id = j.owner_id
		WHERE j.state = 'queued' AND j.run_at <= now()
	), chosen AS (
		SELECT j.run_id FROM job j JOIN due d ON d.run_id = j.run_id
		WHERE d.place <= per_user AND j.state = 'queued'
		ORDER BY d.priority DESC, d.place, d.run_at LIMIT want FOR UPDATE OF j SKIP LOCKED
	), leased AS (
		UPDATE job j SET state = 'running', attempts = j.attempts + 1, runner = $1, lease_until = now() + lease
		FROM chosen c WHERE j.run_id = c.run_id
		RETURNING j.run_id, j.owner_id, j.kind, j.attempts
	), started AS (
		UPDATE run r SET status = 'running', started_at = coalesce(r.started_at, now())
		FROM leased l WHERE r.id = l.run_id
	)
	SELECT l.run_id, l.owner_id, l.kind, l.attempts FROM leased l;
END $$;

-- Heartbeat: prolongs the leases that `runner` still holds; returns those runs of `runs` that it has lost or whose
-- cancellation was asked for, and why ('lost', 'cancel').
CREATE FUNCTION job_heartbeat(runner text, runs uuid[], lease interval)
RETURNS TABLE (run_id uuid, why text) LANGUAGE sql AS $$
	WITH kept AS (
		UPDATE job j SET lease_until = now() + $3
		WHERE j.run_id = ANY ($2) AND j.state = 'running' AND j.runner = $1 RETURNING j.run_id
	)
	SELECT u, 'lost' FROM unnest($2) u WHERE u NOT IN (SELECT k.run_id FROM kept k)
	UNION ALL
	SELECT r.id, 'cancel' FROM run r WHERE r.id = ANY ($2) AND r.cancel_asked_at IS NOT NULL
$$;

-- Gives a leased job back, to run again after `delay`; used at shutdown (`counts` false: the attempt is not counted) and
-- after an error that may pass. Returns false where the lease was lost.
CREATE FUNCTION job_release(run_id uuid, runner text, delay interval, error text, counts boolean)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE job j SET state = 'queued', run_at = now() + delay, lease_until = NULL, runner = NULL,
		last_error = coalesce(error, j.last_error), attempts = j.attempts - CASE WHEN counts THEN 0 ELSE 1 END
	WHERE j.run_id = $1 AND j.state = 'running' AND j.runner = $2;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE run SET status = 'queued' WHERE id = $1;
	IF delay <= interval '0' THEN
		PERFORM pg_notify('millrace_job', '');
	END IF;
	RETURN true;
END $$;

-- Ends a run, once: the outcome, the terminal event and the job's state in one transaction. `terminal` is 'done' or 'error';
-- where `reply` is given (deferred requests) a `result` event {status, headers, body} goes before it. A dead job is kept for
-- `millracectl jobs`. Returns false, and does nothing, where the run has ended already.
CREATE FUNCTION run_finish(run_id uuid, status text, terminal text, data json, reply json, dead boolean DEFAULT false)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	seq bigint;
BEGIN
	PERFORM FROM run r WHERE r.id = $1 AND r.ended_at IS NULL FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF reply IS NOT NULL THEN
		PERFORM publish('run:' || $1, 'result', reply);
	END IF;
	seq := publish('run:' || $1, terminal, data);
	UPDATE run r SET status = $2, outcome = $4, ended_at = now(), last_seq = seq,
		error_code = CASE WHEN terminal = 'error' THEN data ->> 'code' END,
		error_message = CASE WHEN terminal = 'error' THEN data ->> 'message' END
	WHERE r.id = $1;
	UPDATE job j SET state = CASE WHEN dead THEN 'dead' ELSE 'done' END, ended_at = now(), lease_until = NULL,
		last_error = CASE WHEN terminal = 'error' THEN data ->> 'message' ELSE j.last_error END
	WHERE j.run_id = $1;
	RETURN true;
END $$;

-- What a run has said so far: its token events put together.
CREATE FUNCTION run_said(run_id uuid) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(e.data ->> 'content', '' ORDER BY e.seq), '')
	FROM stream_event e WHERE e.topic = 'run:' || $1 AND e.type = 'token'
$$;

-- The dead-letter state's way back: a fresh run of the same input cannot reuse the ended one's event log, so the job starts
-- over under its own run only where that run never ended; otherwise a copy is enqueued and its id returned.
CREATE FUNCTION job_retry(run_id uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	old run;
	new_id uuid;
BEGIN
	SELECT r.* INTO old FROM run r JOIN job j ON j.run_id = r.id WHERE r.id = $1 AND j.state = 'dead' FOR UPDATE OF j;
	IF NOT FOUND THEN
		PERFORM refuse(404, 'There is no dead job of this id.');
	END IF;
	INSERT INTO run (owner_id, kind, input, conversation_id, document_id)
	VALUES (old.owner_id, old.kind, old.input, old.conversation_id, old.document_id) RETURNING id INTO new_id;
	INSERT INTO job (run_id, owner_id, kind) VALUES (new_id, old.owner_id, old.kind);
	UPDATE job j SET state = 'done' WHERE j.run_id = $1;
	PERFORM pg_notify('millrace_job', '');
	RETURN new_id;
END $$;
