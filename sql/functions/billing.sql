-- What is sold, and what a user used by day.

-- The name of the package that a user has; free without one. A subscription whose payment is late
-- still counts.
CREATE OR REPLACE FUNCTION user_tier(who uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN coalesce((SELECT p.name FROM user_subscription s JOIN pricing_package p ON p.id = s.package_id
		WHERE s.owner_id = $1 AND s.status IN ('trialing', 'active', 'past_due') AND s.end_date > now() IS NOT FALSE
		ORDER BY s.start_date DESC, s.id DESC LIMIT 1), 'free');
END $$;

-- A package; its price now is that of the cheapest campaign under way, where there is one.
CREATE OR REPLACE FUNCTION package_json(p pricing_package) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN json_build_object('id', p.id, 'name', p.name, 'description', p.description, 'price_usd', p.price_usd,
		'current_price_usd', least(p.price_usd, (SELECT min(c.price_usd) FROM pricing_campaign c
			WHERE c.package_id = p.id AND now() >= c.starts_at AND now() < c.ends_at)),
		'period', p.period, 'credits_usd', p.credits_usd, 'features', p.features, 'stripe_price_id', p.stripe_price_id, 'active', p.active,
		'created_at', rfc3339(p.created_at), 'updated_at', rfc3339(p.updated_at));
END $$;
GRANT EXECUTE ON FUNCTION package_json TO millrace_api;

CREATE OR REPLACE FUNCTION campaign_json(c pricing_campaign) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', c.id, 'package_id', c.package_id, 'name', c.name, 'price_usd', c.price_usd,
		'starts_at', rfc3339(c.starts_at), 'ends_at', rfc3339(c.ends_at), 'active', now() >= c.starts_at AND now() < c.ends_at,
		'created_at', rfc3339(c.created_at))
$$;
GRANT EXECUTE ON FUNCTION campaign_json TO millrace_api;

CREATE OR REPLACE FUNCTION subscription_json(s user_subscription) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN json_build_object('id', s.id, 'user_id', s.owner_id, 'package_id', s.package_id,
		'plan', (SELECT p.name FROM pricing_package p WHERE p.id = s.package_id), 'status', s.status, 'start_date', rfc3339(s.start_date),
		'end_date', rfc3339(s.end_date), 'final_price', s.final_price, 'stripe_customer_id', s.stripe_customer_id,
		'stripe_subscription_id', s.stripe_subscription_id, 'current_period_end', rfc3339(s.current_period_end), 'created_at', rfc3339(s.created_at), 'updated_at', rfc3339(s.updated_at));
END $$;
GRANT EXECUTE ON FUNCTION subscription_json TO millrace_api;

-- What the caller used on each of the last `days` days of their time zone, the newest last; days
-- without use are there, too. A charge counts on the day that it was settled.
CREATE OR REPLACE FUNCTION usage_by_day(days int) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (WITH zone AS (
		SELECT u.timezone AS name, (now() AT TIME ZONE u.timezone)::date AS today FROM app_user u WHERE u.id = caller_id()
	), day AS (
		SELECT d::date AS date, z.name FROM zone z, generate_series(z.today - ($1 - 1), z.today, interval '1 day') d
	), since AS (	-- or earlier: a day begins twice where clocks are put back at the end of its first hour
		SELECT (min(d.date) - 1)::timestamp AT TIME ZONE min(d.name) AS at FROM day d
	), cost AS (
		SELECT (e.created_at AT TIME ZONE z.name)::date AS date, -sum(e.amount_usd) AS usd FROM ledger_entry e, zone z
		WHERE e.owner_id = caller_id() AND e.charge_id IS NOT NULL AND e.created_at >= (SELECT at FROM since) GROUP BY 1
	), calls AS (
		SELECT (e.created_at AT TIME ZONE z.name)::date AS date, count(DISTINCT e.run_id) AS messages, sum(e.input_tokens) AS input,
			sum(e.output_tokens) AS output
		FROM usage_event e, zone z WHERE e.owner_id = caller_id() AND e.created_at >= (SELECT at FROM since) GROUP BY 1
	)
	SELECT json_agg(json_build_object('date', d.date, 'costUsd', coalesce(c.usd, 0), 'messages', coalesce(k.messages, 0),
		'inputTokens', coalesce(k.input, 0), 'outputTokens', coalesce(k.output, 0)) ORDER BY d.date)
	FROM day d LEFT JOIN cost c USING (date) LEFT JOIN calls k USING (date));
END $$;
GRANT EXECUTE ON FUNCTION usage_by_day TO millrace_api;

-- A new package, or (with an id) all of what one is; NULL: there is no such package.
-- As the owner: what is sold is no role's to write.
CREATE OR REPLACE FUNCTION package_put(package uuid, name text, description text, price numeric, period text, credits numeric, features text[],
	stripe_price_id text, active boolean) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	made pricing_package;
BEGIN
	PERFORM admin_require();
	IF $1 IS NULL THEN
		INSERT INTO pricing_package AS x (name, description, price_usd, period, credits_usd, features, stripe_price_id, active)
		VALUES ($2, coalesce($3, ''), $4, coalesce($5, 'month'), coalesce($6, 0), coalesce($7, '{}'), $8, $9) RETURNING x.* INTO made;
	ELSE
		UPDATE pricing_package x SET name = $2, description = coalesce($3, ''), price_usd = $4, period = coalesce($5, 'month'),
			credits_usd = coalesce($6, 0), features = coalesce($7, '{}'), stripe_price_id = $8, active = $9, updated_at = now()
		WHERE x.id = $1 RETURNING x.* INTO made;
	END IF;
	RETURN CASE WHEN made.id IS NOT NULL THEN package_json(made) END;
EXCEPTION WHEN unique_violation THEN
	PERFORM refuse('CONFLICT', 'Another package has this stripe_price_id.');
END $$;
GRANT EXECUTE ON FUNCTION package_put TO millrace_api;

-- The same of a campaign.
-- As the owner: what is sold is no role's to write.
CREATE OR REPLACE FUNCTION campaign_put(campaign uuid, package uuid, name text, price numeric, starts_at timestamptz, ends_at timestamptz) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	made pricing_campaign;
BEGIN
	PERFORM admin_require();
	IF $6 <= $5 THEN
		PERFORM refuse('BAD_REQUEST', 'ends_at must be after starts_at.');
	ELSIF $4 * 100 <> trunc($4 * 100) THEN
		PERFORM refuse('BAD_REQUEST', 'price_usd must be whole cents: it is what Stripe is to ask for.');
	ELSIF NOT EXISTS (SELECT FROM pricing_package p WHERE p.id = $2) THEN
		PERFORM refuse('NOT_FOUND', 'There is no such package.');
	ELSIF $1 IS NULL THEN
		INSERT INTO pricing_campaign AS x (package_id, name, price_usd, starts_at, ends_at) VALUES ($2, $3, $4, $5, $6) RETURNING x.* INTO made;
	ELSE
		UPDATE pricing_campaign x SET package_id = $2, name = $3, price_usd = $4, starts_at = $5, ends_at = $6
		WHERE x.id = $1 RETURNING x.* INTO made;
	END IF;
	RETURN CASE WHEN made.id IS NOT NULL THEN campaign_json(made) END;
END $$;
GRANT EXECUTE ON FUNCTION campaign_put TO millrace_api;
