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
	SELECT x.name, x.model FROM (
		SELECT g.name, substr($1, length(g.name) + 2) AS model, 0 AS rank, g.place FROM gateway_provider g
		WHERE starts_with($1, g.name || '/') AND length($1) > length(g.name) + 1 AND g.kind <> 'local'
		UNION ALL
		SELECT g.name, 'local', 0, g.place FROM gateway_provider g WHERE g.kind = 'local' AND $1 IN ('local', 'local/local')
		UNION ALL
		SELECT g.name, $1, 1, g.place FROM gateway_provider g
		WHERE g.kind <> 'local' AND EXISTS (SELECT FROM provider_price p WHERE p.provider = g.name AND p.model = $1)
		UNION ALL
		SELECT g.name, $1, 2, g.place FROM gateway_provider g
		WHERE g.kind = CASE WHEN $1 LIKE 'claude-%' THEN 'anthropic' WHEN $1 LIKE 'gemini-%' THEN 'google' END
		UNION ALL
		SELECT g.name, $1, 3, g.place FROM gateway_provider g WHERE g.kind <> 'local'
	) x ORDER BY x.rank, x.place LIMIT 1
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
-- used before, or `verdict` and `message`, which the caller answers with: what has been stored, an
-- approval that is asked for, stays.
CREATE OR REPLACE FUNCTION call_begin(user_name text, project text, request_id text, provider text, model text, operation text, input jsonb,
	estimate numeric, credits boolean, queue_max int, OUT run uuid, OUT verdict text, OUT message text) RETURNS record
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
	PERFORM queue_check(queue_max), work_require(true);
	r := charge_make(who, $2, $3, 'call', $4, $5, $6, $8, $9, NULL, made);
	IF r.verdict = 'REPEATED' THEN
		SELECT c.run_id INTO run FROM charge c JOIN run x ON x.id = c.run_id WHERE c.owner_id = who AND c.request_id = $3;
		verdict := CASE WHEN run IS NULL THEN 'CONFLICT' END;
	ELSE
		verdict := r.verdict;
	END IF;
	message := r.message;
	IF r.verdict IS NULL THEN
		run := made;
		whole := $7 || jsonb_build_object('provider', $4, 'model', $5, 'reply', true, 'credits', $9, 'keys', own_keys(who));
		hand := runner_at_hand();
		IF hand.name IS NULL THEN
			INSERT INTO run (id, owner_id, kind, input) VALUES (made, who, 'call', whole);
			INSERT INTO job (run_id, owner_id, kind) VALUES (made, caller_id(), 'call');
			PERFORM notify_durable('millrace_job', '');
			RETURN;
		END IF;
		INSERT INTO run (id, owner_id, kind, input, status, started_at) VALUES (made, who, 'call', whole, 'running', now());
		INSERT INTO job (run_id, owner_id, kind, state, attempts, runner, lease_until)
		VALUES (made, caller_id(), 'call', 'running', 1, hand.name, now() + hand.lease);
		-- Who writes events counts on it; the end of a call makes its own.
		IF $7 ->> 'stream' = 'true' THEN
			INSERT INTO topic (name) VALUES ('run:' || made);
		END IF;
		told := concat_ws(E'\n', hand.name, made, who);
		IF octet_length(told) + octet_length(whole::text) < 7900 AND notify_has_room() THEN
			told := told || E'\n' || whole::text;
		END IF;
		PERFORM notify_durable('millrace_handed', told);
	END IF;
END $$;

-- What earlier answers have that a call names by their ids: bytes, which are no fewer tokens.
CREATE OR REPLACE FUNCTION call_earlier(ids jsonb) RETURNS bigint LANGUAGE sql STABLE SET enable_seqscan = off AS $$
	SELECT coalesce(sum(octet_length((r.outcome -> 'output')::text)), 0)
	FROM (SELECT (regexp_match(i, '_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'))[1]::uuid AS id FROM jsonb_array_elements_text($1) i) e
	JOIN run r ON r.id = e.id AND r.kind = 'call' AND (r.owner_id = caller_id()
		OR EXISTS (SELECT FROM service_user s WHERE s.service_id = caller_id() AND s.user_id = r.owner_id))
$$;

