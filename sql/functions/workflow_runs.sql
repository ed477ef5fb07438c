-- Runs of workflows. A run's kind is `workflow`, and its id is its row's in workflow_run. Its job
-- walks through the definition: what has ended is in workflow_step and is not done again; what has
-- to wait (for a time, an approval, an agent) leaves the queue until workflow_wake() puts it back.

-- Without what it was given, where that is not the caller's; but what somebody is asked is.
CREATE OR REPLACE FUNCTION workflow_step_json(s workflow_step, given boolean) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', s.id, 'status', s.status, 'tries', s.tries, 'input', CASE WHEN $2 OR s.asks THEN s.input END,
		'output', s.output, 'error', s.error,
		'started_at', rfc3339(s.started_at), 'ended_at', rfc3339(s.ended_at))
$$;
GRANT EXECUTE ON FUNCTION workflow_step_json TO millrace_api;

CREATE OR REPLACE FUNCTION workflow_run_reply(w workflow_run, status text, error text) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('workflow_run_id', w.id, 'workflow_id', w.workflow_id, 'status', $2, 'outputs', w.outputs, 'error', $3)
$$;
GRANT EXECUTE ON FUNCTION workflow_run_reply TO millrace_api, millrace_runner;

-- A run; with `steps` also what it was given, and its steps in the order of the definition. What
-- somebody has begun for its owner is shown without what that one has put into it: a service's
-- definition, with the headers of its requests, is not its users'.
CREATE OR REPLACE FUNCTION workflow_run_json(w workflow_run, steps boolean) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT json_build_object('workflow_run_id', w.id, 'workflow_id', w.workflow_id,
		'status', CASE r.status WHEN 'cancelled' THEN 'failed' ELSE r.status END, 'outputs', w.outputs, 'error', r.error_message,
		'user_id', w.owner_id, 'step', w.step, 'progress', w.progress, 'created_at', rfc3339(r.created_at),
		'ended_at', rfc3339(r.ended_at), 'definition', CASE WHEN $2 AND g.own THEN w.definition END, 'inputs', CASE WHEN $2 AND g.own THEN w.inputs END,
		'steps', CASE WHEN $2 THEN coalesce((
			SELECT json_agg(workflow_step_json(s, g.own) ORDER BY s.n) FROM workflow_step s WHERE s.workflow_run_id = w.id), '[]') END)
	FROM run r CROSS JOIN LATERAL (SELECT coalesce(r.input ->> 'by' = caller_id()::text, true) AS own) g WHERE r.id = w.id);
END $$;
GRANT EXECUTE ON FUNCTION workflow_run_json TO millrace_api;

-- Refuses where 1,000 runs of the caller's have begun and wait.
-- As the owner: the queue is everybody's.
CREATE OR REPLACE FUNCTION workflow_room() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF (SELECT count(*) FROM (SELECT FROM job j WHERE j.owner_id = caller_id() AND j.state = 'waiting' LIMIT 1000) x) = 1000 THEN
		PERFORM refuse('RATE_LIMITED', '1,000 runs of your workflows wait already; let some of them end, or cancel them.');
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION workflow_room TO millrace_api;

-- Stores a run of a workflow with its job, for the caller.
CREATE OR REPLACE FUNCTION workflow_enqueue(w workflow, inputs json, more jsonb, queue_max int) RETURNS workflow_run LANGUAGE plpgsql AS $$
DECLARE
	made workflow_run;
BEGIN
	PERFORM workflow_room();
	INSERT INTO workflow_run (id, owner_id, workflow_id, definition, inputs)
	VALUES (run_enqueue('workflow', $3, $4), caller_id(), w.id, w.definition, coalesce($2, '{}')) RETURNING * INTO made;
	RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION workflow_enqueue TO millrace_api;

-- Begins a run of one of the caller's workflows; for another user where a service account, or an
-- administrator, names one, as agent_invoke() does. `reply`: the request waits for its end.
CREATE OR REPLACE FUNCTION workflow_execute(workflow uuid, inputs json, user_name text, reply boolean, queue_max int)
RETURNS TABLE (run_id uuid, body json) LANGUAGE plpgsql AS $$
DECLARE
	asking CONSTANT uuid := caller_id();
	who uuid;
	made workflow_run;
	w workflow;
