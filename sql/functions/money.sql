-- Users as a service account names them, their projects, prices and approvals; credits and use.

-- The user whom a path or a body names: for a service account by its own name for them, where
-- `makes` made if there is none; for anybody else by the user's id, their own unless they are an
-- administrator. NULL: there is none.
-- As the owner: whom a service names is another's row.
CREATE OR REPLACE FUNCTION user_of_name(name text, makes boolean) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	by_role text := (SELECT u.role FROM app_user u WHERE u.id = caller_id());
	found uuid;
BEGIN
	IF by_role <> 'service' THEN
		IF $1 = caller_id()::text THEN
			RETURN caller_id();
		ELSIF by_role <> 'admin' THEN
			PERFORM refuse('FORBIDDEN', 'Only a service key or an administrator acts for others.');
		END IF;
		RETURN (SELECT u.id FROM app_user u WHERE u.erased_at IS NULL
			AND u.id = CASE WHEN $1 ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN $1::uuid END);
	END IF;
	SELECT s.user_id INTO found FROM service_user s JOIN app_user u ON u.id = s.user_id
	WHERE s.service_id = caller_id() AND s.name = $1 AND u.erased_at IS NULL;
	IF found IS NULL AND makes THEN
		PERFORM pg_advisory_xact_lock(hashtextextended('millrace.service_user ' || caller_id() || $1, 0));
		SELECT s.user_id INTO found FROM service_user s WHERE s.service_id = caller_id() AND s.name = $1;
		IF found IS NULL THEN
			INSERT INTO app_user (display_name) VALUES ($1) RETURNING id INTO found;
			INSERT INTO service_user (service_id, name, user_id) VALUES (caller_id(), $1, found);
		END IF;
	END IF;
	RETURN found;
END $$;
GRANT EXECUTE ON FUNCTION user_of_name TO millrace_api;

-- What a user has: what was spent, what is left, and by which package.
-- As the owner: whom a service names is another's row.
CREATE OR REPLACE FUNCTION user_money_json(name text) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN (SELECT json_build_object('user_id', $1, 'account_status', CASE WHEN u.disabled_at IS NULL THEN 'active' ELSE 'suspended' END,
		'tier', user_tier(u.id), 'total_spending', s.total, 'available_balance', u.balance_usd - u.reserved_usd,
		'total_requests', s.requests, 'created_at', rfc3339(u.created_at), 'last_request_at', rfc3339(s.last))
	FROM app_user u CROSS JOIN LATERAL (
		SELECT coalesce(sum(p.total_usd), 0) AS total, coalesce(sum(p.requests), 0) AS requests, max(p.last_request_at) AS last
		FROM project p WHERE p.owner_id = u.id
	) s WHERE u.id = (SELECT user_of_name($1, false)));
END $$;
GRANT EXECUTE ON FUNCTION user_money_json TO millrace_api;

CREATE OR REPLACE FUNCTION budget_json(p project) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT json_build_object('daily_limit', p.daily_limit, 'monthly_limit', p.monthly_limit, 'per_request_limit', p.per_request_limit,
		'current_daily_spending', project_day_usd(p), 'current_monthly_spending', project_month_usd(p),
		'period_start', rfc3339(m.start AT TIME ZONE 'UTC'),
		'period_end', rfc3339((m.start + interval '1 month' - interval '1 second') AT TIME ZONE 'UTC'))
	FROM (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AS start) m);
END $$;
GRANT EXECUTE ON FUNCTION budget_json TO millrace_api;

-- Clients look for a provider in the list: where any is allowed, the list is of all that have
-- prices.
CREATE OR REPLACE FUNCTION policies_json(p project) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN json_build_object(
		'allowed_providers', coalesce(to_json(p.allowed_providers), (SELECT json_agg(x.provider ORDER BY x.provider)
			FROM (SELECT DISTINCT provider FROM provider_price) x)),
		'allowed_models', coalesce((SELECT json_object_agg(x.provider, x.models ORDER BY x.provider) FROM (
			SELECT provider, to_jsonb(array_agg(DISTINCT model ORDER BY model)) AS models FROM provider_price
			WHERE NOT coalesce(p.allowed_models, '{}') ? provider AND (provider = ANY (p.allowed_providers)) IS NOT FALSE GROUP BY provider
			UNION ALL
			SELECT key, value FROM jsonb_each(p.allowed_models)) x), '{}'),
		'rate_limits', json_build_object('requests_per_minute', p.requests_per_minute, 'tokens_per_hour', p.tokens_per_hour),
		'forbidden_operations', p.forbidden_operations, 'require_approval_above', p.require_approval_above);
