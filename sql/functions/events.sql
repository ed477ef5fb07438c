-- The event log and the outbox.
--
-- Publishing is planned once in a session (plan_cache_mode), not anew for each call: seeing the
-- arrays' lengths, the planner would choose to plan each call, which was a third to a half of an
-- event's cost. The plans look rows up by their keys, so that they are as good for one event as for
-- thousands, and whatever the tables hold by then.

-- Notifies when the transaction is on disk. On a connection whose commits do not wait for that
-- (millrace.collect names the variable) notifications are collected, and sent by batch_notify once
-- a flush has come; a transaction that is rolled back takes its own along. Neither \x1e nor \x1f
-- can stand in JSON. Collecting copies what is there each time: many go in one call. Runners may be
-- woken before (millrace.wake): what they do then is on disk no sooner than the job.
CREATE OR REPLACE FUNCTION notify_durable(channel text, VARIADIC payloads text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	collected CONSTANT text := current_setting('millrace.collect', true);
	payload text;
	nothing text;	-- an assignment is no statement of its own, as PERFORM is
BEGIN
	IF collected <> '' AND NOT (channel = 'millrace_job' AND current_setting('millrace.wake', true) = 'now') THEN
		nothing := set_config(collected, current_setting(collected)
			|| channel || E'\x1f' || array_to_string(payloads, E'\x1e' || channel || E'\x1f') || E'\x1e', false);
	ELSE
		FOREACH payload IN ARRAY payloads LOOP
			nothing := pg_notify(channel, payload)::text;
		END LOOP;
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION notify_durable TO millrace_api, millrace_runner;

-- Sends what was collected in `from`, which is on disk, or is when the transaction has committed.
CREATE OR REPLACE FUNCTION notify_collected("from" text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	sent bigint;
BEGIN
	SELECT count(pg_notify(split_part(n, E'\x1f', 1), split_part(n, E'\x1f', 2))) INTO sent
	FROM unnest(string_to_array(current_setting("from"), E'\x1e')) n WHERE n <> '';
	PERFORM set_config("from", '', false);
	RETURN sent;
END $$;
GRANT EXECUTE ON FUNCTION notify_collected TO millrace_api, millrace_runner;

-- Notifies of a user's rights in the order of the transaction's events, since whoever may not
-- listen any more hears what came before. The commit waits for the disk, and so stands for all
-- before it: what was collected goes along.
CREATE OR REPLACE FUNCTION notify_access(who uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('millrace.collect', true) <> '' THEN
		PERFORM set_config('synchronous_commit', current_setting('millrace.durable'), true), set_config('millrace.collect', '', true);
		PERFORM notify_collected('millrace.flushed');
		PERFORM notify_collected('millrace.pending');
	END IF;
	PERFORM pg_notify('millrace_access', $1::text);
END $$;
GRANT EXECUTE ON FUNCTION notify_access TO millrace_api, millrace_runner;

-- Is there room for an event's content? Where 64 KiB are collected already its number has to do.
CREATE OR REPLACE FUNCTION notify_has_room() RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT coalesce(octet_length(current_setting(nullif(current_setting('millrace.collect', true), ''), true)) < 65536, true)
$$;

-- Flushes what was committed without waiting for the disk, when the caller's transaction commits.
-- (The message makes its commit flush: one that wrote nothing would not, synchronous or not.)
-- Whoever shows what must not be undone by a crash ends in it: the number of an event that somebody
-- has seen never means another.
CREATE OR REPLACE FUNCTION settle() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn() THEN
		PERFORM set_config('synchronous_commit', current_setting('millrace.durable'), true)
		WHERE current_setting('millrace.durable', true) <> '';
		PERFORM pg_logical_emit_message(true, 'millrace', '');
	END IF;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION settle TO millrace_api, millrace_stream, millrace_runner;

-- A notification is "topic \n seq \n type \n Unix milliseconds \n data", or "topic \n seq" where
-- that would pass 7,900 bytes; streamd then fetches the event. The time is the transaction's, as
-- stream_event.created_at is. NOTIFY refuses 8,000 bytes.
CREATE OR REPLACE FUNCTION event_notification(topic text, seq bigint, type text, data text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE
		WHEN octet_length(data) + octet_length(topic) + octet_length(type) <= 7800 AND notify_has_room()
		THEN concat_ws(E'\n', topic, seq, type, floor(extract(epoch FROM now()) * 1000)::bigint, data)
		ELSE topic || E'\n' || seq END
$$;

-- What the log holds after `afters[i]` of `topics[i]`, in order: of each topic at most row_limit
-- events and about byte_limit bytes, but always one where there is one. Each topic has at least one
-- row: `head` is its last seq, seq is NULL where nothing follows; `at` is in Unix milliseconds. One
-- snapshot, so that head and events agree. Planned once, like publishing. Where it shows a number,
-- all that it shows is on disk when its transaction has committed.
CREATE OR REPLACE FUNCTION events_after(topics text[], afters bigint[], row_limit bigint, byte_limit bigint)
RETURNS TABLE (n bigint, head bigint, seq bigint, type text, data text, at bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	RETURN QUERY SELECT w.n, coalesce(t.seq, 0), e.seq, e.type, e.data, e.at
	FROM unnest(topics, afters) WITH ORDINALITY AS w (topic, after, n)
	LEFT JOIN LATERAL (SELECT o.seq FROM topic o WHERE o.name = w.topic OFFSET 0) t ON true
	LEFT JOIN LATERAL (
		SELECT b.seq, b.type, b.data, floor(extract(epoch FROM b.created_at) * 1000)::bigint AS at FROM (
			SELECT a.seq, a.type, a.data, a.created_at,
				sum(octet_length(a.data)) OVER (ORDER BY a.seq) - octet_length(a.data) AS before
			FROM (
				SELECT s.seq, s.type, s.data::text AS data, s.created_at FROM stream_event s
				WHERE s.topic = w.topic AND s.seq > w.after ORDER BY s.seq LIMIT row_limit
			) a
		) b WHERE b.before < byte_limit
	) e ON true
	ORDER BY w.n, e.seq;
	IF EXISTS (SELECT FROM unnest(topics, afters) AS w (topic, after)
		CROSS JOIN LATERAL (SELECT o.seq FROM topic o WHERE o.name = w.topic OFFSET 0) t WHERE t.seq > w.after) THEN
		PERFORM settle();
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION events_after TO millrace_stream;

-- publish, publish_several, publish_many, job_publish, job_publish_one and run_close: the log's
-- only writers. They give out seq under the topic's row lock, so that readers see events in the
-- order of seq; several topics are locked in the order of their names.
-- As the owner: the log is no role's to write.
CREATE OR REPLACE FUNCTION publish(topic text, type text, data json) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	n bigint;
	nothing text;	-- an assignment is no statement of its own, as PERFORM is
BEGIN
	INSERT INTO topic AS t (name, seq) VALUES ($1, 1)
	ON CONFLICT (name) DO UPDATE SET seq = t.seq + 1, updated_at = now() RETURNING t.seq INTO n;
	INSERT INTO stream_event (topic, seq, type, data) VALUES ($1, n, $2, $3);
	nothing := notify_durable('millrace_event', event_notification($1, n, $2, $3::text));
	RETURN n;
END $$;
GRANT EXECUTE ON FUNCTION publish TO millrace_runner;

-- Several of one topic, in their order: its row is written once. Of very many only the numbers are
-- notified of.
-- As the owner: the log is no role's to write.
CREATE OR REPLACE FUNCTION publish_several(topic text, types text[], datas json[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	k CONSTANT int := cardinality(types);
	n bigint;
BEGIN
	INSERT INTO topic AS t (name, seq) VALUES ($1, k)
	ON CONFLICT (name) DO UPDATE SET seq = t.seq + k, updated_at = now() RETURNING t.seq - k INTO n;
	INSERT INTO stream_event (topic, seq, type, data) SELECT $1, n + e.i, e.type, e.data FROM unnest(types, datas) WITH ORDINALITY e (type, data, i);
	PERFORM notify_durable('millrace_event', VARIADIC ARRAY(
		SELECT CASE WHEN k > 100 THEN $1 || E'\n' || n + e.i ELSE event_notification($1, n + e.i, e.type, e.data::text) END
		FROM unnest(types, datas) WITH ORDINALITY e (type, data, i) ORDER BY e.i));
END $$;

-- Writes events under the numbers given, whose topics its caller has locked and counts on; those
-- without a number are left out. One has to have one.
CREATE OR REPLACE FUNCTION publish_numbered(topics text[], seqs bigint[], types text[], data text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO stream_event (topic, seq, type, data)
	SELECT e.topic, e.seq, e.type, e.data::json FROM unnest(topics, seqs, types, data) AS e (topic, seq, type, data)
	WHERE e.seq IS NOT NULL;
	PERFORM notify_durable('millrace_event', VARIADIC (
		SELECT array_agg(event_notification(e.topic, e.seq, e.type, e.data))
		FROM unnest(topics, seqs, types, data) AS e (topic, seq, type, data) WHERE e.seq IS NOT NULL));
END $$;

-- A single event takes the short way. Topics are looked up one by one (LATERAL with OFFSET): the
-- plan may have been made when the tables were empty, and must do as well when they are not.
-- As the owner: the log is no role's to write.
CREATE OR REPLACE FUNCTION publish_many(topics text[], types text[], data text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	seqs bigint[];
BEGIN
	IF cardinality(topics) = 1 THEN
		PERFORM publish(topics[1], types[1], data[1]::json);
		RETURN 1;
	END IF;
	INSERT INTO topic (name) SELECT DISTINCT u FROM unnest(topics) u ORDER BY u ON CONFLICT DO NOTHING;
	PERFORM FROM topic WHERE name = ANY (topics) ORDER BY name FOR UPDATE;
	seqs := ARRAY(
		SELECT t.seq + g.k
		FROM (SELECT e.topic, e.n, row_number() OVER (PARTITION BY e.topic ORDER BY e.n) AS k
			FROM unnest(topics) WITH ORDINALITY AS e (topic, n)) g
		CROSS JOIN LATERAL (SELECT o.seq FROM topic o WHERE o.name = g.topic OFFSET 0) t
		ORDER BY g.n);
	UPDATE topic t SET seq = t.seq + c.n, updated_at = now()
	FROM (SELECT u.name, count(*) AS n FROM unnest(topics) AS u (name) GROUP BY u.name) c WHERE t.name = c.name;
	PERFORM publish_numbered(topics, seqs, types, data);
	RETURN cardinality(topics);
END $$;
GRANT EXECUTE ON FUNCTION publish_many TO millrace_runner;

-- The last seq of the caller's own topic and of `analytics`: where a socket begins.
-- As the owner: topics are everybody's.
CREATE OR REPLACE FUNCTION topic_heads() RETURNS TABLE (user_head bigint, analytics_head bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT coalesce((SELECT t.seq FROM topic t WHERE t.name = 'user:' || caller_id()), 0),
		coalesce((SELECT t.seq FROM topic t WHERE t.name = 'analytics'), 0);
END $$;
GRANT EXECUTE ON FUNCTION topic_heads TO millrace_api;

-- Does the log still hold the last event of this run of the caller's?
-- As the owner: the log is everybody's.
CREATE OR REPLACE FUNCTION run_is_resumable(run_id uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN EXISTS (SELECT FROM run r JOIN stream_event e ON e.topic = 'run:' || r.id AND e.seq = r.last_seq
		WHERE r.id = $1 AND r.owner_id = caller_id());
END $$;
GRANT EXECUTE ON FUNCTION run_is_resumable TO millrace_api;

-- Makes `owner` the topic's owner; called where the thing itself is created or changes hands.
-- Row-level security lets a worker give its caller only what nobody owns. Planned once in a
-- session.
CREATE OR REPLACE FUNCTION topic_own(topic text, owner uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO topic_owner AS o (topic, owner_id) VALUES ($1, $2)
	ON CONFLICT ON CONSTRAINT topic_owner_pkey DO UPDATE SET owner_id = excluded.owner_id;
END $$;
GRANT EXECUTE ON FUNCTION topic_own TO millrace_api, millrace_runner;

-- Publishes to `user:<owner>` when the transaction commits, unless the owner is gone by then, and
-- to what else such an event goes to: `analytics` for leads, messages, conversations and
-- subscriptions (data names the owner as user_id), `workflow_run:<id>` for a run's status,
-- `agent:<id>` for what a process does. May be
-- called at any point of a transaction; best from a trigger of the table that the event is about.
-- As the owner: outbox is no role's.
CREATE OR REPLACE FUNCTION publish_to_owner(owner uuid, type text, data json) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	nothing text;	-- an assignment is no statement of its own, as PERFORM is
BEGIN
	INSERT INTO outbox (owner_id, type, data) VALUES ($1, $2, $3);
	IF $2 ~ '^(lead|subscription)_' OR $2 IN ('message_created', 'conversation_deleted') THEN
		INSERT INTO outbox_analytics (type, data) VALUES ($2, $3);
		nothing := notify_durable('millrace_periodic', 'analytics');
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION publish_to_owner TO millrace_api, millrace_runner;

-- The topics that an event of `owner` goes to.
CREATE OR REPLACE FUNCTION event_topics(owner uuid, type text, data json) RETURNS text[]
LANGUAGE sql STABLE AS $$
	SELECT ARRAY['user:' || $1] || CASE WHEN $2 = 'workflow_status_update' THEN ARRAY['workflow_run:' || ($3 ->> 'workflow_run_id')]
		WHEN $2 IN ('agent_status', 'agent_action') AND $3 ->> 'agent_id' IS NOT NULL THEN ARRAY['agent:' || ($3 ->> 'agent_id')]
		WHEN $2 IN ('task_update', 'pipeline_update') THEN ARRAY['agent:' || ($3 ->> 'process_id')] END
$$;

-- Publishes up to `most` events that wait for `analytics`; returns how many. One at a time.
-- As the owner: outbox is no role's.
CREATE OR REPLACE FUNCTION outbox_analytics_publish(most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	topics text[];
	types text[];
	datas text[];
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.outbox_analytics')) THEN
		RETURN 0;
	END IF;
	WITH taken AS (
		DELETE FROM outbox_analytics o WHERE o.n IN (SELECT d.n FROM outbox_analytics d ORDER BY d.n LIMIT most) RETURNING *
	)
	SELECT array_agg('analytics'::text ORDER BY t.n), array_agg(t.type ORDER BY t.n), array_agg(t.data::text ORDER BY t.n)
	INTO topics, types, datas FROM taken t;
	RETURN CASE WHEN topics IS NULL THEN 0 ELSE publish_many(topics, types, datas) END;
END $$;
GRANT EXECUTE ON FUNCTION outbox_analytics_publish TO millrace_runner;