BEGIN
	SELECT * INTO w FROM workflow x WHERE x.id = $1 AND x.owner_id = asking;
	IF w.id IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such workflow.');
	END IF;
	who := caller_becomes($3);
	made := workflow_enqueue(w, $2, run_by(asking, who, CASE WHEN $4 THEN 'workflow' END), $5);
	run_id := made.id;
	body := workflow_run_reply(made, CASE WHEN $4 THEN 'running' ELSE 'queued' END, NULL);
	PERFORM set_config('millrace.caller', asking::text, true);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION workflow_execute TO millrace_api;

-- A run of the caller's, or one that the caller began for somebody; NULL: there is none.
-- As the owner: whom a service names is another's row.
CREATE OR REPLACE FUNCTION workflow_run_show(run_id uuid) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN (SELECT workflow_run_json(w, true) FROM workflow_run w JOIN run r ON r.id = w.id
	WHERE w.id = $1 AND (w.owner_id = caller_id() OR r.input ->> 'by' = caller_id()::text));
END $$;
GRANT EXECUTE ON FUNCTION workflow_run_show TO millrace_api;

-- The caller ends a run of a workflow; NULL: there is none.
CREATE OR REPLACE FUNCTION workflow_run_cancel(run_id uuid) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM workflow_run w WHERE w.id = $1 AND w.owner_id = caller_id()) THEN
		RETURN NULL;
	END IF;
	PERFORM run_cancel($1);
	RETURN (SELECT workflow_run_json(w, true) FROM workflow_run w WHERE w.id = $1);
END $$;
GRANT EXECUTE ON FUNCTION workflow_run_cancel TO millrace_api;

-- Says yes or no to a step of the caller's that waits for that: the named one, or the first.
-- As the owner: steps are the runner's to write.
CREATE OR REPLACE FUNCTION workflow_run_approve(run_id uuid, step text, approved boolean) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE workflow_step s SET approved = $3, due_at = now()
	WHERE s.workflow_run_id = $1 AND s.id = (SELECT o.id FROM workflow_step o WHERE o.workflow_run_id = $1 AND o.owner_id = caller_id()
		AND o.status = 'waiting' AND o.asks AND o.approved IS NULL AND ($2 IS NULL OR o.id = $2) ORDER BY o.n LIMIT 1 FOR UPDATE);
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such step that waits for an approval.');
	END IF;
	PERFORM notify_durable('millrace_periodic', 'workflows');
	RETURN (SELECT workflow_run_json(w, true) FROM workflow_run w WHERE w.id = $1);
END $$;
GRANT EXECUTE ON FUNCTION workflow_run_approve TO millrace_api;

-- -- for the runner --

-- What a run begins with, where it is not long; NULL: its job asks for it.
CREATE OR REPLACE FUNCTION workflow_begin(run_id uuid) RETURNS json LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
	RETURN (SELECT json_build_object('definition', w.definition, 'inputs', w.inputs,
			'begun', EXISTS (SELECT FROM workflow_step s WHERE s.workflow_run_id = w.id))
		FROM workflow_run w WHERE w.id = $1 AND octet_length(w.definition::text) + octet_length(w.inputs::text) <= 16384);
END $$;
GRANT EXECUTE ON FUNCTION workflow_begin TO millrace_runner;

-- What a run is, for who listens.
CREATE OR REPLACE FUNCTION workflow_publish(w workflow_run, status text) RETURNS void LANGUAGE sql AS $$
	SELECT publish_to_owner(w.owner_id, 'workflow_status_update', json_build_object('workflow_run_id', w.id, 'workflow_id', w.workflow_id,
		'user_id', w.owner_id, 'status', $2, 'step', w.step, 'progress', w.progress, 'updated_at', rfc3339(now())))
$$;
GRANT EXECUTE ON FUNCTION workflow_publish TO millrace_runner;