END $$;
GRANT EXECUTE ON FUNCTION policies_json TO millrace_api;

CREATE OR REPLACE FUNCTION project_json(p project) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', p.id, 'name', p.name, 'budget', budget_json(p), 'policies', policies_json(p), 'totalUsd', p.total_usd, 'reservedUsd', p.reserved_usd,
		'requests', p.requests, 'lastRequestAt', rfc3339(p.last_request_at), 'createdAt', rfc3339(p.created_at))
$$;
GRANT EXECUTE ON FUNCTION project_json TO millrace_api;

CREATE OR REPLACE FUNCTION charge_json(c charge) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', c.id, 'projectId', c.project_id, 'requestId', c.request_id, 'kind', c.kind, 'state', c.state,
		'amountUsd', c.amount_usd, 'reservedUsd', c.reserved_usd, 'flagged', c.flagged, 'provider', c.provider, 'model', c.model,
		'operation', c.operation, 'tokens', c.tokens, 'createdAt', rfc3339(c.created_at), 'endedAt', rfc3339(c.ended_at))
$$;
GRANT EXECUTE ON FUNCTION charge_json TO millrace_api;

-- An entry of the credits, in words.
CREATE OR REPLACE FUNCTION credit_json(e ledger_entry) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN json_build_object('id', e.id, 'type', e.kind, 'amountUsd', e.amount_usd, 'balanceUsd', e.balance_usd, 'description', coalesce(
		(SELECT n.description FROM ledger_note n WHERE n.transfer = e.transfer),
		(SELECT concat_ws(' ', c.kind, 'with', nullif(concat_ws(' ', c.provider, c.model), '')) FROM charge c WHERE c.id = e.charge_id AND c.provider IS NOT NULL),
		(SELECT c.kind FROM charge c WHERE c.id = e.charge_id), e.kind), 'createdAt', rfc3339(e.created_at));
END $$;
GRANT EXECUTE ON FUNCTION credit_json TO millrace_api;

CREATE OR REPLACE FUNCTION approval_json(a approval) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', a.id, 'user_id', a.owner_id, 'project_id', a.project_id, 'request_id', a.request_id, 'kind', a.kind,
		'provider', a.provider, 'model', a.model, 'operation', a.operation, 'amount', a.amount_usd, 'status', a.status,
		'created_at', rfc3339(a.created_at), 'expires_at', rfc3339(a.expires_at), 'decided_at', rfc3339(a.decided_at))
$$;
GRANT EXECUTE ON FUNCTION approval_json TO millrace_api;

-- A project of a user, by their names; no row where there is none. With `makes` both are made, and
-- the user's and the project's rows are locked.
-- As the owner: whom a service names is another's row.
CREATE OR REPLACE FUNCTION project_named(user_name text, project text, makes boolean) RETURNS SETOF project
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	who CONSTANT uuid := user_of_name($1, makes);
BEGIN
	IF who IS NULL THEN
		RETURN;
	ELSIF makes THEN
		PERFORM FROM app_user u WHERE u.id = who FOR NO KEY UPDATE;
		PERFORM project_lock(who, $2);
	END IF;
	RETURN QUERY SELECT * FROM project p WHERE p.owner_id = who AND p.name = $2;
END $$;
GRANT EXECUTE ON FUNCTION project_named TO millrace_api;

-- Sets a project's limits, all of them: NULL is none.
-- As the owner: whom a service names is another's row.
CREATE OR REPLACE FUNCTION budget_set(user_name text, project text, daily numeric, monthly numeric, per_request numeric) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	which CONSTANT uuid := (SELECT n.id FROM project_named($1, $2, true) n);
	done json;
