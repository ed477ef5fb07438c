-- Calls of models through the gateway: which provider has a model, what a call reserves, its run.

-- Notes the providers that a runner has, in the order in which they are asked.
-- As the owner: they are no role's to write.
CREATE OR REPLACE FUNCTION gateway_providers_note(names text[], kinds text[], models text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO gateway_provider AS g (name, kind, model, place)
	SELECT n.name, n.kind, nullif(n.model, ''), n.place FROM unnest($1, $2, $3) WITH ORDINALITY AS n (name, kind, model, place)
	ON CONFLICT ON CONSTRAINT gateway_provider_pkey DO UPDATE SET kind = excluded.kind, model = excluded.model, place = excluded.place
	WHERE (g.kind, g.model, g.place) IS DISTINCT FROM (excluded.kind, excluded.model, excluded.place);
	DELETE FROM gateway_provider g WHERE g.name <> ALL ($1);
END $$;
GRANT EXECUTE ON FUNCTION gateway_providers_note TO millrace_runner;

-- Notes how many tokens the runners' model takes that chooses among passages; 0: there is none.
-- As the owner: it is no role's to write.
CREATE OR REPLACE FUNCTION choosing_note(tokens bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	UPDATE chat_model m SET choosing_tokens = $1 WHERE m.choosing_tokens <> $1
$$;
GRANT EXECUTE ON FUNCTION choosing_note TO millrace_runner;

-- Who answers for a model as a client names it: PROVIDER/MODEL, a model that has a price, one whose
-- name says its vendor, or any other of the first provider. No row: nobody.
CREATE OR REPLACE FUNCTION model_find(asked text) RETURNS TABLE (provider text, model text) LANGUAGE sql STABLE AS $$
	SELECT x.f[1], x.f[2] FROM (SELECT coalesce(
		(SELECT ARRAY[g.name, substr($1, length(g.name) + 2)] FROM gateway_provider g
			WHERE starts_with($1, g.name || '/') AND length($1) > length(g.name) + 1 AND g.kind <> 'local' ORDER BY g.place LIMIT 1),
		(SELECT ARRAY[g.name, 'local'] FROM gateway_provider g WHERE g.kind = 'local' AND $1 IN ('local', 'local/local') ORDER BY g.place LIMIT 1),
		(SELECT ARRAY[g.name, $1] FROM gateway_provider g
			WHERE g.kind <> 'local' AND EXISTS (SELECT FROM provider_price p WHERE p.provider = g.name AND p.model = $1) ORDER BY g.place LIMIT 1),
		(SELECT ARRAY[g.name, $1] FROM gateway_provider g
			WHERE g.kind = CASE WHEN $1 LIKE 'claude-%' THEN 'anthropic' WHEN $1 LIKE 'gemini-%' THEN 'google' END ORDER BY g.place LIMIT 1),
		(SELECT ARRAY[g.name, $1] FROM gateway_provider g WHERE g.kind <> 'local' ORDER BY g.place LIMIT 1)
	) AS f OFFSET 0) x WHERE x.f IS NOT NULL
$$;
GRANT EXECUTE ON FUNCTION model_find TO millrace_api;

-- A model with the fields of both vendors' lists.
CREATE OR REPLACE FUNCTION model_json(id text, provider text, since timestamptz) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', $1, 'object', 'model', 'created', extract(epoch FROM $3)::bigint, 'owned_by', $2,
		'type', 'model', 'display_name', $1, 'created_at', rfc3339($3))
$$;
GRANT EXECUTE ON FUNCTION model_json TO millrace_api;

-- The models that can be asked for by name: those with a price, and what providers are asked for by
-- default.
CREATE OR REPLACE FUNCTION model_list() RETURNS TABLE (id text, body json) LANGUAGE sql STABLE AS $$
	SELECT m.id, model_json(m.id, m.provider, m.since) FROM (
		SELECT CASE WHEN f.provider = x.provider THEN x.model ELSE x.provider || '/' || x.model END AS id, x.provider, x.since
		FROM (
			SELECT y.provider, y.model, min(y.since) AS since FROM (
				SELECT p.provider, p.model, p.valid_from AS since FROM provider_price p JOIN gateway_provider g ON g.name = p.provider
				WHERE p.model <> '*'
				UNION ALL
				SELECT g.name, g.model, to_timestamp(0) FROM gateway_provider g WHERE g.model IS NOT NULL
			) y GROUP BY y.provider, y.model
		) x LEFT JOIN LATERAL model_find(x.model) f ON true
	) m
$$;
GRANT EXECUTE ON FUNCTION model_list TO millrace_api;

-- Begins a call: reserves what it may cost, and has a runner make it. `user_name`, as the caller
-- names a user; NULL: the caller. Either `run`, which is the first one's where the request_id was
-- used before, or `verdict` and `message`, which the caller answers with (and for how
-- long, where it refuses for a while): what has been stored, an approval that is asked for, stays.
CREATE OR REPLACE FUNCTION call_begin(user_name text, project text, request_id text, provider text, model text, operation text, input jsonb,
	estimate numeric, credits boolean, queue_max int, OUT run uuid, OUT verdict text, OUT message text,
	OUT wait_s bigint) RETURNS record
LANGUAGE plpgsql AS $$
DECLARE
	who CONSTANT uuid := CASE WHEN $1 IS NULL THEN caller_id() ELSE user_of_name($1, true) END;
	made CONSTANT uuid := uuid_v7();
	r record;
	whole jsonb;
	hand runner_ready;
	told text;
BEGIN
	IF who IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such user.');
	END IF;
	r := charge_make(who, $2, $3, 'call', $4, $5, $6, $8, $9, NULL, made);
	verdict := r.verdict;
	message := r.message;
	wait_s := r.wait_s;
	IF verdict = 'REPEATED' THEN
		SELECT c.run_id INTO run FROM charge c JOIN run x ON x.id = c.run_id WHERE c.owner_id = who AND c.request_id = $3;
		verdict := CASE WHEN run IS NULL THEN 'CONFLICT' END;
		RETURN;
	ELSIF verdict IS NOT NULL THEN
		RETURN;
	END IF;
	run := made;
	whole := $7 || jsonb_build_object('provider', $4, 'model', $5, 'reply', true, 'credits', $9, 'keys', own_keys(who));
	hand := runner_at_hand(true);
	IF hand.name IS NULL THEN
		PERFORM queue_check(queue_max), work_require(true);
		IF NOT EXISTS (SELECT FROM job j WHERE j.state = 'queued' AND queue_owner(j.owner_id) = caller_id()) THEN
			hand := runner_at_hand(false);
		END IF;
	END IF;
	IF hand.name IS NULL THEN
		INSERT INTO run (id, owner_id, kind, input) VALUES (made, who, 'call', whole);
		INSERT INTO job (run_id, owner_id, kind) VALUES (made, caller_id(), 'call');
		PERFORM notify_durable('millrace_job', '');
		RETURN;
	END IF;
	INSERT INTO run (id, owner_id, kind, input, status, started_at) VALUES (made, who, 'call', whole, 'running', now());
	INSERT INTO job (run_id, owner_id, kind, state, attempts, runner, lease_until)
	VALUES (made, caller_id(), 'call', 'running', 1, hand.name, now() + hand.lease);
	-- Who writes events counts on a topic; the end of a call makes its own.
	IF $7 ->> 'stream' = 'true' THEN
		INSERT INTO topic (name) VALUES ('run:' || made);
	END IF;
	told := concat_ws(E'\n', hand.name, made, who, whole);
	IF octet_length(told) >= 7900 OR NOT notify_has_room() THEN
		told := concat_ws(E'\n', hand.name, made, who);
	END IF;
	PERFORM notify_durable('millrace_handed', told);
END $$;

-- What earlier answers have that a call names by their ids: bytes, which are no fewer tokens. Each
-- is read once, however often it is named.
CREATE OR REPLACE FUNCTION call_earlier(ids jsonb) RETURNS bigint LANGUAGE sql STABLE SET enable_seqscan = off AS $$
	SELECT coalesce(sum(e.n * octet_length((r.outcome -> 'output')::text)), 0)
	FROM (SELECT (regexp_match(i, '_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'))[1]::uuid AS id, count(*) AS n
		FROM jsonb_array_elements_text($1) i GROUP BY 1) e
	JOIN run r ON r.id = e.id AND r.kind = 'call' AND (r.owner_id = caller_id()
		OR EXISTS (SELECT FROM service_user s WHERE s.service_id = caller_id() AND s.user_id = r.owner_id))
$$;

-- The same for a client of one of the faces, which names a model as model_find() takes it. No row:
-- nobody has it. A model without a price costs nothing.
-- As the owner: whom a service names is another's row, and the ledger is no role's to write.
CREATE OR REPLACE FUNCTION gateway_start(user_name text, project text, request_id text, asked text, operation text, input jsonb,
	input_tokens bigint, output_tokens bigint, credits boolean, queue_max int)
RETURNS TABLE (run uuid, verdict text, message text, wait_s bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	most CONSTANT bigint := $7 + CASE WHEN $6 ? 'earlier' THEN call_earlier($6 -> 'earlier') ELSE 0 END;
	m record;
	b record;
BEGIN
	-- By far most name a model that has a price, of the first provider with one of that name:
	-- what model_find() and price_in_force() would say.
	SELECT g.name AS provider, $4 AS model, usage_bound(p, most, $8, 0) AS estimate, p.valid_from <= now() AS priced INTO m
	FROM gateway_provider g JOIN provider_price p ON p.provider = g.name WHERE p.model = $4 AND g.kind <> 'local'
		AND strpos($4, '/') = 0 AND $4 <> 'local'
	ORDER BY g.place, p.valid_from <= now() DESC, p.valid_from DESC, p.id DESC LIMIT 1;
	IF m.priced IS NOT TRUE THEN
		SELECT f.provider, f.model, coalesce(usage_bound(p, most, $8, 0), 0) AS estimate INTO m
		FROM model_find($4) f LEFT JOIN LATERAL price_in_force(f.provider, f.model) p ON true;
	END IF;
	IF FOUND THEN
		b := call_begin($1, $2, $3, m.provider, m.model, $5,
			CASE WHEN $6 ? 'earlier' THEN jsonb_set($6, '{expected,most}', to_jsonb(most)) ELSE $6 END, m.estimate, $9, $10);
		run := b.run;
		verdict := b.verdict;
		message := b.message;
		wait_s := b.wait_s;
		RETURN NEXT;
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION gateway_start TO millrace_api;

-- Begins calls of faces that have come together, as gateway_start() begins one behind its caller's
-- statement: each statement is for all of them. A caller is a session, or, where that is '', an
-- API key's SHA-256 in hexadecimal, which needs one of the scopes. Row i of what it returns is that
-- of the i-th, with what that caller's own statement says. `run` NULL: it is not as most are (it is
-- refused or a repetition, its model or project is another than most, it has no room), nothing
-- was stored, and it is to be begun alone. Rows are locked in the order of users.
-- As the owner: nobody is the caller, and the ledger is no role's to write.
CREATE OR REPLACE FUNCTION gateway_starts(sessions text[], keys text[], scopes text[], projects text[], request_ids text[], models text[],
	operations text[], inputs text[], input_tokens bigint[], output_tokens bigint[], credits boolean)
RETURNS TABLE (user_id uuid, key_id uuid, ends bigint, run uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	hand CONSTANT runner_ready := runner_at_hand(true);
	has_room CONSTANT boolean := notify_has_room();
	made record;
BEGIN
	WITH g AS MATERIALIZED (
		SELECT a.n, a.project, a.request_id, a.model, a.operation, a.input ->> 'stream' = 'true' AS streams, w.user_id, w.key_id, w.ends,
			m.provider, m.estimate, uuid_v7() AS id, a.input || jsonb_build_object('provider', m.provider, 'model', a.model, 'reply', true,
				'credits', $11, 'keys', own_keys(w.user_id)) AS input
		FROM (SELECT u.*, u.given::jsonb AS input FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) WITH ORDINALITY
			u (session, key, scope, project, request_id, model, operation, given, most, output, n) WHERE hand.name IS NOT NULL OFFSET 0) a
		CROSS JOIN LATERAL (
			SELECT s.user_id, NULL::uuid AS key_id, NULL::bigint AS ends FROM session_live s WHERE s.id = nullif(a.session, '')::uuid
			UNION ALL
			SELECT o.id, k.id, extract(epoch FROM k.expires_at)::bigint FROM api_key k JOIN app_user o ON o.id = k.user_id
			WHERE a.session = '' AND k.hash = decode(a.key, 'hex') AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
				AND k.last_used_at >= now() - interval '1 minute' AND string_to_array(a.scope, ' ') && key_scopes(k, o.role)
		) w
		CROSS JOIN LATERAL (
			SELECT g.name AS provider, usage_bound(p, a.most, a.output, 0) AS estimate, p.valid_from <= now() AS priced
			FROM gateway_provider g JOIN provider_price p ON p.provider = g.name WHERE p.model = a.model AND g.kind <> 'local'
			ORDER BY g.place, p.valid_from <= now() DESC, p.valid_from DESC, p.id DESC LIMIT 1
		) m
		WHERE m.priced AND strpos(a.model, '/') = 0 AND a.model <> 'local' AND octet_length(a.request_id) < 36 AND NOT a.input ? 'earlier'
	), held AS MATERIALIZED (
		SELECT d.user_id, d.project, l.*,
			(SELECT count(*) FROM (SELECT FROM job j WHERE j.state = 'running' AND j.owner_id = d.user_id LIMIT hand.per_user) r) AS running
		FROM (SELECT DISTINCT g.user_id, g.project FROM g ORDER BY g.user_id, g.project) d
		CROSS JOIN LATERAL (
			SELECT q AS p, u.balance_usd - u.reserved_usd AS left_usd FROM app_user u JOIN project q ON q.owner_id = u.id
			WHERE u.id = d.user_id AND q.name = d.project AND u.disabled_at IS NULL AND q.require_approval_above IS NULL
				AND num_nonnulls(q.allowed_providers, q.allowed_models, q.requests_per_minute, q.tokens_per_hour) = 0
				AND q.forbidden_operations = '{}'
			FOR NO KEY UPDATE OF u, q
		) l
	), fit AS MATERIALIZED (
		SELECT g.*, h.p, h.left_usd, h.running, sum(g.estimate) OVER of_project AS project_usd, sum(g.estimate) OVER of_user AS user_usd,
			row_number() OVER of_user AS nth
		FROM g JOIN held h ON h.user_id = g.user_id AND h.project = g.project
		WINDOW of_user AS (PARTITION BY g.user_id ORDER BY g.n), of_project AS (PARTITION BY (h.p).id ORDER BY g.n)
	), c AS (
		INSERT INTO charge AS x (id, owner_id, project_id, request_id, kind, state, reserved_usd, provider, model, operation, run_id)
		SELECT f.id, f.user_id, (f.p).id, f.request_id, 'call', 'reserved', f.estimate, f.provider, f.model, f.operation, f.id FROM fit f
		WHERE budget_passed(f.p, f.project_usd) IS NULL AND NOT ($11 AND f.left_usd < f.user_usd) AND f.running + f.nth <= hand.per_user
		ORDER BY f.n ON CONFLICT ON CONSTRAINT charge_owner_id_request_id_key DO NOTHING RETURNING x.id
	), b AS MATERIALIZED (
		SELECT f.*, (f.p).id AS project_id FROM c JOIN fit f ON f.id = c.id
	), of_user AS (
		UPDATE app_user x SET reserved_usd = x.reserved_usd + s.usd
		FROM (SELECT b.user_id, sum(b.estimate) AS usd FROM b GROUP BY b.user_id ORDER BY b.user_id) s
		WHERE x.id = s.user_id AND s.usd <> 0 AND x.id = ANY (ARRAY(SELECT b.user_id FROM b))
	), of_project AS (
		UPDATE project x SET reserved_usd = x.reserved_usd + s.usd
		FROM (SELECT b.project_id, sum(b.estimate) AS usd FROM b GROUP BY b.project_id) s
		WHERE x.id = s.project_id AND s.usd <> 0 AND x.id = ANY (ARRAY(SELECT b.project_id FROM b))
	), begun AS (
		INSERT INTO run (id, owner_id, kind, input, status, started_at) SELECT b.id, b.user_id, 'call', b.input, 'running', now() FROM b
	), heard AS (
		INSERT INTO topic (name) SELECT 'run:' || b.id FROM b WHERE b.streams
	), handed AS (
		INSERT INTO job (run_id, owner_id, kind, state, attempts, runner, lease_until)
		SELECT b.id, b.user_id, 'call', 'running', 1, hand.name, now() + hand.lease FROM b
	)
	SELECT array_agg(b.n) AS ns, array_agg(b.user_id) AS users, array_agg(b.key_id) AS keys, array_agg(b.ends) AS ends, array_agg(b.id) AS runs,
		array_agg(CASE WHEN has_room AND octet_length(t.all) < 7900 THEN t.all ELSE concat_ws(E'\n', hand.name, b.id, b.user_id) END) AS told
	INTO made FROM b CROSS JOIN LATERAL (SELECT concat_ws(E'\n', hand.name, b.id, b.user_id, b.input) AS all) t;
	IF made.told IS NOT NULL THEN
		PERFORM notify_durable('millrace_handed', VARIADIC made.told);
	END IF;
	RETURN QUERY SELECT r.user_id, r.key_id, r.ends, r.run FROM generate_subscripts(request_ids, 1) k (n)
	LEFT JOIN unnest(made.ns, made.users, made.keys, made.ends, made.runs) r (n, user_id, key_id, ends, run) ON r.n = k.n ORDER BY k.n;
END $$;
GRANT EXECUTE ON FUNCTION gateway_starts TO millrace_api;

-- The same for a call that is passed on as it is: `operation` has to be one of the endpoints of the
-- provider's kind, and the model to have a price. `problem`: what is wrong with the payload. No
-- row: there is no such provider. `local`, whose answers are this server's own, is asked as a face
-- asks it.
-- As the owner: whom a service names is another's row, and the ledger is no role's to write.
CREATE OR REPLACE FUNCTION provider_call(user_name text, project text, request_id text, provider text, model text, operation text,
	input jsonb, streams boolean, input_tokens bigint, output_tokens bigint, images bigint, seconds bigint, problem text, credits boolean, queue_max int)
RETURNS TABLE (run uuid, verdict text, message text, wait_s bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	g gateway_provider;
	e gateway_endpoint;
	units bigint;
	estimate numeric;
BEGIN
	SELECT * INTO g FROM gateway_provider x WHERE x.name = $4;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO e FROM gateway_endpoint x WHERE x.kind = g.kind AND x.name = $6;
	units := CASE e.meter WHEN 'images' THEN $11 WHEN 'seconds' THEN $12 ELSE 0 END;
	SELECT usage_bound(p, $9, $10, units) INTO estimate FROM price_in_force($4, $5) p;
	IF problem IS NOT NULL THEN
		verdict := 'BAD_REQUEST';
		message := problem;
	ELSIF e.name IS NULL THEN
		verdict := 'FORBIDDEN';
		message := format('%s is not called here; the endpoints of %s are %s.', $6, $4,
			(SELECT string_agg(x.name, ', ' ORDER BY x.name) FROM gateway_endpoint x WHERE x.kind = g.kind));
	ELSIF $8 AND NOT e.streams THEN
		verdict := 'BAD_REQUEST';
		message := format('%s does not stream.', $6);
	ELSIF estimate IS NULL AND e.meter <> 'free' THEN
		verdict := 'FORBIDDEN';
		message := format('No price is known for the model %s of %s, so it is not called; an administrator sets one.', $5, $4);
	ELSE
		SELECT b.* INTO run, verdict, message, wait_s FROM call_begin($1, $2, $3, $4, $5, $6, $7 || CASE g.kind
			WHEN 'local' THEN '{"face": "chat", "wrapped": true}' ELSE jsonb_build_object('face', 'pass', 'meter', e.meter, 'expected',
				CASE e.meter WHEN 'free' THEN '{}' ELSE ($7 -> 'expected') || jsonb_build_object('units', units) END) END::jsonb,
			CASE e.meter WHEN 'free' THEN 0 ELSE estimate END, $14, $15) b;
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION provider_call TO millrace_api;

-- May this model answer a call in the place of the one that was asked for? Where its price is
-- higher, what is reserved is raised to what it may cost, or else it may not.
-- As the owner: projects are no runner's to read, and the ledger is no role's to write.
CREATE OR REPLACE FUNCTION call_may(run_id uuid, provider text, model text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	c charge;
	p project;
	r run;
	most numeric;
BEGIN
	SELECT * INTO c FROM charge x WHERE x.id = $1;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	SELECT * INTO p FROM project x WHERE x.id = c.project_id;
	IF policy_forbids(p, $2, $3, c.operation) IS NOT NULL THEN
		RETURN false;
	END IF;
	SELECT * INTO r FROM run x WHERE x.id = $1;
	SELECT usage_bound(q, (r.input #>> '{expected,most}')::bigint, (r.input #>> '{expected,output}')::bigint, 0) INTO most
	FROM price_in_force($2, $3) q;
	IF most <= c.reserved_usd OR most IS NULL THEN
		RETURN true;
	END IF;
	-- Whoever ends the run holds its job.
	PERFORM FROM job j WHERE j.run_id = $1 FOR UPDATE;
	PERFORM charge_lock($1);
	SELECT * INTO c FROM charge x WHERE x.id = $1;
	SELECT * INTO p FROM project x WHERE x.id = c.project_id;
	p.reserved_usd := p.reserved_usd - c.reserved_usd;
	IF c.state <> 'reserved' OR budget_passed(p, most) IS NOT NULL OR most > p.require_approval_above OR ((r.input ->> 'credits')::boolean
		AND (SELECT u.balance_usd - u.reserved_usd + c.reserved_usd < most FROM app_user u WHERE u.id = r.owner_id)) THEN
		RETURN false;
	END IF;
	UPDATE charge x SET reserved_usd = most WHERE x.id = c.id;
	UPDATE project x SET reserved_usd = x.reserved_usd + most - c.reserved_usd WHERE x.id = p.id;
	UPDATE app_user x SET reserved_usd = x.reserved_usd + most - c.reserved_usd WHERE x.id = r.owner_id;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION call_may TO millrace_runner;

-- What a run's calls have cost, as clients read it.
CREATE OR REPLACE FUNCTION call_cost(run_id uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT json_build_object('input_cost', trim_scale(coalesce(sum(k.input), 0)), 'output_cost', trim_scale(coalesce(sum(k.output), 0)),
			'total_cost', trim_scale(coalesce(sum(k.input + k.output), 0)))
		FROM usage_event e JOIN provider_price p ON p.id = e.price_id
		CROSS JOIN LATERAL (SELECT cost_of_input(p, e.input_tokens, e.cached_tokens, e.cache_write_tokens) AS input,
			cost_of_output(p, e.output_tokens, e.reasoning_tokens, e.units) AS output) k
		WHERE e.run_id = $1);
END $$;
GRANT EXECUTE ON FUNCTION call_cost TO millrace_runner;

-- Charges a call that was passed on, and whose reply was lost, by what was expected of it: it may
-- have been billed at the provider. `is_silent`: it had no output yet.
CREATE OR REPLACE FUNCTION call_lost(run_id uuid, attempt int, is_silent boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	said CONSTANT bigint := (SELECT t.seq FROM topic t WHERE t.name = 'run:' || $1);
	r run;
BEGIN
	SELECT * INTO r FROM run x WHERE x.id = $1;
	IF said > 0 THEN
		PERFORM usage_estimate($1, attempt, r.input ->> 'provider', r.input ->> 'model');
	ELSIF NOT EXISTS (SELECT FROM usage_event u WHERE u.run_id = $1) THEN
		PERFORM usage_record($1, attempt * 1000 + 1, r.input ->> 'provider', r.input ->> 'model', coalesce((e ->> 'input')::bigint, 0),
			CASE WHEN is_silent THEN 0 ELSE coalesce((e ->> 'output')::bigint, 0) END, 0, 0, 0,
			CASE WHEN is_silent THEN 0 ELSE coalesce((e ->> 'units')::bigint, 0) END, true, NULL, true)
		FROM (SELECT r.input -> 'expected') x (e);
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION call_lost TO millrace_runner;

-- Stores what a call's answer has used (where `call` is not 0), and settles its run by that. Called
-- as the owner, who holds the job.
CREATE OR REPLACE FUNCTION call_settle(run_id uuid, call int, provider text, model text, input_tokens bigint, output_tokens bigint,
	cached_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, units bigint, estimated boolean, ms int) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	used record;
BEGIN
	IF $2 > 0 THEN
		PERFORM usage_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, false);
	END IF;
	SELECT sum(e.cost_usd) AS cost, sum(e.input_tokens + e.output_tokens)::bigint AS tokens INTO used FROM usage_event e WHERE e.run_id = $1;
	IF used.cost IS NULL OR charge_pay($1, used.cost, used.tokens, NULL) IS NULL THEN
		PERFORM run_settle((SELECT r.owner_id FROM run r WHERE r.id = $1), $1, 'call');
	END IF;
END $$;

-- What this transaction notifies of is sent with its commit, be that on disk or not; and it settles
-- itself what it stores of use.
CREATE OR REPLACE FUNCTION call_ends() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('millrace.collect', '', true), set_config('millrace.settles', 'on', true);
END $$;

-- Takes a call's job out of the queue, where this attempt holds it and has written all up to
-- `after`: its end is about to be written. Its client is told of that before the disk has it.
CREATE OR REPLACE FUNCTION call_take(run_id uuid, runner text, attempt int, after bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM job j WHERE j.run_id = $1 AND CASE j.state WHEN 'running' THEN j.runner = $2 AND j.attempts = $3
		AND after = coalesce((SELECT t.seq FROM topic t WHERE t.name = 'run:' || $1), 0) END;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM call_ends();
	RETURN true;
END $$;

-- Ends a call of a face as job_done() does, and stores what its answer has used (where `call` is
-- not 0). Its client is told before the disk has it: the reservation stands there, and whoever has
-- made the call ends it again where the server has lost that.
-- As the owner: the log and the ledger are no role's to write.
CREATE OR REPLACE FUNCTION call_answer(run_id uuid, runner text, attempt int, after bigint, call int, provider text, model text,
	input_tokens bigint, output_tokens bigint, cached_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint,
	estimated boolean, ms int, data json, reply json) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	IF call_take($1, $2, $3, $4) THEN
		PERFORM call_settle($1, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14);
		PERFORM run_close($1, 'completed', 'done', $15, $16);
		RETURN after;
	END IF;
	RETURN nullif(job_fence($1, $2, $3), after);
END $$;
GRANT EXECUTE ON FUNCTION call_answer TO millrace_runner;

-- Ends many calls of faces at once, as call_answer() ends one: each statement is for all of them,
-- at a third of the cost. Row i of what it returns is that of runs[i]; a call that is not streamed
-- has a reply, else it is ''. Where one is not as most are (it is held no more, or has nothing
-- reserved), all of them are ended one by one. Rows are locked in the order of their ids.
-- As the owner: the log and the ledger are no role's to write.
CREATE OR REPLACE FUNCTION calls_answer(runs uuid[], runner text, attempts int[], after bigint[], calls int[], providers text[], models text[],
	input_tokens bigint[], output_tokens bigint[], cached_tokens bigint[], cache_write_tokens bigint[], reasoning_tokens bigint[],
	estimated boolean[], ms int[], data text[], replies text[]) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	many CONSTANT int := cardinality(runs);
	n int;
BEGIN
	BEGIN
		SELECT count(*) INTO n FROM (SELECT * FROM unnest(runs, attempts, after) u (run_id, attempt, after) ORDER BY u.run_id) g
		CROSS JOIN LATERAL (SELECT FROM job j WHERE j.run_id = g.run_id AND CASE j.state WHEN 'running' THEN j.runner = $2 AND j.attempts = g.attempt
			AND g.after = coalesce((SELECT t.seq FROM topic t WHERE t.name = 'run:' || g.run_id), 0) END FOR UPDATE) held;
		IF n < many THEN
			RAISE SQLSTATE 'MR001';
		END IF;
		PERFORM call_ends();
		DELETE FROM job j WHERE j.run_id = ANY (runs);
		INSERT INTO usage_event (owner_id, run_id, call, provider, model, input_tokens, output_tokens, cached_tokens, cache_write_tokens,
			reasoning_tokens, units, estimated, ms, failed, price_id, input_usd, output_usd, cost_usd)
		SELECT r.owner_id, g.run_id, g.call, g.provider, g.model, g.input, g.output, k.cached, k.written, k.thought, 0, g.estimated, g.ms, false,
			p.id, coalesce(p.input_usd, 0), coalesce(p.output_usd, 0),
			coalesce(cost_of_input(p, g.input, k.cached, k.written) + cost_of_output(p, g.output, k.thought, 0), 0)
		FROM unnest(runs, calls, providers, models, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, estimated, ms)
			g (run_id, call, provider, model, input, output, cached, written, thought, estimated, ms)
		CROSS JOIN LATERAL (SELECT least(g.cached, g.input) AS cached, least(g.written, g.input - least(g.cached, g.input)) AS written,
			least(g.thought, g.output) AS thought) k
		CROSS JOIN LATERAL (SELECT o.owner_id FROM run o WHERE o.id = g.run_id OFFSET 0) r
		LEFT JOIN LATERAL price_in_force(g.provider, g.model) p ON true WHERE g.call > 0
		ON CONFLICT ON CONSTRAINT usage_event_run_id_call_key DO NOTHING;
		PERFORM runs_close(runs, after, data, replies);
		-- Last, since whoever begins a call waits for its user's and its project's row.
		IF charges_pay(runs) < many THEN
			RAISE SQLSTATE 'MR001';
		END IF;
		RETURN QUERY SELECT unnest(after);
		RETURN;
	EXCEPTION WHEN SQLSTATE 'MR001' THEN
	END;
	-- In the order in which users are locked.
	RETURN QUERY SELECT a.seq FROM (
		SELECT g.n, call_answer(g.run_id, $2, g.attempt, g.after, g.call, g.provider, g.model, g.input, g.output, g.cached, g.written, g.thought,
			g.estimated, g.ms, g.data::json, nullif(g.reply, '')::json) AS seq
		FROM (SELECT * FROM unnest(runs, attempts, after, calls, providers, models, input_tokens, output_tokens, cached_tokens, cache_write_tokens,
				reasoning_tokens, estimated, ms, data, replies) WITH ORDINALITY
				u (run_id, attempt, after, call, provider, model, input, output, cached, written, thought, estimated, ms, data, reply, n)
			ORDER BY (SELECT r.owner_id FROM run r WHERE r.id = u.run_id), u.run_id) g
		OFFSET 0
	) a ORDER BY a.n;
END $$;
GRANT EXECUTE ON FUNCTION calls_answer TO millrace_runner;

-- Ends a call that was passed on, likewise: stores what it has used (where `call` is not 0), and
-- answers with its cost. `data` is the provider's reply; of a stream (`streams`) its last events,
-- behind which the cost comes as one more.
-- As the owner: the log and the ledger are no role's to write.
CREATE OR REPLACE FUNCTION call_done(run_id uuid, runner text, attempt int, after bigint, call int, provider text, model text,
	input_tokens bigint, output_tokens bigint, cached_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, units bigint,
	estimated boolean, ms int, data text, streams boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	cost json;
BEGIN
	IF call_take($1, $2, $3, $4) THEN
		PERFORM call_settle($1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);
		cost := call_cost($1);
		PERFORM run_close($1, 'completed', 'done',
			CASE WHEN streams THEN json_build_object('content', format(E'%sevent: cost\ndata: {"status":"success","cost":%s}\n\n', $16, cost))
				ELSE '{}' END,
			CASE WHEN NOT streams THEN json_build_object('status', 200, 'headers', '{}'::json,
				'body', json_build_object('status', 'success', 'data', $16::json, 'cost', cost)) END);
		RETURN after;
	END IF;
	RETURN nullif(job_fence($1, $2, $3), after);
END $$;
GRANT EXECUTE ON FUNCTION call_done TO millrace_runner;
