-- Runs of agents. Their kind is `agent`, and their input holds the agent as it was when it was
-- invoked: {agent: {type, name, prompt, model, tools}, message, metadata, by, lead, reply}. `by`
-- names who asked where that is not the run's owner, `lead` what is to be analyzed.

-- An agent that comes with the installation, or one of the caller's; NULL: there is none.
CREATE OR REPLACE FUNCTION agent_of_type(type text) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT CASE $1 WHEN 'lead_agent' THEN
		'{"type": "lead_agent", "name": "Lead agent", "tools": ["search_leads", "rank_leads"]}'
	WHEN 'chat_agent' THEN
		'{"type": "chat_agent", "name": "Chat agent", "tools": ["search_documents", "read_file", "write_file", "fetch_url"]}'
	ELSE (SELECT jsonb_build_object('type', a.type, 'name', a.name, 'prompt', a.prompt, 'model', a.model, 'tools', a.tools)
		FROM agent a WHERE a.owner_id = caller_id() AND a.type = $1) END
$$;
GRANT EXECUTE ON FUNCTION agent_of_type TO millrace_api;

-- What an agent is asked: a text of its input; of one's own agent that has none, all of the input.
CREATE OR REPLACE FUNCTION agent_message(type text, input jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	named text := CASE $1 WHEN 'lead_agent' THEN 'query' ELSE 'message' END;
	said text := CASE jsonb_typeof($2 -> named) WHEN 'string' THEN btrim($2 ->> named) END;
BEGIN
	IF $1 IN ('lead_agent', 'chat_agent') AND coalesce(said, '') = '' THEN
		PERFORM refuse('BAD_REQUEST', format('The input of %s is an object with a text %s.', $1, named));
	END IF;
	RETURN coalesce(nullif(said, ''), $2::text);
END $$;
GRANT EXECUTE ON FUNCTION agent_message TO millrace_api;

CREATE OR REPLACE FUNCTION agent_request_json(r run, status text, result json, error text) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('request_id', r.id, 'agent_type', r.input #>> '{agent,type}', 'status', $2, 'result', $3, 'error', $4,
		'metadata', r.input -> 'metadata', 'created_at', rfc3339(r.created_at))
$$;
GRANT EXECUTE ON FUNCTION agent_request_json TO millrace_api, millrace_runner;

-- Enqueues an agent for the caller, and reserves what it may cost.
CREATE OR REPLACE FUNCTION agent_enqueue(input jsonb, queue_max int, credits boolean) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	made uuid := run_enqueue('agent', $1, $2);
BEGIN
	PERFORM chat_reserve(made, $3);
	RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION agent_enqueue TO millrace_api;

-- For whom the caller begins a run: for oneself, or for the user whom a service account, or an
-- administrator, names. That user is the caller from here on, until the run is stored.
CREATE OR REPLACE FUNCTION caller_becomes(user_name text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	who uuid := CASE WHEN $1 IS NULL THEN caller_id() ELSE user_of_name($1, true) END;
BEGIN
	IF who IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such user.');
	END IF;
	PERFORM set_config('millrace.caller', who::text, true);
	RETURN who;
END $$;
GRANT EXECUTE ON FUNCTION caller_becomes TO millrace_api;

-- What such a run's input has beside its own: who asked, where that is not its owner, and what
-- makes its reply, where the request waits for its end.
CREATE OR REPLACE FUNCTION run_by(asking uuid, who uuid, reply text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN $1 <> $2 THEN jsonb_build_object('by', $1) ELSE '{}' END || CASE WHEN $3 IS NOT NULL THEN jsonb_build_object('reply', $3) ELSE '{}' END
$$;
GRANT EXECUTE ON FUNCTION run_by TO millrace_api;

-- Invokes an agent of the caller's; for another user where a service account, or an administrator,
-- names one: the run, what it reads and what it costs are then that user's. `reply`: the request
-- waits for its end.
CREATE OR REPLACE FUNCTION agent_invoke(type text, input jsonb, metadata jsonb, user_name text, reply boolean, queue_max int, credits boolean)
RETURNS TABLE (run_id uuid, body json) LANGUAGE plpgsql AS $$
DECLARE
	asking CONSTANT uuid := caller_id();
	agent CONSTANT jsonb := agent_of_type($1);
	who uuid;
BEGIN
	IF agent IS NULL THEN
		PERFORM refuse('BAD_REQUEST', format('There is no agent of the type %s.', $1));
	END IF;
	who := caller_becomes($4);
	run_id := agent_enqueue(run_by(asking, who, CASE WHEN $5 THEN 'agent' END)
		|| jsonb_build_object('agent', agent, 'message', agent_message($1, $2), 'metadata', coalesce($3, '{}')), $6, $7);
	SELECT agent_request_json(r, CASE WHEN $5 THEN 'running' ELSE 'queued' END, NULL, NULL) INTO body FROM run r WHERE r.id = run_id;
	PERFORM set_config('millrace.caller', asking::text, true);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION agent_invoke TO millrace_api;

-- What became of a request of the caller's, or one that the caller made for somebody. NULL: there
-- is none.
-- As the owner: whom a service names is another's row.
CREATE OR REPLACE FUNCTION agent_request_show(request uuid) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN (SELECT agent_request_json(r, CASE r.status WHEN 'cancelled' THEN 'failed' ELSE r.status END, r.outcome -> 'result', r.error_message)
	FROM run r WHERE r.id = $1 AND r.kind = 'agent' AND (r.owner_id = caller_id() OR r.input ->> 'by' = caller_id()::text));
END $$;
GRANT EXECUTE ON FUNCTION agent_request_show TO millrace_api;

-- Enqueues the analysis of a lead of the caller's.
CREATE OR REPLACE FUNCTION lead_analyze(lead uuid, queue_max int, credits boolean) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM lead l WHERE l.id = $1 AND l.owner_id = caller_id()) THEN
		PERFORM refuse('NOT_FOUND', 'There is no such lead.');
	END IF;
	RETURN agent_enqueue(jsonb_build_object('agent', '{"type": "lead_agent", "name": "Lead agent", "tools": ["rate_lead"]}'::jsonb,
		'message', 'Analyze this lead.', 'lead', $1, 'reply', 'analysis'), $2, $3);
END $$;
GRANT EXECUTE ON FUNCTION lead_analyze TO millrace_api;

-- -- what leads are rated by, without a model --

-- A lead as a model is shown it.
CREATE OR REPLACE FUNCTION lead_text(l lead) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', l.id, 'name', l.name, 'email', l.email, 'phone', l.phone, 'company', l.company, 'source', l.source,
		'status', l.status, 'value', l.value, 'notes', left(l.notes, 1000), 'metadata', left(l.metadata::text, 1000),
		'created_at', rfc3339(l.created_at))::text
$$;
GRANT EXECUTE ON FUNCTION lead_text TO millrace_runner;

-- From 0 to 100: how far it has come, whether it can be reached, what it is worth, how new it is,
-- and how many of the words asked for it holds.
CREATE OR REPLACE FUNCTION lead_rate(l lead, words text[]) RETURNS TABLE (score int, reasons text[]) LANGUAGE sql STABLE AS $$
	WITH given AS (
		SELECT ' ' || regexp_replace(folded(concat_ws(' ', l.name, l.email, l.company, l.source, left(l.notes, 4000), left(l.metadata::text, 4000))),
			'[^[:alnum:]]+', ' ', 'g') AS text
	), held AS (
		SELECT array_agg(w ORDER BY n) AS words FROM unnest(words) WITH ORDINALITY u (w, n), given g WHERE strpos(g.text, ' ' || w) > 0
	), rules (points, reason) AS (
		SELECT least(40, 20 * cardinality(h.words)), 'it holds the words: ' || array_to_string(h.words, ', ') FROM held h WHERE h.words IS NOT NULL
		UNION ALL SELECT CASE l.status WHEN 'qualified' THEN 30 WHEN 'contacted' THEN 20 WHEN 'new' THEN 10 ELSE 0 END, 'its status is ' || l.status
		UNION ALL SELECT 5, 'there is a mail address' WHERE l.email IS NOT NULL
		UNION ALL SELECT 5, 'there is a phone number' WHERE l.phone IS NOT NULL
		UNION ALL SELECT least(15, 3 * ceil(log(1 + l.value)))::int, 'its value is ' || trim_scale(l.value) || ' US dollars' WHERE l.value > 0
		UNION ALL SELECT 5, 'it came within the last 30 days' WHERE l.created_at > now() - interval '30 days'
	)
	SELECT least(100, sum(r.points))::int, array_agg(r.reason ORDER BY r.points DESC) FROM rules r WHERE r.points > 0 OR r.reason LIKE 'its status%'
$$;
GRANT EXECUTE ON FUNCTION lead_rate TO millrace_runner;

-- The best of a user's newest 5,000 leads for a question, `most` at most: those that hold one of
-- its words, or all where none does.
CREATE OR REPLACE FUNCTION lead_rank(owner uuid, query text, most int) RETURNS TABLE (lead text, name text, score int, reasons json, looked_at bigint)
LANGUAGE sql STABLE AS $$
	WITH asked AS (
		SELECT ARRAY(SELECT DISTINCT w FROM regexp_split_to_table(left(folded($2), 2000), '[^[:alnum:]]+') w WHERE length(w) >= 3 LIMIT 20) AS words
	), rated AS (
		SELECT l, v.score, v.reasons, v.reasons::text LIKE '%it holds the words: %' AS holds
		FROM asked a, (SELECT o FROM lead o WHERE o.owner_id = $1 ORDER BY o.id DESC LIMIT 5000) x (l), lead_rate(x.l, a.words) v
	)
	SELECT lead_text(r.l), (r.l).name, r.score, to_json(r.reasons), (SELECT count(*) FROM rated) FROM rated r
	WHERE r.holds OR NOT EXISTS (SELECT FROM rated o WHERE o.holds) ORDER BY r.score DESC, (r.l).id DESC LIMIT $3
$$;
GRANT EXECUTE ON FUNCTION lead_rank TO millrace_runner;

-- -- what comes of a run --

-- Those of [{id, score, reasons}, …] that are the owner's leads, in their form; the best first.
CREATE OR REPLACE FUNCTION leads_kept(owner uuid, found json) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT coalesce(json_agg(json_build_object('id', k.id, 'score', k.score, 'reasons', k.reasons) ORDER BY k.score DESC, k.n), '[]') FROM (
		SELECT DISTINCT ON (l.id) l.id, least(100, greatest(0, round((e.v ->> 'score')::numeric)))::int AS score, e.n,
			coalesce((SELECT json_agg(left(t, 500)) FROM json_array_elements_text(e.v -> 'reasons') t), '[]') AS reasons
		FROM json_array_elements($2) WITH ORDINALITY e (v, n) JOIN lead l ON l.id::text = lower(e.v ->> 'id') AND l.owner_id = $1
		ORDER BY l.id, e.n
	) k
$$;
GRANT EXECUTE ON FUNCTION leads_kept TO millrace_runner;

CREATE OR REPLACE FUNCTION analysis_json(a lead_analysis) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', a.id, 'lead_id', a.lead_id, 'score', a.score, 'summary', a.summary, 'next_action', a.next_action,
		'created_at', rfc3339(a.created_at))
