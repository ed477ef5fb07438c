-- Times, refusals, idempotency keys, processes, and what is kept for a time only.

-- RFC 3339 in UTC with milliseconds: how every time goes out.
CREATE OR REPLACE FUNCTION rfc3339(t timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
GRANT EXECUTE ON FUNCTION rfc3339 TO millrace_api, millrace_runner;

-- Has a page of a list room for its n-th row, with which it holds so many bytes? The first one
-- always goes. A worker replies in the order of its pipe, where all wait for the longest.
CREATE OR REPLACE FUNCTION page_has_room(bytes bigint, n bigint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT $2 = 1 OR $1 <= 262144
$$;
GRANT EXECUTE ON FUNCTION page_has_room TO millrace_api;

-- What the ids of a page lie below: those of the first page, all. Asked as
-- (SELECT page_before($1)), it is a condition of an index: no page reads those before it.
CREATE OR REPLACE FUNCTION page_before(before uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT coalesce($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
$$;
GRANT EXECUTE ON FUNCTION page_before TO millrace_api;

-- A text for a search that ignores case: NFC in small letters. Most texts are ASCII, for which
-- normalize() and the letters of other languages would be nine tenths of the time.
CREATE OR REPLACE FUNCTION folded(t text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN octet_length($1) = char_length($1) THEN lower($1 COLLATE "C") ELSE lower(normalize($1)) END
$$;
GRANT EXECUTE ON FUNCTION folded TO millrace_api, millrace_runner;

-- Keeps the error that comes next in this transaction out of PostgreSQL's log: it is meant for the
-- client, and anybody can cause any number of them. Without the privilege (sql/roles.sql) it is
-- logged.
-- As the owner: who alone may set this.
CREATE OR REPLACE FUNCTION log_nothing() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF has_parameter_privilege('log_min_messages', 'SET') THEN
		PERFORM set_config('log_min_messages', 'fatal', true);
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION log_nothing TO millrace_api;

-- Ends the transaction by a code of lib/err.c's table, which has its HTTP status; the message is
-- meant for the client. Travels as SQLSTATE MR000 with the code as detail. Name the code as a
-- literal: tests/lint looks each up in the table.
CREATE OR REPLACE FUNCTION refuse(code text, message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM log_nothing();
	RAISE EXCEPTION USING ERRCODE = 'MR000', MESSAGE = message, DETAIL = code;
END $$;
GRANT EXECUTE ON FUNCTION refuse TO millrace_api;

-- Refuses one more of a kind than an account may have. Whoever adds some waits for others who do.
CREATE OR REPLACE FUNCTION room_for(held regclass, more bigint, most bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	PERFORM FROM app_user u WHERE u.id = caller_id() FOR NO KEY UPDATE;
	EXECUTE format('SELECT count(*) FROM %s WHERE owner_id = caller_id()', held) INTO n;
	IF n + more > most THEN
		PERFORM refuse('CONFLICT', format('An account has at most %s of these; delete some that are not used.', most));
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION room_for TO millrace_api;

-- Claims the key for this transaction. A concurrent claim of the same key waits here until the
-- first has committed. Raises CONFLICT where the key came with another body and MRIDM (which ends
-- the transaction before the handler's statement) where there is a reply to repeat; returns where
-- the handler's statement is to run. `old_mac` is the body's under the secret before this one.
CREATE OR REPLACE FUNCTION idempotency_claim(key text, body_mac bytea, old_mac bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	owner uuid := coalesce(caller_id(), '00000000-0000-0000-0000-000000000000');
	found idempotency;
BEGIN
	UPDATE idempotency i SET body_mac = $2 WHERE i.owner_id = owner AND i.key = $1 AND i.body_mac = $3;
	INSERT INTO idempotency (owner_id, key, body_mac) VALUES (owner, $1, $2) ON CONFLICT DO NOTHING;
	SELECT * INTO found FROM idempotency i WHERE i.owner_id = owner AND i.key = $1 FOR UPDATE;
	IF found.body_mac <> $2 THEN
		PERFORM refuse('CONFLICT', 'This Idempotency-Key was used with another request.');
	END IF;
	IF found.reply = '{}' THEN
		PERFORM refuse('CONFLICT', 'What the first request with this Idempotency-Key made was deleted since.');
	END IF;
	IF found.reply IS NOT NULL THEN
		PERFORM log_nothing();
		RAISE EXCEPTION USING ERRCODE = 'MRIDM', MESSAGE = 'repeated';
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION idempotency_claim TO millrace_api;

-- Stores the row that a claimed request is answered from; part of the same statement as the work
-- itself. One with a verdict has refused it, and is not kept: the same may be allowed later.
CREATE OR REPLACE FUNCTION idempotency_keep(key text, reply_row json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE idempotency SET reply = (SELECT array_agg(e.value ORDER BY e.n)
		FROM json_each_text(reply_row) WITH ORDINALITY AS e (name, value, n))
	WHERE owner_id = coalesce(caller_id(), '00000000-0000-0000-0000-000000000000') AND idempotency.key = $1
		AND reply_row ->> 'verdict' IS NULL;
END $$;
GRANT EXECUTE ON FUNCTION idempotency_keep TO millrace_api;

-- A process's sign of life, with its counters. Committed asynchronously: it comes again. Of a
-- role's processes one in two seconds writes the role's row, so that they do not wait for each
-- other.
-- As the owner: streamd writes no table.
CREATE OR REPLACE FUNCTION process_heartbeat(host text, role text, pid int, version text, started_at timestamptz, stats json)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	INSERT INTO role_seen SELECT $2, now()
	WHERE NOT EXISTS (SELECT FROM role_seen r WHERE r.role = $2 AND r.seen_at > now() - interval '2 seconds')
	ON CONFLICT ON CONSTRAINT role_seen_pkey DO UPDATE SET seen_at = excluded.seen_at;
	INSERT INTO process AS p VALUES ($1, $2, $3, $4, $5, now(), CASE json_typeof($6) WHEN 'object' THEN $6 ELSE '{}' END)
	ON CONFLICT ON CONSTRAINT process_pkey DO UPDATE
	SET version = $4, started_at = $5, seen_at = now(), stats = excluded.stats;
END $$;
GRANT EXECUTE ON FUNCTION process_heartbeat TO millrace_api, millrace_stream, millrace_runner;

-- A process ends in good order: whoever has no heartbeat after that hangs, or was killed. Its role
-- counts as there for as long as its last heartbeat does, so a restart is not missed.
-- As the owner: streamd writes no table.
CREATE OR REPLACE FUNCTION process_forget(host text, role text, pid int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM process p WHERE p.host = $1 AND p.role = $2 AND p.pid = $3;
END $$;
GRANT EXECUTE ON FUNCTION process_forget TO millrace_api, millrace_stream, millrace_runner;

-- Which roles there should be, from who knows it: until then none is missing that never came.
-- As the owner: workers write no such row.
CREATE OR REPLACE FUNCTION role_expect(roles text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO role_seen SELECT r, '-infinity' FROM unnest($1) r ON CONFLICT DO NOTHING;
END $$;
GRANT EXECUTE ON FUNCTION role_expect TO millrace_api;

-- How each role is: 'up'; 'behind': up, but of an older version than `version`; 'missing': without
-- a heartbeat for 15 seconds, three times as long as they take. seen: seconds since; NULL: it never
-- came.
CREATE OR REPLACE FUNCTION system_roles(version text) RETURNS TABLE (role text, state text, seen bigint)
LANGUAGE sql STABLE AS $$
	SELECT a.role, CASE WHEN s.seen_at > now() - interval '15 seconds' IS NOT TRUE THEN 'missing'
		WHEN EXISTS (SELECT FROM process p WHERE p.role = a.role AND p.seen_at > now() - interval '15 seconds'
			AND string_to_array(substring(p.version FROM '^[0-9.]*[0-9]'), '.')::int[]
				< string_to_array(substring($1 FROM '^[0-9.]*[0-9]'), '.')::int[])
		THEN 'behind' ELSE 'up' END,
		extract(epoch FROM now() - nullif(s.seen_at, '-infinity'))::bigint
	FROM (SELECT r.role FROM role_seen r UNION VALUES ('runner'), ('streamd')) a
	LEFT JOIN role_seen s ON s.role = a.role ORDER BY a.role
$$;
GRANT EXECUTE ON FUNCTION system_roles TO millrace_api;

-- The backlog, for /metrics, /readyz and `millracectl status`.
-- As the owner: the queue is everybody's.
CREATE OR REPLACE FUNCTION system_state() RETURNS TABLE (migration int, queued bigint, running bigint, dead bigint, oldest_wait float8,
	runs_open bigint) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT (SELECT max(version) FROM migration),
		(SELECT count(*) FROM job WHERE state = 'queued'), (SELECT count(*) FROM job WHERE state = 'running'),
		(SELECT count(*) FROM job WHERE state = 'dead'),
		coalesce((SELECT extract(epoch FROM now() - min(run_at)) FROM job WHERE state = 'queued' AND run_at <= now()), 0)::float8,
		(SELECT count(*) FROM run WHERE ended_at IS NULL);
END $$;
GRANT EXECUTE ON FUNCTION system_state TO millrace_api;

-- The smallest id that uuid_v7() gives at a time: what was made before has smaller ones.
CREATE OR REPLACE FUNCTION uuid_v7_floor(t timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT (encode(substring(int8send((extract(epoch FROM $1) * 1000)::bigint) FROM 3), 'hex') || '70008000000000000000')::uuid
$$;
GRANT EXECUTE ON FUNCTION uuid_v7_floor TO millrace_api, millrace_runner;

-- Deletes up to `most` rows of each kind that is kept for a time only; true: there is more. Runs
-- and notifications are found by their ids, which grow with time.
-- As the owner: what is swept is no role's to delete.
CREATE OR REPLACE FUNCTION sweep_old(event_hours int, idempotency_hours int, run_days int, notification_days int, key_days int, most int)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	runs uuid[];
	n int;
	more boolean := false;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.sweep_old')) THEN
		RETURN false;
	END IF;
	PERFORM event_partitions(make_interval(hours => event_hours));
	DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT i.ctid FROM idempotency i
		WHERE i.created_at < now() - make_interval(hours => idempotency_hours) LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := n >= most;
	UPDATE blob SET deleted_at = now() WHERE ctid = ANY (ARRAY(SELECT b.ctid FROM blob b
		WHERE b.sha256 IS NULL AND b.deleted_at IS NULL AND b.created_at < now() - interval '1 hour' LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	DELETE FROM session WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM session s WHERE s.expires_at < now() - interval '1 day' LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	DELETE FROM job WHERE ctid = ANY (ARRAY(SELECT j.ctid FROM job j
		WHERE j.state = 'done' AND j.ended_at < now() - make_interval(hours => event_hours) LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	runs := ARRAY(SELECT r.id FROM run r WHERE r.id < uuid_v7_floor(now() - make_interval(days => run_days))
		AND r.ended_at < now() - make_interval(days => run_days) AND NOT run_is_named(r) ORDER BY r.id LIMIT most);
	DELETE FROM job j WHERE j.run_id = ANY (runs);
	DELETE FROM run r WHERE r.id = ANY (runs);
	more := more OR cardinality(runs) >= most;
	DELETE FROM notification WHERE id = ANY (ARRAY(SELECT x.id FROM notification x
		WHERE x.id < uuid_v7_floor(now() - make_interval(days => notification_days))
		AND x.created_at < now() - make_interval(days => notification_days) ORDER BY x.id LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	DELETE FROM api_key WHERE id = ANY (ARRAY(SELECT k.id FROM api_key k
		WHERE least(k.revoked_at, k.expires_at) < now() - make_interval(days => key_days) LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	DELETE FROM login_failure WHERE ctid = ANY (ARRAY(SELECT f.ctid FROM login_failure f
		WHERE f.last_at < now() - interval '1 hour' LIMIT most FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	DELETE FROM process WHERE ctid = ANY (ARRAY(SELECT p.ctid FROM process p WHERE p.seen_at < now() - interval '1 minute' LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	more := inbox_sweep(most) OR more;
	DELETE FROM model_failure WHERE id = ANY (ARRAY(SELECT f.id FROM model_failure f
		WHERE f.id < uuid_v7_floor(now() - interval '400 days') ORDER BY f.id LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	DELETE FROM chatbot_use WHERE ctid = ANY (ARRAY(SELECT u.ctid FROM chatbot_use u
		WHERE u.day < (now() AT TIME ZONE 'UTC')::date - 1 LIMIT most FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	UPDATE conversation SET deleted_at = now() WHERE id = ANY (ARRAY(SELECT c.id FROM conversation c
		WHERE c.visitor_hash IS NOT NULL AND c.updated_at = c.created_at AND c.created_at < now() - interval '1 day'
			AND c.deleted_at IS NULL LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	more := more OR n >= most;
	more := preview_sweep(most) OR more;
	-- Of a pool that there is no more.
	DELETE FROM role_seen r WHERE r.seen_at < now() - interval '30 days' AND r.seen_at > '-infinity';
	DELETE FROM runner_ready r WHERE r.seen_at < now() - interval '1 day';
	RETURN more;
END $$;
GRANT EXECUTE ON FUNCTION sweep_old TO millrace_runner;
