-- Leads, and series of what was made when.

-- How many leads or conversations were made, or calls of models answered, or what was paid in one
-- currency (as Stripe writes it), less what was returned of it: [{"date", "value"}, …], date being
-- the first day of a day, week (from Monday) or month in the zone: all periods from that which
-- start_date lies in to that which end_date lies in, each counted whole, 0 where there was nothing.
-- Of the caller's rows, or of all users', as the caller of this function decides. At most 1000
-- periods.
-- As the owner: streamd asks it for others.
CREATE OR REPLACE FUNCTION trend_series(caller uuid, everybody boolean, what text, start_date timestamptz, end_date timestamptz, aggregation text,
	zone text DEFAULT 'UTC', currency text DEFAULT 'usd') RETURNS json LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	unit text := CASE aggregation WHEN 'daily' THEN 'day' WHEN 'weekly' THEN 'week' WHEN 'monthly' THEN 'month' END;
	counted text := CASE what WHEN 'lead_trends' THEN 'lead' WHEN 'conversation_trends' THEN 'conversation'
		WHEN 'model_trends' THEN 'usage_event' WHEN 'revenue_trends' THEN 'stripe_payment' END;
	at text := CASE what WHEN 'revenue_trends' THEN 'paid_at' ELSE 'created_at' END;
	figure text := CASE what WHEN 'revenue_trends' THEN 'trim_scale(sum(x.paid_usd - x.returned_usd))' ELSE 'count(*)' END;
	first timestamp;
	last timestamp;
	series json;
BEGIN
	IF unit IS NULL THEN
		PERFORM refuse('BAD_REQUEST', 'The aggregation is daily, weekly or monthly.');
	ELSIF counted IS NULL THEN
		PERFORM refuse('BAD_REQUEST', 'There is no such series.');
	ELSIF (start_date >= '0001-01-08Z' AND start_date <= end_date AND end_date < '9999-12-01Z') IS NOT TRUE THEN
		PERFORM refuse('BAD_REQUEST', 'The series needs a start_date, and an end_date that is not before it.');
	END IF;
	first := date_trunc(unit, start_date AT TIME ZONE zone);
	last := date_trunc(unit, end_date AT TIME ZONE zone);
	IF (CASE unit WHEN 'day' THEN last::date - first::date WHEN 'week' THEN (last::date - first::date) / 7
		ELSE extract(year FROM age(last, first)) * 12 + extract(month FROM age(last, first)) END) >= 1000 THEN
		PERFORM refuse('BAD_REQUEST', 'The series would have more than 1000 points; ask for a shorter time or for longer steps.');
	END IF;
	-- Planned for these values, since how much of the table they are makes the plan.
	EXECUTE format($q$
		SELECT json_agg(json_build_object('date', to_char(p.first_day, 'YYYY-MM-DD'), 'value', coalesce(c.n, 0)) ORDER BY p.first_day)
		FROM generate_series($1, $2, $3) p (first_day)
		LEFT JOIN (
			SELECT date_trunc(%1$L, x.%4$I AT TIME ZONE $7) AS first_day, %5$s AS n FROM %2$I x
			WHERE x.%4$I >= $4 AND x.%4$I < $5 %3$s GROUP BY 1
		) c USING (first_day)$q$, unit, counted, CASE WHEN everybody THEN '' ELSE 'AND x.owner_id = $6' END
		|| CASE what WHEN 'revenue_trends' THEN 'AND x.currency = $8' ELSE '' END, at, figure)
	INTO series USING first, last, ('1 ' || unit)::interval,
		-- Of a midnight that comes twice this is the second.
		(first AT TIME ZONE zone) - interval '3 hours',
		(last + ('1 ' || unit)::interval) AT TIME ZONE zone, caller, zone, currency;
	RETURN series;
END $$;
GRANT EXECUTE ON FUNCTION trend_series TO millrace_stream;

-- The latest analysis of a lead, or NULL. Not in SQL: a function in SQL that holds a query of its
-- own is parsed and planned at each call, and so would be lead_json.
CREATE OR REPLACE FUNCTION lead_analysis_json(lead uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT analysis_json(a) FROM lead_analysis a WHERE a.lead_id = $1 ORDER BY a.id DESC LIMIT 1);
END $$;
GRANT EXECUTE ON FUNCTION lead_analysis_json TO millrace_api;

CREATE OR REPLACE FUNCTION lead_json(l lead) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', l.id, 'user_id', l.owner_id, 'name', l.name, 'email', l.email, 'phone', l.phone,
		'company', l.company, 'source', l.source, 'status', l.status, 'value', l.value, 'notes', l.notes, 'metadata', l.metadata,
		'analysis', lead_analysis_json(l.id),
		'created_at', rfc3339(l.created_at), 'updated_at', rfc3339(l.updated_at))
$$;
GRANT EXECUTE ON FUNCTION lead_json TO millrace_api;

-- The caller's of a status, and those that hold `q` (NFC) in a name, an address, a number or the
-- company, ignoring case; newest first. Looks at no more than `most` leads: where there are more, a
-- row without body comes last, and the cursor is that of the last one that was looked at. One plan
-- for all, by the indexes: planning anew took as long as looking at 200.
CREATE OR REPLACE FUNCTION lead_search(rows bigint, before uuid, status text, q text, most bigint) RETURNS TABLE (body json, cursor uuid)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
	owner CONSTANT uuid := caller_id();
	start CONSTANT uuid := page_before($2);
	part CONSTANT text := lower($4);
BEGIN
	RETURN QUERY SELECT CASE WHEN k.n <= $5 AND page_has_room(sum(octet_length(concat((f.l).notes, (f.l).metadata))) OVER page, count(*) OVER page)
			THEN lead_json(f.l) END,
		CASE WHEN k.n <= $5 THEN k.id ELSE k.above END
	FROM (
		SELECT o.id, row_number() OVER newest AS n, lag(o.id) OVER newest AS above, ($3 IS NULL OR o.status = $3)
			AND (part IS NULL OR strpos(folded(concat_ws(' ', o.name, o.email, o.phone, o.company)), part) > 0) AS fits
		FROM lead o WHERE o.owner_id = owner AND o.id < start
		WINDOW newest AS (ORDER BY o.id DESC)
		ORDER BY o.id DESC LIMIT $5 + 1
	) k CROSS JOIN LATERAL (SELECT l FROM lead l WHERE l.id = k.id OFFSET 0) f
	WHERE k.fits OR k.n > $5
	WINDOW page AS (ORDER BY k.id DESC ROWS UNBOUNDED PRECEDING)
	ORDER BY k.id DESC LIMIT $1;
END $$;
GRANT EXECUTE ON FUNCTION lead_search TO millrace_api;
