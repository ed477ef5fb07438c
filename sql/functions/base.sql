-- What tables name in defaults, indexes and policies. This file and triggers/ are applied before
-- the migrations as well as with the other functions, so nothing here takes or returns a table's
-- row.

-- RFC 9562 version 7: 48 bits of Unix milliseconds, then random bits; so ids sort by time of
-- creation.
CREATE OR REPLACE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
	SELECT encode(set_bit(set_bit(
		overlay(uuid_send(gen_random_uuid())
			PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
			FROM 1 FOR 6),
		52, 1), 53, 1), 'hex')::uuid
$$;
GRANT EXECUTE ON FUNCTION uuid_v7 TO millrace_api, millrace_runner;

-- The user on whose behalf this transaction runs; every policy below asks it. NULL where nobody is
-- signed in. It costs so much that a plan asks it once, by an index that begins with the owner, and
-- not for each row: a plan that was made while one user had nearly all rows would otherwise read
-- all of these for others, too.
CREATE OR REPLACE FUNCTION caller_id() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100 AS $$
BEGIN
	RETURN nullif(current_setting('millrace.caller', true), '')::uuid;
END $$;
GRANT EXECUTE ON FUNCTION caller_id TO millrace_api;

-- The same as an expression, which is part of the plan and takes a microsecond less: for the user's
-- own row, which any plan finds by its primary key.
CREATE OR REPLACE FUNCTION caller_self() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT nullif(current_setting('millrace.caller', true), '')::uuid
$$;
GRANT EXECUTE ON FUNCTION caller_self TO millrace_api;

CREATE OR REPLACE FUNCTION login_subject(email text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT 'account ' || encode(sha256(convert_to(lower(email), 'UTF8')), 'hex')
$$;
GRANT EXECUTE ON FUNCTION login_subject TO millrace_api, millrace_runner;

-- The documents that an answer's sources are passages of. Most answers have none, and that is all
-- that it costs them.
CREATE OR REPLACE FUNCTION source_documents(sources json) RETURNS text[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF sources::text = '[]' OR json_typeof(sources) <> 'array' THEN
		RETURN '{}';
	END IF;
	RETURN (SELECT coalesce(array_agg(DISTINCT e ->> 'documentId') FILTER (WHERE e ->> 'documentId' IS NOT NULL), '{}')
		FROM json_array_elements(sources) e);
END $$;
GRANT EXECUTE ON FUNCTION source_documents TO millrace_api, millrace_runner;

-- What passages are looked up by (the index chunk_keys): a number for each word of an owner's, so
-- that nobody's search reads another's entries. An index holds what this gives: what it gives for a
-- word never changes.
CREATE OR REPLACE FUNCTION passage_keys(owner uuid, words text[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(hashtextextended(w COLLATE "C", uuid_hash_extended($1, 0))) FROM unnest($2) w
$$;
GRANT EXECUTE ON FUNCTION passage_keys TO millrace_runner;

-- Makes the partitions of three hours from now on that are missing, and drops those whose last
-- event is older than `keep`. Called by the runner's sweeper.
-- As the owner: it makes and drops tables.
CREATE OR REPLACE FUNCTION event_partitions(keep interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
GRANT EXECUTE ON FUNCTION event_partitions TO millrace_runner;
