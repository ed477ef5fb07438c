-- Figures of all users. What they are of is asked for by time alone (indexes on created_at).

-- Refuses whoever may not see them. `key_hash` is the API key that the caller came by, or NULL.
CREATE OR REPLACE FUNCTION analytics_admit(key_hash bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT sees_analytics(caller_id(), (SELECT k.id FROM api_key k WHERE k.hash = $1)) THEN
		PERFORM refuse('FORBIDDEN', 'Figures of all users are for administrators, and for API keys with the scope analytics:read.');
	END IF;
END $$;

-- A figure and its change in percent against the period before: 0 where both are 0, NULL where
-- there was nothing to compare it with.
CREATE OR REPLACE FUNCTION figure_json(value numeric, before numeric) RETURNS json LANGUAGE sql IMMUTABLE AS $$
	SELECT json_build_object('value', $1, 'change', CASE WHEN $2 <> 0 THEN round(100 * ($1 - $2) / $2, 1) WHEN $1 = 0 THEN 0 END)
$$;

-- The last `days` times 24 hours, each figure against as many before: leads that were made,
-- conversations with messages, how many percent of the leads that were made are customers, and
-- what was paid, less what was returned of it.
-- As the owner: figures are of everybody's rows.
CREATE OR REPLACE FUNCTION analytics_overview(key_hash bytea, days int) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	middle timestamptz := now() - make_interval(days => days);
	first timestamptz := now() - 2 * make_interval(days => days);
	leads bigint[];
	won bigint[];
	talks bigint[];
	revenue numeric[];
BEGIN
	PERFORM analytics_admit($1);
	SELECT ARRAY[count(*) FILTER (WHERE l.created_at < middle), count(*) FILTER (WHERE l.created_at >= middle)],
		ARRAY[count(*) FILTER (WHERE l.created_at < middle AND l.status = 'converted'),
			count(*) FILTER (WHERE l.created_at >= middle AND l.status = 'converted')]
	INTO leads, won FROM lead l WHERE l.created_at >= first AND l.created_at < now();
	SELECT ARRAY[count(*) FILTER (WHERE c.before), count(*) FILTER (WHERE c.after)] INTO talks FROM (
		SELECT bool_or(m.created_at < middle) AS before, bool_or(m.created_at >= middle) AS after FROM message m
		WHERE m.created_at >= first AND m.created_at < now() GROUP BY m.conversation_id
	) c;
	SELECT ARRAY[coalesce(sum(p.paid_usd - p.returned_usd) FILTER (WHERE p.paid_at < middle), 0),
		coalesce(sum(p.paid_usd - p.returned_usd) FILTER (WHERE p.paid_at >= middle), 0)]
	INTO revenue FROM stripe_payment p WHERE p.paid_at >= first AND p.paid_at < now();
	RETURN json_build_object('total_leads', figure_json(leads[2], leads[1]), 'active_conversations', figure_json(talks[2], talks[1]),
		'conversion_rate', figure_json(round(100.0 * won[2] / greatest(leads[2], 1), 1), round(100.0 * won[1] / greatest(leads[1], 1), 1)),
		'total_revenue', figure_json(revenue[2], revenue[1]));
END $$;
GRANT EXECUTE ON FUNCTION analytics_overview TO millrace_api;

-- `what` is leads, conversations, models or revenue.
-- As the owner: figures are of everybody's rows.
CREATE OR REPLACE FUNCTION analytics_series(key_hash bytea, what text, start_date timestamptz, end_date timestamptz, aggregation text)
RETURNS json LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM analytics_admit($1);
	RETURN trend_series(caller_id(), true, rtrim($2, 's') || '_trends', $3, $4, $5);
END $$;
GRANT EXECUTE ON FUNCTION analytics_series TO millrace_api;

-- What each model did from start_date to before end_date: calls that were answered and those that
-- were not, what they used, how long an answered call took, and how many percent failed.
-- As the owner: figures are of everybody's rows.
CREATE OR REPLACE FUNCTION analytics_models(key_hash bytea, start_date timestamptz, end_date timestamptz) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM analytics_admit($1);
	RETURN (SELECT coalesce(json_agg(json_build_object('provider', m.provider, 'model', m.model, 'calls', m.calls,
			'input_tokens', m.input_tokens, 'output_tokens', m.output_tokens, 'cost_usd', m.cost_usd,
			'latency_p50_ms', m.middle[1], 'latency_p95_ms', m.middle[2], 'error_rate', round(100.0 * m.failures / m.calls, 1))
			ORDER BY m.calls DESC, m.provider, m.model), '[]')
		FROM (
			SELECT c.provider, c.model, count(*) AS calls, sum(c.input_tokens) AS input_tokens, sum(c.output_tokens) AS output_tokens,
				sum(c.cost_usd) AS cost_usd, count(*) FILTER (WHERE c.failed) AS failures,
				percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY c.ms) FILTER (WHERE NOT c.failed) AS middle
			FROM (
				SELECT u.provider, u.model, u.input_tokens, u.output_tokens, u.cost_usd, u.ms, u.failed
				FROM usage_event u WHERE u.created_at >= $2 AND u.created_at < $3
				UNION ALL
				SELECT f.provider, f.model, 0, 0, 0, NULL, true FROM model_failure f WHERE f.created_at >= $2 AND f.created_at < $3
			) c GROUP BY c.provider, c.model ORDER BY count(*) DESC LIMIT 1000
		) m);
END $$;
GRANT EXECUTE ON FUNCTION analytics_models TO millrace_api;

-- What each package brought in each month (UTC's) from start_date to before end_date, less what was
-- returned of it; the oldest first. What was sold without a package, or with one that is deleted,
-- is under none.
-- As the owner: figures are of everybody's rows.
CREATE OR REPLACE FUNCTION analytics_revenue(key_hash bytea, start_date timestamptz, end_date timestamptz) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM analytics_admit($1);
	RETURN (SELECT coalesce(json_agg(json_build_object('month', to_char(r.month, 'YYYY-MM'), 'package_id', r.package_id, 'package', k.name,
			'revenue_usd', r.revenue, 'payments', r.payments) ORDER BY r.month, k.name, r.package_id), '[]')
		FROM (
			SELECT date_trunc('month', p.paid_at AT TIME ZONE 'UTC') AS month, p.package_id, sum(p.paid_usd - p.returned_usd) AS revenue, count(*) AS payments
			FROM stripe_payment p WHERE p.paid_at >= $2 AND p.paid_at < $3 GROUP BY 1, 2 ORDER BY 1 DESC LIMIT 5000
		) r LEFT JOIN pricing_package k ON k.id = r.package_id);
END $$;
GRANT EXECUTE ON FUNCTION analytics_revenue TO millrace_api;
