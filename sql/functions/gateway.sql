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
-- As the owner: whom a service names is another's row, and the ledger is no role's to write.
CREATE OR REPLACE FUNCTION gateway_start(user_name text, project text, request_id text, provider text, model text, operation text,
	input jsonb, input_tokens bigint, output_tokens bigint, credits boolean, queue_max int)
RETURNS TABLE (run uuid, verdict text, message text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	who CONSTANT uuid := CASE WHEN $1 IS NULL THEN caller_id() ELSE user_of_name($1, true) END;
	estimate numeric;
	r record;
BEGIN
	IF who IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such user.');
	END IF;
	PERFORM queue_check(queue_max);
	PERFORM work_require(true);
	SELECT (p.input_usd * $8 + p.output_usd * $9) * 0.000001 INTO estimate FROM price_in_force($4, $5) p;
	SELECT * INTO r FROM charge_reserve(who, $2, $3, 'call', $4, $5, $6, coalesce(estimate, 0), $10, NULL);
	IF r.verdict = 'REPEATED' THEN
		SELECT c.run_id INTO run FROM charge c JOIN run x ON x.id = c.run_id WHERE c.owner_id = who AND c.request_id = $3;
		verdict := CASE WHEN run IS NULL THEN 'CONFLICT' END;
	ELSE
		verdict := r.verdict;
	END IF;
	message := r.message;
	IF r.verdict IS NULL THEN
		INSERT INTO run AS x (owner_id, kind, input)
		VALUES (who, 'call', $7 || jsonb_build_object('provider', $4, 'model', $5, 'reply', true)) RETURNING x.id INTO run;
		UPDATE charge c SET run_id = run WHERE c.id = r.charge;
		INSERT INTO job (run_id, owner_id, kind) VALUES (run, caller_id(), 'call');
		PERFORM notify_durable('millrace_job', '');
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION gateway_start TO millrace_api;