BEGIN
	UPDATE project p SET daily_limit = $3, monthly_limit = $4, per_request_limit = $5 WHERE p.id = which RETURNING budget_json(p) INTO done;
	RETURN done;
END $$;
GRANT EXECUTE ON FUNCTION budget_set TO millrace_api;

-- Sets a project's policies, all of them: NULL is any.
-- As the owner: whom a service names is another's row.
CREATE OR REPLACE FUNCTION policies_set(user_name text, project text, providers text[], models jsonb, per_minute bigint, per_hour bigint,
	forbidden text[], above numeric) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	which uuid;
	done json;
BEGIN
	IF EXISTS (SELECT FROM jsonb_each(models) m WHERE jsonb_typeof(m.value) <> 'array'
		OR jsonb_path_exists(m.value, 'strict $[*] ? (@.type() != "string")')) THEN
		PERFORM refuse('BAD_REQUEST', 'allowed_models must be an object of arrays of names, by provider.');
	END IF;
	which := (SELECT n.id FROM project_named($1, $2, true) n);
	UPDATE project p SET allowed_providers = $3, allowed_models = $4, requests_per_minute = $5, tokens_per_hour = $6,
		forbidden_operations = coalesce($7, '{}'), require_approval_above = $8
	WHERE p.id = which RETURNING policies_json(p) INTO done;
	RETURN done;
END $$;
GRANT EXECUTE ON FUNCTION policies_set TO millrace_api;

-- Counts what a service has spent for a user, once a request_id; nothing by the id of a run.
-- As the owner: whom a service names is another's row.
CREATE OR REPLACE FUNCTION spending_add(user_name text, project text, amount numeric, request_id text, client_at timestamptz) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	who CONSTANT uuid := user_of_name($1, true);
BEGIN
	IF who IS NULL THEN
		RETURN NULL;
	END IF;
	RETURN json_build_object('success', true, 'flagged', CASE WHEN request_is_runs(who, $4)
		THEN coalesce((SELECT c.flagged FROM charge c WHERE c.owner_id = who AND c.request_id = $4), false)
		ELSE charge_spend(who, $2, $4, 'spending', $3, NULL, NULL, 0, $5) END);
END $$;
GRANT EXECUTE ON FUNCTION spending_add TO millrace_api;

-- What a chat turn of 8,000 tokens in and 2,000 out costs at a price.
CREATE OR REPLACE FUNCTION chat_estimate(p provider_price) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
	SELECT (p.input_usd * 8000 + p.output_usd * 2000) * 0.000001
$$;

