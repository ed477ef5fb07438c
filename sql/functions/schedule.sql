-- Schedules: an interval, or cron's five fields (crontab(5)) in a time zone; and what they begin.
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

-- The next `want` times after `since` of a schedule of either form; none where it has neither.
CREATE OR REPLACE FUNCTION schedule_times(interval_s int, cron text, zone text, started timestamptz, since timestamptz, want int) RETURNS timestamptz[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF $2 IS NOT NULL THEN
		RETURN cron_next($2, $3, $5, $6);
	ELSIF $1 IS NULL THEN
		RETURN '{}';
	END IF;
	RETURN ARRAY(SELECT $4 + (floor(extract(epoch FROM $5 - $4) / $1) + k) * make_interval(secs => $1) FROM generate_series(1, $6) k);
END $$;
GRANT EXECUTE ON FUNCTION schedule_times TO millrace_api;

-- From now on a thing begins by the clock, or by another schedule than before.
CREATE OR REPLACE FUNCTION schedule_set(kind text, thing uuid, owner uuid, interval_s int, cron text, zone text, started timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	due timestamptz := (schedule_times($4, $5, $6, $7, now(), 1))[1];
BEGIN
	INSERT INTO schedule AS s (kind, thing, owner_id, interval_s, cron, timezone, started_at, due_at, look_at) VALUES ($1, $2, $3, $4, $5, $6, $7, due, due)
	ON CONFLICT ON CONSTRAINT schedule_pkey DO UPDATE SET interval_s = excluded.interval_s, cron = excluded.cron, timezone = excluded.timezone,
		started_at = excluded.started_at, due_at = excluded.due_at, look_at = excluded.look_at;
	PERFORM pg_notify('millrace_periodic', 'schedules');
END $$;

CREATE OR REPLACE FUNCTION schedule_end(kind text, thing uuid) RETURNS void LANGUAGE sql AS $$
	DELETE FROM schedule s WHERE s.kind = $1 AND s.thing = $2
$$;

-- When a thing begins next, which is in the past where it could not begin yet. Volatile, so that it
-- sees what the statement that shows it has just changed.
CREATE OR REPLACE FUNCTION schedule_next(kind text, thing uuid) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN (SELECT rfc3339(s.due_at) FROM schedule s WHERE s.kind = $1 AND s.thing = $2);
END $$;
GRANT EXECUTE ON FUNCTION schedule_next TO millrace_api;

-- Begins what is due, as its owner, who is the caller then: once for each (thing, due), which the
-- kind's function sees to. False: somebody has it locked, and it is to be tried again. Work that is
-- refused (the owner's queue is full) raises.
CREATE OR REPLACE FUNCTION schedule_begin(kind text, thing uuid, due timestamptz, queue_max int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	CASE $1
	WHEN 'process' THEN
		RETURN task_due($2, $3, $4);
	WHEN 'workflow' THEN
		RETURN workflow_due($2, $3, $4);
	WHEN 'folder' THEN
		RETURN folder_due($2);
	END CASE;
END $$;

-- Begins up to `most` of what is due at `at`, which is now. Several runners share it: who comes
-- second passes over what the first has locked, and finds it moved on. What was due more than once
-- meanwhile begins once, for the first of these times. In how many milliseconds the next is to be
-- looked at; NULL: none.
-- As the owner: it begins everybody's work.
CREATE OR REPLACE FUNCTION schedule_fire(at timestamptz, most int, queue_max int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	s schedule;
	begun boolean;
BEGIN
	FOR s IN SELECT * FROM schedule x WHERE x.look_at <= $1 ORDER BY x.look_at LIMIT $2 FOR UPDATE SKIP LOCKED LOOP
		BEGIN
			-- Who may not sign in has nothing done.
			IF EXISTS (SELECT FROM app_user u WHERE u.id = s.owner_id AND u.disabled_at IS NULL) THEN
				PERFORM set_config('millrace.caller', s.owner_id::text, true);
				begun := schedule_begin(s.kind, s.thing, s.due_at, $3);
			ELSE
				begun := true;
			END IF;
			IF begun THEN
				s.due_at := (schedule_times(s.interval_s, s.cron, s.timezone, s.started_at, greatest($1, s.due_at), 1))[1];
				s.look_at := s.due_at;
			ELSE
				s.look_at := $1 + interval '1 second';
			END IF;
		EXCEPTION WHEN OTHERS THEN
			-- One that cannot begin holds up no other, and begins when it can.
			s.look_at := $1 + interval '10 seconds';
			IF sqlstate <> 'MR000' THEN
				RAISE WARNING 'schedule of % %: %', s.kind, s.thing, sqlerrm;
			END IF;
		END;
		UPDATE schedule x SET due_at = s.due_at, look_at = s.look_at WHERE x.kind = s.kind AND x.thing = s.thing;
	END LOOP;
	PERFORM set_config('millrace.caller', '', true);
	-- GREATEST passes over NULL: without a schedule it would be now.
	RETURN (SELECT greatest(ceil(extract(epoch FROM min(x.look_at) - $1) * 1000), 0)::bigint FROM schedule x HAVING count(*) > 0);
END $$;
GRANT EXECUTE ON FUNCTION schedule_fire TO millrace_runner;

-- In how many seconds the processes are due that these topics tell of: of an agent its own, of a
-- user all.
-- As the owner: streamd asks for others.
CREATE OR REPLACE FUNCTION countdowns(topics text[]) RETURNS TABLE (topic text, process_id uuid, seconds bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT t.topic, s.thing, greatest(ceil(extract(epoch FROM s.due_at - clock_timestamp())), 0)::bigint
	FROM unnest($1) t (topic) CROSS JOIN LATERAL (
		SELECT x.thing, x.due_at FROM schedule x WHERE t.topic LIKE 'agent:%' AND x.kind = 'process' AND x.thing = split_part(t.topic, ':', 2)::uuid
		UNION ALL
		(SELECT x.thing, x.due_at FROM schedule x
		WHERE t.topic LIKE 'user:%' AND x.kind = 'process' AND x.owner_id = split_part(t.topic, ':', 2)::uuid ORDER BY x.due_at LIMIT 100)
	) s;
END $$;
GRANT EXECUTE ON FUNCTION countdowns TO millrace_stream;