$$;
GRANT EXECUTE ON FUNCTION analysis_json TO millrace_api, millrace_runner;

-- Stores an analysis of the run's lead, {score, summary, next_action}; NULL: the lead is gone.
CREATE OR REPLACE FUNCTION lead_analysis_store(r run, found json) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	made lead_analysis;
BEGIN
	INSERT INTO lead_analysis (owner_id, lead_id, score, summary, next_action)
	SELECT l.owner_id, l.id, least(100, greatest(0, round(($2 ->> 'score')::numeric)))::int, left($2 ->> 'summary', 2000), left($2 ->> 'next_action', 500)
	FROM lead l WHERE l.id = (r.input ->> 'lead')::uuid AND l.owner_id = r.owner_id FOR KEY SHARE
	RETURNING * INTO made;
	RETURN CASE WHEN made.id IS NOT NULL THEN analysis_json(made) END;
END $$;
GRANT EXECUTE ON FUNCTION lead_analysis_store TO millrace_runner;

-- What an agent is just thinking or doing, for who listens. No row where the lease is lost.
CREATE OR REPLACE FUNCTION agent_act(run_id uuid, runner text, attempt int, data json) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM publish_to_owner(r.owner_id, 'agent_action', json_strip_nulls(json_build_object('agent_id', r.input ->> 'process', 'request_id', r.id,
		'id', $4 -> 'id', 'type', $4 -> 'type', 'content', $4 -> 'content')))
	FROM run r WHERE r.id = $1;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION agent_act TO millrace_runner;