-- A chat turn reserves its estimate, or is refused before its stream begins. One that costs
-- nothing, in no project, reserves nothing. A chatbot may have a provider and a model of its own;
-- of a provider whose model it leaves open the cheapest is taken.
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION chat_reserve(run_id uuid, credits boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	s jsonb;
	m record;
	r record;
BEGIN
	SELECT coalesce(x.input -> 'settings', b.settings, '{}') INTO s FROM run x LEFT JOIN conversation o ON o.id = x.conversation_id
	LEFT JOIN chatbot b ON b.id = o.chatbot_id WHERE x.id = $1;
	SELECT w.provider, w.model, coalesce(CASE WHEN w.model IS NOT NULL THEN chat_estimate(p) ELSE (SELECT min(chat_estimate(o)) FROM provider_price o
			WHERE o.provider = w.provider AND o.valid_from <= now() AND chat_estimate(o) > 0) END, 0) AS estimate INTO m
	FROM chat_model c
	CROSS JOIN LATERAL (SELECT coalesce(s ->> 'provider', c.provider) AS provider,
		coalesce(s ->> 'model', CASE WHEN coalesce(s ->> 'provider', c.provider) = c.provider THEN c.model END) AS model) w
	LEFT JOIN LATERAL price_in_force(w.provider, w.model) p ON true;
	IF coalesce(m.estimate, 0) = 0 AND NOT EXISTS (SELECT FROM project p WHERE p.owner_id = caller_id() AND p.name = 'default') THEN
		RETURN;
	END IF;
	r := charge_make(caller_id(), 'default', $1::text, 'chat', m.provider, m.model, 'chat', coalesce(m.estimate, 0), $2, NULL, NULL);
	CASE r.verdict
	WHEN 'BUDGET_EXCEEDED' THEN
		PERFORM refuse('BUDGET_EXCEEDED', r.message);
	WHEN 'INSUFFICIENT_CREDITS' THEN
		PERFORM refuse('INSUFFICIENT_CREDITS', r.message);
	WHEN 'FORBIDDEN' THEN
		PERFORM refuse('FORBIDDEN', r.message);
	WHEN 'RATE_LIMITED' THEN
		PERFORM refuse('RATE_LIMITED', r.message);
	ELSE
	END CASE;
END $$;
GRANT EXECUTE ON FUNCTION chat_reserve TO millrace_api;

-- What vendors call a model without the snapshot that they let one name: gpt-4o-2024-08-06 and
-- claude-sonnet-4-5-20250929 are dated, -latest and -0 are other names of one, and Google's are
-- below models/.
CREATE OR REPLACE FUNCTION model_base(model text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT regexp_replace(regexp_replace($1, '^models/', ''), '-(\d{4}-\d\d-\d\d|\d{8}|\d{3,4}|latest|0)$', '')
$$;
GRANT EXECUTE ON FUNCTION model_base TO millrace_api, millrace_runner;

-- The price of a model now: its own, that of the model without its snapshot, or its provider's for
-- every model; no row: none is known.
CREATE OR REPLACE FUNCTION price_in_force(provider text, model text) RETURNS SETOF provider_price LANGUAGE sql STABLE AS $$
	SELECT p.* FROM provider_price p WHERE p.provider = $1 AND p.model IN ($2, model_base($2), '*') AND p.valid_from <= now()
	ORDER BY p.model = '*', p.model <> $2, p.valid_from DESC, p.id DESC LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION price_in_force TO millrace_api, millrace_runner;

-- What use costs at a price. The parts of the tokens are no more than these; NULL without a price.
CREATE OR REPLACE FUNCTION cost_of_input(p provider_price, input_tokens bigint, cached bigint, written bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
	SELECT (($2 - $3 - $4) * p.input_usd + $3 * coalesce(p.cached_usd, p.input_usd) + $4 * coalesce(p.cache_write_usd, p.input_usd)) * 0.000001
$$;
GRANT EXECUTE ON FUNCTION cost_of_input TO millrace_runner;

CREATE OR REPLACE FUNCTION cost_of_output(p provider_price, output_tokens bigint, reasoning bigint, units bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
	SELECT (($2 - $3) * p.output_usd + $3 * coalesce(p.reasoning_usd, p.output_usd)) * 0.000001 + $4 * coalesce(p.unit_usd, 0)
$$;
GRANT EXECUTE ON FUNCTION cost_of_output TO millrace_runner;

-- The most that a call costs at a price: whatever of its input a provider writes to a cache, and
-- however much of its output is thought. NULL without a price.
CREATE OR REPLACE FUNCTION usage_bound(p provider_price, input_tokens bigint, output_tokens bigint, units bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
	SELECT ($2 * greatest(p.input_usd, p.cached_usd, p.cache_write_usd) + $3 * greatest(p.output_usd, p.reasoning_usd)) * 0.000001
		+ $4 * coalesce(p.unit_usd, 0)
$$;

-- A price, by the thousand tokens. `model` is the one that was asked for.
CREATE OR REPLACE FUNCTION price_json(p provider_price, model text) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', p.uid, 'provider', p.provider, 'model', $2, 'input_cost_per_1k', trim_scale(p.input_usd * 0.001),
		'output_cost_per_1k', trim_scale(p.output_usd * 0.001),
		'cached_input_cost_per_1k', trim_scale(coalesce(p.cached_usd, p.input_usd) * 0.001),
		'cache_write_cost_per_1k', trim_scale(coalesce(p.cache_write_usd, p.input_usd) * 0.001),
		'reasoning_cost_per_1k', trim_scale(coalesce(p.reasoning_usd, p.output_usd) * 0.001), 'unit_cost', trim_scale(p.unit_usd),
		'source', p.source, 'as_of', p.as_of, 'updated_at', rfc3339(p.valid_from))
$$;
GRANT EXECUTE ON FUNCTION price_json TO millrace_api;

-- Ends the transaction unless the caller is an administrator. The routes ask for one as well.
CREATE OR REPLACE FUNCTION admin_require() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT caller_is_admin() THEN
		PERFORM refuse('FORBIDDEN', 'This needs an administrator.');
	END IF;
END $$;

-- A new price, from now on; what was charged keeps the one of its time.
-- As the owner: prices are no role's to write.
CREATE OR REPLACE FUNCTION price_set(provider text, model text, input numeric, output numeric, cached numeric, written numeric,
	reasoning numeric, unit numeric, source text) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	made provider_price;
BEGIN
	PERFORM admin_require();
	INSERT INTO provider_price (provider, model, input_usd, output_usd, cached_usd, cache_write_usd, reasoning_usd, unit_usd, source, as_of, valid_from)
	VALUES ($1, $2, $3 * 1000, $4 * 1000, $5 * 1000, $6 * 1000, $7 * 1000, $8, coalesce($9, ''), CASE WHEN $9 IS NOT NULL THEN current_date END,
		clock_timestamp())
	RETURNING * INTO made;
	PERFORM audit(caller_id(), NULL, 'price_set', jsonb_build_object('provider', $1, 'model', $2, 'price', made.uid));
	RETURN price_json(made, $2);
END $$;
GRANT EXECUTE ON FUNCTION price_set TO millrace_api;

-- Approvals, for administrators: all, or those with a status; newest first.
-- As the owner: what others ask for is their rows.
CREATE OR REPLACE FUNCTION approval_list(status text, rows bigint, before uuid) RETURNS TABLE (body json, cursor uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT approval_json(a), a.id FROM approval a WHERE caller_is_admin() AND a.id < (SELECT page_before($3)) AND ($1 IS NULL OR a.status = $1)
	ORDER BY a.id DESC LIMIT $2;
END $$;
GRANT EXECUTE ON FUNCTION approval_list TO millrace_api;

-- Decides one that is pending; an approved one lets its request through once within an hour. The
-- user is told.
-- As the owner: what others ask for is their rows.
CREATE OR REPLACE FUNCTION approval_decide(approval uuid, status text) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	a approval;
BEGIN
	PERFORM admin_require();
	SELECT * INTO a FROM approval x WHERE x.id = $1 FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such approval.');
	ELSIF a.status <> 'pending' OR a.expires_at <= now() THEN
		PERFORM refuse('CONFLICT', 'This approval was decided before, or has expired.');
	END IF;
	UPDATE approval x SET status = $2, decided_at = now(), decided_by = caller_id(),
		expires_at = CASE $2 WHEN 'approved' THEN now() + interval '1 hour' ELSE x.expires_at END
	WHERE x.id = $1 RETURNING x.* INTO a;
	INSERT INTO notification (owner_id, severity, title, message) VALUES (a.owner_id, CASE $2 WHEN 'approved' THEN 'success' ELSE 'warning' END,
		format('Your request was %s', $2), format('Request %s for %s US dollars was %s.', a.request_id, a.amount_usd, $2));
	PERFORM audit(caller_id(), a.owner_id, 'request_' || $2, jsonb_build_object('approval', a.id, 'amount_usd', a.amount_usd));
	RETURN approval_json(a);
END $$;
GRANT EXECUTE ON FUNCTION approval_decide TO millrace_api;

-- An administrator gives credits, or takes some back with a negative amount. NULL: there is no such
-- user.
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION credits_grant(who uuid, amount numeric, reason text) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	moved uuid;
BEGIN
	PERFORM admin_require();
	IF $2 = 0 THEN
		PERFORM refuse('BAD_REQUEST', 'amount_usd must not be zero.');
	END IF;
	moved := credit_move($1, $2, 'grant', 'grants', $3);
	IF moved IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such user.');
	END IF;
	PERFORM audit(caller_id(), $1, 'credits_granted', jsonb_build_object('amount_usd', $2, 'transfer', moved));
	RETURN (SELECT credit_json(e) FROM ledger_entry e WHERE e.owner_id = $1 ORDER BY e.seq DESC LIMIT 1);
END $$;
GRANT EXECUTE ON FUNCTION credits_grant TO millrace_api;