-- Stores what has become of steps: [{n, id, status, tries, input, output, error, asks, seconds},
-- …], where `seconds` is how long one waits, -1 for as long as nobody says anything. An agent
-- that one has waited for in vain is ended. The caller holds the job's lock.
CREATE OR REPLACE FUNCTION workflow_steps_put(w workflow_run, steps json) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
	PERFORM run_stop(s.child) FROM workflow_step s WHERE s.workflow_run_id = w.id AND s.child IS NOT NULL
		AND s.id IN (SELECT e ->> 'id' FROM json_array_elements($2) e);
	INSERT INTO workflow_step AS s (workflow_run_id, owner_id, n, id, status, tries, input, output, error, asks, due_at, ended_at)
	SELECT w.id, w.owner_id, e.n, e.id, e.status, e.tries, e.input, e.output, e.error, e.asks,
		CASE WHEN e.seconds < 0 THEN 'infinity' ELSE now() + make_interval(secs => e.seconds) END,
		CASE WHEN e.status IN ('completed', 'failed') THEN now() END
	FROM json_to_recordset($2) e (n int, id text, status text, tries int, input json, output json, error text, asks boolean, seconds bigint)
	ON CONFLICT ON CONSTRAINT workflow_step_pkey DO UPDATE SET status = excluded.status, tries = excluded.tries,
		input = coalesce(excluded.input, s.input), output = excluded.output, error = excluded.error, asks = coalesce(excluded.asks, s.asks), due_at = excluded.due_at,
		child = NULL, ended_at = excluded.ended_at;
END $$;
GRANT EXECUTE ON FUNCTION workflow_steps_put TO millrace_runner;

-- The same of a run that goes on: an attempt that comes on is none of those that a job has. One
-- that only begins a step again does not.
CREATE OR REPLACE FUNCTION workflow_steps_store(run_id uuid, steps json, progress numeric) RETURNS workflow_run
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	w workflow_run;
BEGIN
	UPDATE workflow_run x SET progress = greatest(x.progress, $3), step = coalesce($2 -> -1 ->> 'id', x.step) WHERE x.id = $1 RETURNING x.* INTO w;
	PERFORM workflow_steps_put(w, $2);
	UPDATE job j SET max_attempts = j.attempts + 3 WHERE j.run_id = $1 AND j.max_attempts < j.attempts + 2
		AND EXISTS (SELECT FROM json_array_elements($2) e WHERE e ->> 'status' <> 'running');
	RETURN w;
END $$;
GRANT EXECUTE ON FUNCTION workflow_steps_store TO millrace_runner;

-- False where the lease is lost.
CREATE OR REPLACE FUNCTION workflow_store(run_id uuid, runner text, attempt int, steps json, progress numeric) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN false;
	END IF;
	PERFORM workflow_publish(workflow_steps_store($1, $4, $5), 'running');
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION workflow_store TO millrace_runner;

-- Invokes the agent of the last of the steps: one of the run's owner's. Its end makes the step due,
-- or `seconds` do. `held`: false where the lease is lost. `refused`: why the agent is not invoked,
-- and whether it may be `later`.
-- As the owner: an agent is its user's to enqueue.
CREATE OR REPLACE FUNCTION workflow_agent(run_id uuid, runner text, attempt int, steps json, progress numeric, type text, queue_max int,
	credits boolean) RETURNS TABLE (held boolean, refused text, later boolean) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	w workflow_run;
	made uuid;
	code text;
BEGIN
	held := job_fence($1, $2, $3) IS NOT NULL;
	IF held THEN
		w := workflow_steps_store($1, $4, $5);
		BEGIN
			PERFORM set_config('millrace.caller', w.owner_id::text, true);
			IF agent_of_type($6) IS NULL THEN
				PERFORM refuse('NOT_FOUND', format('there is no agent of the type %s.', $6));
			END IF;
			made := agent_enqueue(jsonb_build_object('agent', agent_of_type($6), 'message', agent_message($6, ($4 -> -1 -> 'input')::jsonb),
				'workflow_run', $1), $7, $8);
			PERFORM set_config('millrace.caller', '', true);
			UPDATE workflow_step s SET child = made WHERE s.workflow_run_id = $1 AND s.id = $4 -> -1 ->> 'id';
			PERFORM workflow_publish(w, 'running');
		EXCEPTION WHEN SQLSTATE 'MR000' THEN	-- it was refused
			GET STACKED DIAGNOSTICS refused = MESSAGE_TEXT, code = PG_EXCEPTION_DETAIL;
			later := code IN ('RATE_LIMITED', 'OVERLOADED');
			-- Nothing ends the wait that was stored: whose runner dies now is due.
			UPDATE workflow_step s SET due_at = now() WHERE s.workflow_run_id = $1 AND s.id = $4 -> -1 ->> 'id';
		END;
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION workflow_agent TO millrace_runner;

