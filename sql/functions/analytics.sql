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

-- An hour's border from `at` on, or up to it; within `first` and `last`.
CREATE OR REPLACE FUNCTION hour_border(at timestamptz, up boolean, first timestamptz, last timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
	SELECT least(greatest(date_trunc('hour', CASE WHEN $2 THEN $1 + interval '1 hour' - interval '1 microsecond' ELSE $1 END, 'UTC'), $3), $4)
$$;

-- Leads that were made from `first` to before `last`: whole hours as figures_roll() has counted
-- them, and what is at the edges or has come since.
CREATE OR REPLACE FUNCTION leads_made(first timestamptz, last timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE SET jit = off AS $$
DECLARE
	begun timestamptz := hour_border($1, true, $1, $2);
	ended timestamptz := hour_border($2, false, begun, $2);
	upto uuid := (SELECT f.lead FROM figure_upto f);
BEGIN
	RETURN coalesce((SELECT sum(h.n) FROM lead_hour h WHERE h.hour >= begun AND h.hour < ended), 0)
		- (SELECT count(*) FROM lead_gone g WHERE g.lead_id <= upto AND g.hour >= begun AND g.hour < ended)
		+ (SELECT count(*) FROM lead l WHERE l.id > upto AND l.created_at >= begun AND l.created_at < ended)
		+ (SELECT count(*) FROM lead l WHERE l.created_at >= $1 AND l.created_at < begun)
		+ (SELECT count(*) FROM lead l WHERE l.created_at >= ended AND l.created_at < $2);
END $$;

-- Conversations that had a message from `first` to before `last`, in the same way.
CREATE OR REPLACE FUNCTION talks_active(first timestamptz, last timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET jit = off SET work_mem = '32MB' AS $$
DECLARE
	begun timestamptz := hour_border($1, true, $1, $2);
	ended timestamptz := hour_border($2, false, begun, $2);
	upto uuid := (SELECT f.message FROM figure_upto f);
BEGIN
	RETURN (SELECT count(*) FROM (
		SELECT t.conversation_id FROM talk_hour t WHERE t.hour >= begun AND t.hour < ended
		UNION SELECT m.conversation_id FROM message m WHERE m.id > upto AND m.created_at >= begun AND m.created_at < ended
		UNION SELECT m.conversation_id FROM message m WHERE m.created_at >= $1 AND m.created_at < begun
		UNION SELECT m.conversation_id FROM message m WHERE m.created_at >= ended AND m.created_at < $2
	) c);
END $$;

-- The last `days` times 24 hours, each figure against as many before: leads that were made,
-- conversations with messages, how many percent of the leads that were made are customers, and
-- what was paid in one currency, less what was returned of it.
-- As the owner: figures are of everybody's rows.
CREATE OR REPLACE FUNCTION analytics_overview(key_hash bytea, days int, currency text DEFAULT 'usd') RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	middle timestamptz := now() - make_interval(days => days);
	first timestamptz := now() - 2 * make_interval(days => days);
	leads bigint[];
	won bigint[];
	revenue numeric[];
BEGIN
	PERFORM analytics_admit($1);
	leads := ARRAY[leads_made(first, middle), leads_made(middle, now())];
	SELECT ARRAY[count(*) FILTER (WHERE l.created_at < middle), count(*) FILTER (WHERE l.created_at >= middle)] INTO won
	FROM lead l WHERE l.created_at >= first AND l.created_at < now() AND l.status = 'converted';
	SELECT ARRAY[coalesce(sum(p.paid_usd - p.returned_usd) FILTER (WHERE p.paid_at < middle), 0),
		coalesce(sum(p.paid_usd - p.returned_usd) FILTER (WHERE p.paid_at >= middle), 0)]
	INTO revenue FROM stripe_payment p WHERE p.paid_at >= first AND p.paid_at < now() AND p.currency = lower($3);
	RETURN json_build_object('total_leads', figure_json(leads[2], leads[1]),
		'active_conversations', figure_json(talks_active(middle, now()), talks_active(first, middle)),
		'conversion_rate', figure_json(round(100.0 * won[2] / greatest(leads[2], 1), 1), round(100.0 * won[1] / greatest(leads[1], 1), 1)),
		'total_revenue', figure_json(revenue[2], revenue[1]));
END $$;
GRANT EXECUTE ON FUNCTION analytics_overview TO millrace_api;

-- The row up to which to count next: the last of the next `most` behind `counted`, of those of
-- before `before`.
CREATE OR REPLACE FUNCTION figures_next(tab regclass, counted uuid, before timestamptz, most int) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
DECLARE
	upto uuid;
BEGIN
	EXECUTE format('SELECT x.id FROM %s x WHERE x.id > $1 AND x.id < $2 ORDER BY x.id OFFSET $3 - 1 LIMIT 1', $1) INTO upto
	USING $2, uuid_v7_floor($3), $4;
	RETURN coalesce(upto, greatest($2, uuid_v7_floor($3)));
END $$;

-- Counts the next leads and messages, `most` at most of each, of those made before `before`: they
-- have to have committed all, in whatever order. A lead that is gone by now is counted as those are
-- that go later, since lead_gone takes it off. True: there may be more.
-- As the owner: what is counted is no role's to write.
CREATE OR REPLACE FUNCTION figures_roll(before timestamptz, most int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	f figure_upto;
	upto figure_upto;
BEGIN
	SELECT * INTO f FROM figure_upto FOR UPDATE;
	upto.lead := figures_next('lead', f.lead, $1, $2);
	upto.message := figures_next('message', f.message, $1, $2);
	INSERT INTO lead_hour AS h (hour, n)
	SELECT m.hour, count(*) FROM (
		SELECT date_trunc('hour', l.created_at, 'UTC') AS hour FROM lead l WHERE l.id > f.lead AND l.id <= upto.lead
		UNION ALL SELECT g.hour FROM lead_gone g WHERE g.lead_id > f.lead AND g.lead_id <= upto.lead
	) m GROUP BY m.hour ON CONFLICT (hour) DO UPDATE SET n = h.n + excluded.n;
	WITH told AS (
		SELECT DISTINCT m.conversation_id, date_trunc('hour', m.created_at, 'UTC') AS hour FROM message m
		WHERE m.id > f.message AND m.id <= upto.message
	), there AS (	-- and are so until this has committed
		SELECT c.id FROM conversation c WHERE c.id = ANY (ARRAY(SELECT t.conversation_id FROM told t)) ORDER BY c.id FOR KEY SHARE
	)
	INSERT INTO talk_hour (conversation_id, hour) SELECT t.conversation_id, t.hour FROM told t JOIN there c ON c.id = t.conversation_id
	ON CONFLICT DO NOTHING;
	UPDATE figure_upto SET lead = upto.lead, message = upto.message;
	WITH gone AS (
		DELETE FROM lead_gone g WHERE g.lead_id = ANY (ARRAY(SELECT o.lead_id FROM lead_gone o WHERE o.lead_id <= upto.lead LIMIT $2)) RETURNING g.hour
	)
	UPDATE lead_hour h SET n = h.n - g.n FROM (SELECT o.hour, count(*) AS n FROM gone o GROUP BY o.hour) g WHERE h.hour = g.hour;
	RETURN EXISTS (SELECT FROM lead_gone g WHERE g.lead_id <= upto.lead) OR least(upto.lead, upto.message) < uuid_v7_floor($1);
END $$;
GRANT EXECUTE ON FUNCTION figures_roll TO millrace_runner;

-- An instant, or the beginning of a day in the zone: the first of two, where clocks are put back at
-- the end of its first hour.
CREATE OR REPLACE FUNCTION instant_in(said text, zone text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM now() AT TIME ZONE $2;
	RETURN CASE WHEN length($1) = 10 THEN least($1::timestamp AT TIME ZONE $2,
		($1::timestamp - interval '1 second') AT TIME ZONE $2 + interval '1 second') ELSE $1::timestamptz END;
EXCEPTION WHEN invalid_parameter_value THEN
	PERFORM refuse('BAD_REQUEST', format('The database does not know the time zone %s.', $2));
END $$;
GRANT EXECUTE ON FUNCTION instant_in TO millrace_api;

-- `what` is leads, conversations, models or revenue.
-- As the owner: figures are of everybody's rows.
CREATE OR REPLACE FUNCTION analytics_series(key_hash bytea, what text, start_date timestamptz, end_date timestamptz, aggregation text, zone text,
	currency text DEFAULT 'usd') RETURNS json LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM analytics_admit($1);
	RETURN trend_series(caller_id(), true, rtrim($2, 's') || '_trends', $3, $4, $5, $6, lower($7));
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

-- What each package brought in each month of the zone's and in each currency, from start_date to
-- before end_date, less what was returned of it; the oldest first. What was sold without a package,
-- or with one that is deleted, is under none.
-- As the owner: figures are of everybody's rows.
CREATE OR REPLACE FUNCTION analytics_revenue(key_hash bytea, start_date timestamptz, end_date timestamptz, zone text) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM analytics_admit($1);
	RETURN (SELECT coalesce(json_agg(json_build_object('month', to_char(r.month, 'YYYY-MM'), 'package_id', r.package_id, 'package', k.name,
			'currency', r.currency, 'revenue', r.revenue, 'payments', r.payments) ORDER BY r.month, k.name, r.package_id, r.currency), '[]')
		FROM (
			SELECT date_trunc('month', p.paid_at AT TIME ZONE $4) AS month, p.package_id, p.currency, sum(p.paid_usd - p.returned_usd) AS revenue,
				count(*) AS payments
			FROM stripe_payment p WHERE p.paid_at >= $2 AND p.paid_at < $3 GROUP BY 1, 2, 3 ORDER BY 1 DESC LIMIT 5000
		) r LEFT JOIN pricing_package k ON k.id = r.package_id);
END $$;
GRANT EXECUTE ON FUNCTION analytics_revenue TO millrace_api;
