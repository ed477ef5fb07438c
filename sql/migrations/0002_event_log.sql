-- The event log: what every stream is fed from.

CREATE TABLE topic (
	name		text PRIMARY KEY,
	seq		bigint NOT NULL DEFAULT 0,	-- the last one given out; given out under this row's lock
	updated_at	timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
GRANT SELECT ON topic TO millrace_stream, millrace_api, millrace_runner;
GRANT DELETE ON topic TO millrace_runner;

-- (topic, seq) is unique because publish() alone writes and counts under the topic's lock; PostgreSQL wants the partition
-- key in a primary key, hence created_at in it.
CREATE TABLE stream_event (
	topic		text NOT NULL,
	seq		bigint NOT NULL,
	type		text NOT NULL,
	data		json NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (topic, seq, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE stream_event_rest PARTITION OF stream_event DEFAULT;
GRANT SELECT ON stream_event TO millrace_stream, millrace_runner, millrace_api;

-- Makes the partitions of three hours from now on that are missing, and drops those whose last event is older than
-- `keep`. Called by the runner's sweeper.
CREATE FUNCTION event_partitions(keep interval) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	slot timestamptz;
	child record;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.event_partitions')) THEN
		RETURN;
	END IF;
	FOR i IN 0..3 LOOP
		slot := to_timestamp(floor(extract(epoch FROM now()) / 10800) * 10800) + i * interval '3 hours';
		IF to_regclass('stream_event_' || to_char(slot AT TIME ZONE 'UTC', 'YYYYMMDDHH24')) IS NULL THEN
			CONTINUE WHEN EXISTS (SELECT FROM stream_event_rest
				WHERE created_at >= slot AND created_at < slot + interval '3 hours');
			EXECUTE format('CREATE TABLE %I PARTITION OF stream_event FOR VALUES FROM (%L) TO (%L)',
				'stream_event_' || to_char(slot AT TIME ZONE 'UTC', 'YYYYMMDDHH24'),
				slot, slot + interval '3 hours');
		END IF;
	END LOOP;
	FOR child IN
		SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'stream_event'::regclass AND c.relname ~ '^stream_event_[0-9]{10}$'
	LOOP
		IF to_timestamp(right(child.relname, 10), 'YYYYMMDDHH24')::timestamp AT TIME ZONE 'UTC'
			< now() - keep - interval '3 hours' THEN
			EXECUTE format('DROP TABLE %I', child.relname);
		END IF;
	END LOOP;
	DELETE FROM stream_event_rest WHERE created_at < now() - keep;
	DELETE FROM topic WHERE name LIKE 'run:%' AND updated_at < now() - keep - interval '3 hours';
END $$;
SELECT event_partitions('24 hours');
GRANT EXECUTE ON FUNCTION event_partitions TO millrace_runner;

-- A notification is "topic \n seq \n type \n data", or "topic \n seq" where that would pass 7,900 bytes; streamd then
-- fetches the event. NOTIFY refuses 8,000 bytes.
CREATE FUNCTION notify_event(topic text, seq bigint, type text, data text) RETURNS void LANGUAGE sql AS $$
	SELECT pg_notify('millrace_event', CASE
		WHEN octet_length(data) + octet_length(topic) + octet_length(type) <= 7800
		THEN topic || E'\n' || seq || E'\n' || type || E'\n' || data
		ELSE topic || E'\n' || seq END)
$$;

-- publish, publish_many (and publish_locked, which it is made of): the log's only writers. They give out seq under the topic's row lock, so that readers see
-- events in the order of seq; several topics are locked in the order of their names.
CREATE FUNCTION publish(topic text, type text, data json) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	n bigint;
BEGIN
	INSERT INTO topic AS t (name, seq) VALUES ($1, 1)
	ON CONFLICT (name) DO UPDATE SET seq = t.seq + 1, updated_at = now() RETURNING t.seq INTO n;
	INSERT INTO stream_event (topic, seq, type, data) VALUES ($1, n, $2, $3);
	PERFORM notify_event($1, n, $2, $3::text);
	RETURN n;
END $$;

-- For topics that exist and are locked by the caller. Topics are looked up one by one (LATERAL with OFFSET): the plan is kept from
-- when the tables were empty, and must do as well when they are not.
CREATE FUNCTION publish_locked(topics text[], types text[], data text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET enable_seqscan = off AS $$
DECLARE
	written bigint;
BEGIN
	WITH given AS (
		SELECT e.topic, e.type, e.data, row_number() OVER (PARTITION BY e.topic ORDER BY e.n) AS k
		FROM unnest(topics, types, data) WITH ORDINALITY AS e (topic, type, data, n)
	), numbered AS (
		SELECT g.topic, t.seq + g.k AS seq, g.type, g.data
		FROM given g CROSS JOIN LATERAL (SELECT o.seq FROM topic o WHERE o.name = g.topic OFFSET 0) t
	), stored AS (
		INSERT INTO stream_event (topic, seq, type, data)
		SELECT n.topic, n.seq, n.type, n.data::json FROM numbered n ORDER BY n.topic, n.seq RETURNING 1
	), counted AS (
		UPDATE topic t SET seq = t.seq + c.n, updated_at = now()
		FROM (SELECT g.topic, count(*) AS n FROM given g GROUP BY g.topic) c WHERE t.name = c.topic RETURNING 1
	), told AS MATERIALIZED (
		SELECT notify_event(n.topic, n.seq, n.type, n.data) FROM
		(SELECT * FROM numbered ORDER BY numbered.topic, numbered.seq) n
	)
	SELECT (SELECT count(*) FROM stored) + 0 * (SELECT count(*) FROM counted) + 0 * (SELECT count(*) FROM told)
	INTO written;
	RETURN written;
END $$;

CREATE FUNCTION publish_many(topics text[], types text[], data text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	INSERT INTO topic (name) SELECT DISTINCT u FROM unnest(topics) u ORDER BY u ON CONFLICT DO NOTHING;
	PERFORM FROM topic WHERE name = ANY (topics) ORDER BY name FOR UPDATE;
	RETURN publish_locked(topics, types, data);
END $$;
REVOKE EXECUTE ON FUNCTION publish, publish_many, publish_locked FROM PUBLIC;
GRANT EXECUTE ON FUNCTION publish, publish_many TO millrace_api, millrace_runner;