-- The job leaves the queue until workflow_wake() puts it back. Who wants the run's end meanwhile is
-- waited for, and could not end it.
CREATE OR REPLACE FUNCTION workflow_park(run_id uuid, runner text, attempt int, after bigint, steps json, progress numeric) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq = after THEN
		PERFORM FROM run r WHERE r.id = $1 FOR NO KEY UPDATE;
		IF json_array_length($5) > 0 THEN
			PERFORM workflow_publish(workflow_steps_store($1, $5, $6), 'running');
		END IF;
		UPDATE job j SET state = 'waiting', lease_until = NULL, runner = NULL, max_attempts = j.attempts + 3 WHERE j.run_id = $1;
		PERFORM pg_notify('millrace_periodic', 'workflows');
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION workflow_park TO millrace_runner;

-- A run's end: its outputs, or the error that it failed with.
CREATE OR REPLACE FUNCTION workflow_finish(run_id uuid, runner text, attempt int, after bigint, steps json, outputs json, error text) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	w workflow_run;
	done json;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	SELECT x.* INTO w FROM run r JOIN workflow_run x ON x.id = r.id WHERE r.id = $1 FOR UPDATE OF r;
	-- Nothing was told yet of one whose steps have all gone in this walk.
	IF w.step IS NULL THEN
		PERFORM workflow_publish(w, 'running');
	END IF;
	IF $7 IS NOT NULL THEN
		PERFORM workflow_steps_store($1, $5, 0);
		PERFORM run_abort($1, 'failed', 'UPSTREAM_FAILED', $7, false);
		RETURN seq;
	END IF;
	UPDATE workflow_run x SET outputs = $6, progress = 1, step = coalesce($5 -> -1 ->> 'id', x.step) WHERE x.id = $1 RETURNING x.* INTO w;
	PERFORM workflow_steps_put(w, $5);
	done := workflow_run_reply(w, 'completed', NULL);
	PERFORM run_finish($1, 'completed', 'done', done, data_reply($1, done));
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION workflow_finish TO millrace_runner;

-- A run's end in an error: agents that it waits for are ended first (their ends lock its steps).
CREATE OR REPLACE FUNCTION workflow_abort(r run, status text, code text, message text, dead boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	w workflow_run;
BEGIN
	PERFORM run_stop(s.child) FROM workflow_step s WHERE s.workflow_run_id = r.id AND s.status = 'waiting' AND s.child IS NOT NULL;
	UPDATE workflow_run x SET step = CASE $2 WHEN 'cancelled' THEN 'cancelled' ELSE x.step END WHERE x.id = r.id RETURNING x.* INTO w;
	UPDATE workflow_step s SET status = 'failed', error = coalesce(s.error, $4), due_at = NULL, ended_at = now()
	WHERE s.workflow_run_id = r.id AND s.status IN ('running', 'waiting');
	RETURN run_finish(r.id, $2, 'error', json_build_object('code', $3, 'message', $4), data_reply(r.id, workflow_run_reply(w, 'failed', $4)), $5);
END $$;
GRANT EXECUTE ON FUNCTION workflow_abort TO millrace_runner;

-- Puts back up to `most` jobs of which a step is due, or whose end is wanted. In how many
-- milliseconds the next is due; NULL: none is.
CREATE OR REPLACE FUNCTION workflow_wake(most int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	due uuid[];
BEGIN
	due := ARRAY(SELECT j.run_id FROM job j WHERE j.state = 'waiting' AND j.run_id IN (SELECT s.workflow_run_id FROM workflow_step s
		WHERE s.status = 'waiting' AND s.due_at <= now() UNION ALL SELECT r.id FROM run r WHERE r.cancel_requested_at IS NOT NULL AND r.ended_at IS NULL)
		ORDER BY j.run_id LIMIT most FOR UPDATE SKIP LOCKED);
	UPDATE job j SET state = 'queued', run_at = now() WHERE j.run_id = ANY (due);
	PERFORM notify_durable('millrace_job', '') WHERE due <> '{}';
	RETURN CASE WHEN cardinality(due) >= most THEN 0 ELSE (SELECT ceil(extract(epoch FROM min(s.due_at) - now()) * 1000)::bigint FROM workflow_step s
		WHERE s.status = 'waiting' AND s.due_at > now() AND s.due_at < 'infinity') END;
END $$;
GRANT EXECUTE ON FUNCTION workflow_wake TO millrace_runner;
