-- Schedules: an interval, or cron's five fields (crontab(5)) in a time zone.
--
-- Where clocks go forward, a time that does not exist is as much later as clocks go (02:30 is
-- 03:30). Where they go back, a time that comes twice counts the first time; both count where the
-- hours begin with `*`, so that what runs each few minutes goes on doing so.

-- The values of one field, in order. What is not understood is refused, in words.
CREATE OR REPLACE FUNCTION cron_field(field text, called text, lo int, hi int, names text[]) RETURNS int[]
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	entry text;
	m text[];
	ends int[];
	step int;
	found int[] := '{}';
BEGIN
	FOREACH entry IN ARRAY string_to_array($1, ',') LOOP
		m := regexp_match(entry, '^(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?$');
		ends := CASE WHEN m[1] IS NOT NULL THEN ARRAY[lo, hi] ELSE ARRAY(SELECT coalesce(array_position(names, e.v) - 1 + lo,
			CASE WHEN e.v ~ '^[0-9]+$' THEN e.v::int END) FROM unnest(ARRAY[m[2], coalesce(m[3], m[2])]) WITH ORDINALITY e (v, n) ORDER BY e.n) END;
		step := coalesce(m[4]::int, 1);
		IF m IS NULL OR NOT (ends[1] >= lo AND ends[2] <= hi) OR ends[1] IS NULL OR ends[2] IS NULL THEN
			PERFORM refuse('BAD_REQUEST', format('The schedule''s %s cannot be %s: numbers from %s to %s%s are taken, *, ranges, steps and lists.',
				$2, left(to_json(entry)::text, 60), lo, hi, CASE WHEN names <> '{}' THEN ', names of three letters' ELSE '' END));
		ELSIF ends[1] > ends[2] THEN
			PERFORM refuse('BAD_REQUEST', format('The schedule''s %s has the range %s, which goes backwards: write it as a list.', $2, entry));
		ELSIF m[4] IS NOT NULL AND (step < 1 OR step > hi - lo OR (m[1] IS NULL AND m[3] IS NULL)) THEN
			PERFORM refuse('BAD_REQUEST', format('The schedule''s %s has the step %s: a step is of * or a range, and from 1 to %s.', $2, entry, hi - lo));
		END IF;
		found := found || ARRAY(SELECT generate_series(ends[1], ends[2], step));
	END LOOP;
	RETURN ARRAY(SELECT DISTINCT v FROM unnest(found) v ORDER BY v);
END $$;
GRANT EXECUTE ON FUNCTION cron_field TO millrace_api;

-- The instants at which clocks in `zone` show `at`: one, or two where they go back. Where they jump
-- over it, one later by as much.
CREATE OR REPLACE FUNCTION zone_instants(at timestamp, zone text) RETURNS timestamptz[] LANGUAGE sql STABLE AS $$
	SELECT coalesce(nullif(ARRAY(SELECT t.at FROM (SELECT ($1 AT TIME ZONE $2) + s * interval '1 minute' AS at
		FROM unnest(ARRAY[-120, -60, -30, 0, 30, 60, 120]) s) t
		WHERE (t.at AT TIME ZONE $2) = $1 ORDER BY t.at), '{}'), ARRAY[$1 AT TIME ZONE $2])
$$;
GRANT EXECUTE ON FUNCTION zone_instants TO millrace_api;

-- The next `want` times after `since`. Refuses what is not understood, and what comes at no time
-- within nine years.
CREATE OR REPLACE FUNCTION cron_next(cron text, zone text, since timestamptz, want int) RETURNS timestamptz[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
	given text := CASE lower($1) WHEN '@hourly' THEN '0 * * * *' WHEN '@daily' THEN '0 0 * * *' WHEN '@midnight' THEN '0 0 * * *'
		WHEN '@weekly' THEN '0 0 * * 0' WHEN '@monthly' THEN '0 0 1 * *' WHEN '@yearly' THEN '0 0 1 1 *' WHEN '@annually' THEN '0 0 1 1 *'
		ELSE lower(btrim($1, E' \t')) END;
	f text[] := regexp_split_to_array(given, '[ \t]+');
	local timestamp := $3 AT TIME ZONE $2;
	minutes int[];
	hours int[];
	days int[];
	months int[];
	weekdays int[];
	day date := local::date - 1;
	by_day boolean;
	by_weekday boolean;
	found timestamptz[] := '{}';
BEGIN
	IF cardinality(f) = 6 THEN
		PERFORM refuse('BAD_REQUEST', 'The schedule has six fields: seconds are not supported. Five are taken: minute, hour, day, month, weekday.');
	ELSIF cardinality(f) <> 5 THEN
		PERFORM refuse('BAD_REQUEST', 'The schedule must have five fields (minute, hour, day, month, weekday), or be one of @hourly, @daily, @weekly, @monthly, @yearly.');
	END IF;
	minutes := cron_field(f[1], 'minute', 0, 59, '{}');
	hours := cron_field(f[2], 'hour', 0, 23, '{}');
	days := cron_field(f[3], 'day', 1, 31, '{}');
	months := cron_field(f[4], 'month', 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
	weekdays := cron_field(f[5], 'weekday', 0, 7, '{sun,mon,tue,wed,thu,fri,sat}');
	FOR i IN 0..9 * 366 LOOP
		by_day := extract(day FROM day)::int = ANY (days);
		by_weekday := extract(dow FROM day)::int = ANY (weekdays) OR (7 = ANY (weekdays) AND extract(dow FROM day) = 0);
		-- Either will do where both are given, as crontab(5) has it.
		IF extract(month FROM day)::int = ANY (months)
			AND (CASE WHEN f[3] LIKE '*%' OR f[5] LIKE '*%' THEN by_day AND by_weekday ELSE by_day OR by_weekday END) THEN
			-- No clock goes back by more than three hours.
			found := found || ARRAY(
				SELECT DISTINCT t.at FROM (
					SELECT day + make_interval(hours => h, mins => m) AS at FROM unnest(hours) h, unnest(minutes) m
					WHERE day + make_interval(hours => h, mins => m) > local - interval '3 hours' ORDER BY 1 LIMIT 180 + want
				) l CROSS JOIN LATERAL (SELECT zone_instants(l.at, $2) AS instants) z
				CROSS JOIN LATERAL unnest(CASE WHEN f[2] LIKE '*%' THEN z.instants ELSE z.instants[1:1] END) t (at)
				WHERE t.at > since AND t.at <> ALL (found) ORDER BY t.at);
			EXIT WHEN cardinality(found) >= want;
		END IF;
		day := day + 1;
	END LOOP;
	IF found = '{}' THEN
		PERFORM refuse('BAD_REQUEST', 'The schedule never comes: there is no such day in the next nine years.');
	END IF;
	RETURN found[1:want];
END $$;
GRANT EXECUTE ON FUNCTION cron_next TO millrace_api;