-- An agent's end in an error.
CREATE OR REPLACE FUNCTION agent_abort(r run, status text, code text, message text, dead boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM chat_round c WHERE c.run_id = r.id;
	RETURN run_finish(r.id, $2, 'error', json_build_object('code', $3, 'message', $4), CASE r.input ->> 'reply'
		WHEN 'agent' THEN data_reply(r.id, agent_request_json(r, 'failed', NULL, $4))
		ELSE error_reply(r.id, CASE $3 WHEN 'CANCELLED' THEN 409 WHEN 'NOT_FOUND' THEN 404 WHEN 'UPSTREAM_FAILED' THEN 502 ELSE 500 END, $3, $4) END, $5);
END $$;
GRANT EXECUTE ON FUNCTION agent_abort TO millrace_runner;

-- An agent's end: what it has said last goes out as a thought; an analysis is stored. `found` is
-- what came of leads.
CREATE OR REPLACE FUNCTION agent_finish(run_id uuid, runner text, attempt int, after bigint, content text, sources json, found json, reason text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	r run;
	result json;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	SELECT * INTO r FROM run WHERE run.id = $1 FOR UPDATE;
	IF $8 = 'cancelled' THEN
		PERFORM agent_abort(r, 'cancelled', 'CANCELLED', 'The run was cancelled.', false);
		RETURN seq;
	ELSIF r.input ? 'lead' THEN
		result := lead_analysis_store(r, $7);
		IF result IS NULL THEN
			PERFORM agent_abort(r, 'failed', 'NOT_FOUND', 'The lead was deleted.', false);
			RETURN seq;
		END IF;
	ELSIF $7 IS NOT NULL THEN
		result := json_build_object('leads', leads_kept(r.owner_id, $7), 'summary', $5);
	ELSE
		result := json_build_object('content', $5, 'sources', sources_kept($6));
	END IF;
	DELETE FROM chat_round c WHERE c.run_id = $1;
	IF $5 <> '' THEN
		PERFORM agent_act($1, $2, $3, json_build_object('id', $1 || '/end', 'type', 'thought', 'content', left($5, 4000)));
	END IF;
	PERFORM run_finish($1, 'completed', 'done', (agent_request_json(r, 'completed', result, NULL)::jsonb
			|| jsonb_build_object('finishReason', $8, 'usage', chat_done($1, NULL, '', '[]', $8) -> 'usage'))::json,
		data_reply($1, CASE r.input ->> 'reply' WHEN 'analysis' THEN result ELSE agent_request_json(r, 'completed', result, NULL) END));
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION agent_finish TO millrace_runner;