-- The same for a client of one of the faces, which names a model as model_find() takes it. No row:
-- nobody has it. A model without a price costs nothing.
-- As the owner: whom a service names is another's row, and the ledger is no role's to write.
CREATE OR REPLACE FUNCTION gateway_start(user_name text, project text, request_id text, asked text, operation text, input jsonb,
	input_tokens bigint, output_tokens bigint, credits boolean, queue_max int) RETURNS TABLE (run uuid, verdict text, message text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	most CONSTANT bigint := $7 + CASE WHEN $6 ? 'earlier' THEN call_earlier($6 -> 'earlier') ELSE 0 END;
	m record;
	estimate numeric;
BEGIN
	SELECT f.provider, f.model INTO m FROM model_find($4) f;
	IF FOUND THEN
		SELECT usage_bound(p, most, $8, 0) INTO estimate FROM price_in_force(m.provider, m.model) p;
		RETURN QUERY SELECT b.* FROM call_begin($1, $2, $3, m.provider, m.model, $5,
			$6 || jsonb_build_object('expected', ($6 -> 'expected') || jsonb_build_object('most', most)), coalesce(estimate, 0), $9, $10) b;
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION gateway_start TO millrace_api;

-- The same for a call that is passed on as it is: `operation` has to be one of the endpoints of the
-- provider's kind, and the model to have a price. `problem`: what is wrong with the payload. No
-- row: there is no such provider. `local`, whose answers are this server's own, is asked as a face
-- asks it.
-- As the owner: whom a service names is another's row, and the ledger is no role's to write.
CREATE OR REPLACE FUNCTION provider_call(user_name text, project text, request_id text, provider text, model text, operation text,
	input jsonb, streams boolean, input_tokens bigint, output_tokens bigint, images bigint, seconds bigint, problem text, credits boolean, queue_max int)
RETURNS TABLE (run uuid, verdict text, message text)
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
		SELECT b.* INTO run, verdict, message FROM call_begin($1, $2, $3, $4, $5, $6, $7 || CASE g.kind
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
	o record;
	p project;
	r run;
	most numeric;
BEGIN
	SELECT c, j AS p INTO o FROM charge c JOIN project j ON j.id = c.project_id WHERE c.run_id = $1;
	IF NOT FOUND OR policy_forbids(o.p, $2, $3, (o.c).operation) IS NOT NULL THEN
		RETURN CASE WHEN FOUND THEN false END;
	END IF;
	SELECT * INTO r FROM run x WHERE x.id = $1;
	SELECT usage_bound(q, (r.input #>> '{expected,most}')::bigint, (r.input #>> '{expected,output}')::bigint, 0) INTO most
	FROM price_in_force($2, $3) q;
	IF most <= (o.c).reserved_usd OR most IS NULL THEN
		RETURN true;
	END IF;
	SELECT * INTO o FROM charge_open((o.c).id);
	p := o.p;
	p.reserved_usd := p.reserved_usd - (o.c).reserved_usd;
	most := most - (o.c).reserved_usd;
	IF (o.c).id IS NULL OR budget_passed(p, most + (o.c).reserved_usd) IS NOT NULL OR most + (o.c).reserved_usd > p.require_approval_above
		OR ((r.input ->> 'credits')::boolean AND (SELECT u.balance_usd - u.reserved_usd < most FROM app_user u WHERE u.id = r.owner_id)) THEN
		RETURN false;
	END IF;
	UPDATE charge x SET reserved_usd = x.reserved_usd + most WHERE x.id = (o.c).id;
	UPDATE project x SET reserved_usd = x.reserved_usd + most WHERE x.id = p.id;
	UPDATE app_user x SET reserved_usd = x.reserved_usd + most WHERE x.id = r.owner_id;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION call_may TO millrace_runner;

-- What a run's calls have cost, as clients read it.
CREATE OR REPLACE FUNCTION call_cost(run_id uuid) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('input_cost', trim_scale(coalesce(sum(k.input_cost), 0)), 'output_cost', trim_scale(coalesce(sum(k.output_cost), 0)),
		'total_cost', trim_scale(coalesce(sum(k.input_cost + k.output_cost), 0)))
	FROM usage_event e JOIN provider_price p ON p.id = e.price_id
	CROSS JOIN LATERAL usage_cost(p, e.input_tokens, e.output_tokens, e.cached_tokens, e.cache_write_tokens, e.reasoning_tokens, e.units) k
	WHERE e.run_id = $1
$$;
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

-- Ends a call of a face as job_done() does, and stores what its answer has used (where `call` is
-- not 0). Its client is told before the disk has it: the reservation stands there, and whoever has
-- made the call ends it again where the server has lost that.
CREATE OR REPLACE FUNCTION call_answer(run_id uuid, runner text, attempt int, after bigint, call int, provider text, model text,
	input_tokens bigint, output_tokens bigint, cached_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint,
	estimated boolean, ms int, data json, reply json) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	seq CONSTANT bigint := job_fence($1, $2, $3);
BEGIN
	PERFORM notify_at_once();
	IF seq = after THEN
		IF $5 > 0 THEN
			PERFORM usage_record($1, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, false);
		END IF;
		PERFORM run_finish($1, 'completed', 'done', $15, $16);
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION call_answer TO millrace_runner;

-- Ends a call that was passed on, likewise: stores what it has used (where `call` is not 0), and
-- answers with its cost. `data` is the provider's reply; of a stream (`streams`) its last events,
-- behind which the cost comes as one more.
CREATE OR REPLACE FUNCTION call_done(run_id uuid, runner text, attempt int, after bigint, call int, provider text, model text,
	input_tokens bigint, output_tokens bigint, cached_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, units bigint,
	estimated boolean, ms int, data text, streams boolean) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	seq CONSTANT bigint := job_fence($1, $2, $3);
	cost json;
BEGIN
	PERFORM notify_at_once();
	IF seq = after THEN
		IF $5 > 0 THEN
			PERFORM usage_record($1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, false);
		END IF;
		cost := call_cost($1);
		IF streams THEN
			PERFORM run_finish($1, 'completed', 'done',
				json_build_object('content', format(E'%sevent: cost\ndata: {"status":"success","cost":%s}\n\n', $16, cost)), NULL);
		ELSE
			PERFORM run_finish($1, 'completed', 'done', '{}', json_build_object('status', 200, 'headers', '{}'::json,
				'body', json_build_object('status', 'success', 'data', $16::json, 'cost', cost)));
		END IF;
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION call_done TO millrace_runner;
