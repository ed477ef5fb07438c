-- The audit chain and its checkpoints.

CREATE OR REPLACE FUNCTION audit_hash(r audit_log) RETURNS bytea LANGUAGE sql STABLE AS $$
	SELECT sha256(convert_to(jsonb_build_array(r.seq, (extract(epoch FROM r.at) * 1000000)::bigint, r.actor, r.subject, r.type,
		r.data, encode(r.prev, 'hex'), encode(r.subject_prev, 'hex'))::text, 'UTF8'))
$$;

-- The log's only writer. `data.by` names the database role where it is not the workers'. Call it
-- last in a transaction, or from a deferred trigger: the next event of anybody waits for this
-- transaction's end.
-- As the owner: audit_log and audit_head are no role's to write.
CREATE OR REPLACE FUNCTION audit(actor uuid, subject uuid, type text, data jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	head audit_head;
	r audit_log;
BEGIN
	SELECT * INTO head FROM audit_head FOR UPDATE;
	r := ROW(head.seq + 1, clock_timestamp(), $1, $2, $3,
		$4 || CASE WHEN session_user = 'millrace_api' THEN '{}' ELSE jsonb_build_object('by', session_user) END, head.hash,
		coalesce((SELECT l.hash FROM audit_log l WHERE l.subject = $2 ORDER BY l.seq DESC LIMIT 1),
			decode(repeat('00', 32), 'hex')), NULL);
	r.hash := audit_hash(r);
	INSERT INTO audit_log SELECT r.*;
	UPDATE audit_head SET seq = r.seq, hash = r.hash;
	PERFORM pg_notify('millrace_periodic', 'audit');
END $$;
GRANT EXECUTE ON FUNCTION audit TO millrace_runner;

-- What is wrong with the entry that a row of the chain is about; NULL: nothing, or the row is of
-- another kind. An entry goes with its user alone.
CREATE OR REPLACE FUNCTION audit_entry_fault(l audit_log) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN l.type <> 'request_logged' THEN NULL
		WHEN e.id IS NOT NULL AND encode(audit_entry_digest(e), 'hex') <> l.data ->> 'sha256' THEN 'what was logged by it was changed'
		WHEN e.id IS NULL AND NOT EXISTS (SELECT FROM app_user u WHERE u.id = l.subject AND u.erased_at IS NOT NULL)
			AND NOT EXISTS (SELECT FROM audit_log x WHERE x.subject = l.subject AND x.type = 'erased')
		THEN 'what was logged by it is missing'
	END
	FROM (VALUES (1)) one LEFT JOIN audit_entry e ON e.id = (l.data ->> 'entry')::uuid
$$;

-- The first row after `after` (which itself is taken to be right), up to `upto`, that is not as it
-- was written, and why; no row: they hold.
CREATE OR REPLACE FUNCTION audit_verify_between(after bigint, upto bigint) RETURNS TABLE (seq bigint, problem text)
LANGUAGE sql STABLE AS $$
	WITH walked AS (
		SELECT l.seq, CASE
			WHEN l.seq <> 1 + coalesce(lag(l.seq) OVER overall, 0) THEN 'the row before it is missing'
			WHEN l.prev <> coalesce(lag(l.hash) OVER overall, decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it'
			WHEN l.subject IS NOT NULL AND l.subject_prev <> coalesce((SELECT p.hash FROM audit_log p
				WHERE p.subject = l.subject AND p.seq < l.seq ORDER BY p.seq DESC LIMIT 1), decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it about the same user'
			WHEN l.hash <> audit_hash(l) THEN 'its content was changed'
			ELSE audit_entry_fault(l)
		END AS problem
		FROM audit_log l WHERE l.seq BETWEEN $1 AND $2 WINDOW overall AS (ORDER BY l.seq)
	)
	SELECT w.seq, w.problem FROM walked w WHERE w.problem IS NOT NULL AND w.seq > $1 ORDER BY w.seq LIMIT 1
$$;

-- The chain's end, where it is not there any more.
CREATE OR REPLACE FUNCTION audit_cut_off() RETURNS TABLE (seq bigint, problem text) LANGUAGE sql STABLE AS $$
	SELECT h.seq, 'the rows up to it were cut off' FROM audit_head h
	WHERE h.seq > 0 AND NOT EXISTS (SELECT FROM audit_log l WHERE l.seq = h.seq AND l.hash = h.hash)
$$;

-- An entry that no row is about: nobody has logged it. It is told by the row that it was put
-- before, or by the last.
CREATE OR REPLACE FUNCTION audit_entry_added() RETURNS TABLE (seq bigint, problem text) LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT min(l.seq) FROM audit_log l WHERE l.at >= e.created_at), (SELECT h.seq FROM audit_head h)),
		format('the entry %s, of before it, is in no row', e.id)
	FROM audit_entry e
	WHERE NOT EXISTS (SELECT FROM audit_log l WHERE l.type = 'request_logged' AND (l.data ->> 'entry')::uuid = e.id) ORDER BY e.id LIMIT 1
$$;

-- The first row that is not as it was written, and why; no row: the chain holds.
CREATE OR REPLACE FUNCTION audit_verify() RETURNS TABLE (seq bigint, problem text)
LANGUAGE sql STABLE AS $$
	SELECT * FROM audit_verify_between(0, 9223372036854775807)
	UNION ALL
	SELECT * FROM audit_cut_off()
	UNION ALL
	SELECT * FROM audit_entry_added()
	LIMIT 1
$$;

-- As audit_verify, for the rows behind `after` alone, which itself is taken to be right; for a
-- runner that signs those.
-- As the owner: audit_log and its checkpoints are no role's.
CREATE OR REPLACE FUNCTION audit_verify_after(after bigint) RETURNS TABLE (seq bigint, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT * FROM audit_verify_between($1, 9223372036854775807)
$$;
GRANT EXECUTE ON FUNCTION audit_verify_after TO millrace_runner;

-- A step of a walk over the whole chain: rows behind `after`, `most` of them. `upto` is the last
-- that it has looked at, `ends` whether that was the chain's end; seq and problem are as
-- audit_verify's.
-- As the owner: audit_log and its checkpoints are no role's.
CREATE OR REPLACE FUNCTION audit_verify_step(after bigint, most bigint) RETURNS TABLE (upto bigint, ends boolean, seq bigint, problem text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	upto := $1 + $2;
	ends := NOT EXISTS (SELECT FROM audit_log l WHERE l.seq > $1 + $2);
	SELECT v.seq, v.problem INTO seq, problem FROM audit_verify_between($1, $1 + $2) v;
	IF seq IS NULL AND ends THEN
		upto := coalesce((SELECT max(l.seq) FROM audit_log l), 0);
		SELECT c.seq, c.problem INTO seq, problem FROM (SELECT * FROM audit_cut_off() UNION ALL SELECT * FROM audit_entry_added() LIMIT 1) c;
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION audit_verify_step TO millrace_runner;

-- Checkpoints after the n-th, `most` of them, each with the row that it names as that is now
-- (row_hash NULL: it is gone).
-- As the owner: audit_log and its checkpoints are no role's.
CREATE OR REPLACE FUNCTION audit_checkpoints(after bigint, most bigint)
RETURNS TABLE (n bigint, seq bigint, hash text, at_us bigint, public_key text, signature text, row_hash text, at text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT c.n, c.seq, encode(c.hash, 'hex'), (extract(epoch FROM c.at) * 1000000)::bigint, encode(k.public_key, 'hex'),
		encode(c.signature, 'hex'), encode(l.hash, 'hex'), rfc3339(c.at)
	FROM audit_checkpoint c JOIN audit_key k ON k.id = c.key_id LEFT JOIN audit_log l ON l.seq = c.seq
	WHERE c.n > $1 ORDER BY c.n LIMIT $2
$$;
GRANT EXECUTE ON FUNCTION audit_checkpoints TO millrace_runner;

-- What a runner needs before it signs: the last checkpoint (0 and NULL: there is none), whether its
-- row is still as it was signed, the chain's last row, how long the oldest row behind the
-- checkpoint has waited, and the key in force.
-- As the owner: audit_log and its checkpoints are no role's.
CREATE OR REPLACE FUNCTION audit_state() RETURNS TABLE (n bigint, seq bigint, hash text, kept boolean, last_seq bigint, last_hash text,
	waited_s bigint, public_key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	WITH c AS (SELECT * FROM audit_checkpoint k ORDER BY k.n DESC LIMIT 1), l AS (SELECT * FROM audit_log r ORDER BY r.seq DESC LIMIT 1)
	SELECT coalesce(c.n, 0), coalesce(c.seq, 0), encode(c.hash, 'hex'),
		c.n IS NULL OR EXISTS (SELECT FROM audit_log r WHERE r.seq = c.seq AND r.hash = c.hash),
		coalesce(l.seq, 0), encode(l.hash, 'hex'),
		coalesce((SELECT extract(epoch FROM now() - r.at) FROM audit_log r WHERE r.seq > coalesce(c.seq, 0) ORDER BY r.seq LIMIT 1), 0)::bigint,
		(SELECT encode(k.public_key, 'hex') FROM audit_key k WHERE k.retired_at IS NULL)
	FROM (VALUES (1)) one LEFT JOIN c ON true LEFT JOIN l ON true
$$;
GRANT EXECUTE ON FUNCTION audit_state TO millrace_runner;

-- Stores a checkpoint. False where another runner was faster.
-- As the owner: audit_log and its checkpoints are no role's.
CREATE OR REPLACE FUNCTION audit_checkpoint_add(n bigint, seq bigint, hash bytea, at_us bigint, public_key bytea, signature bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO audit_checkpoint (n, seq, hash, at, key_id, signature)
	SELECT $1, $2, $3, timestamptz 'epoch' + $4 * interval '1 microsecond', k.id, $6 FROM audit_key k
	WHERE k.public_key = $5 AND k.retired_at IS NULL AND $1 = 1 + coalesce((SELECT max(c.n) FROM audit_checkpoint c), 0)
	ON CONFLICT DO NOTHING;
	RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION audit_checkpoint_add TO millrace_runner;

-- Puts a new key into force and retires the one before; with `first` only where there is none yet.
-- NULL: not done.
CREATE OR REPLACE FUNCTION audit_key_add(public_key bytea, first boolean) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
BEGIN
	LOCK TABLE audit_key IN SHARE ROW EXCLUSIVE MODE;
	IF first = EXISTS (SELECT FROM audit_key k WHERE k.retired_at IS NULL) THEN
		RETURN NULL;
	END IF;
	UPDATE audit_key k SET retired_at = now() WHERE k.retired_at IS NULL;
	INSERT INTO audit_key (public_key) VALUES ($1) RETURNING id INTO new_id;
	PERFORM audit(NULL, NULL, 'audit_key_made', jsonb_build_object('public_key', encode($1, 'base64')));
	RETURN new_id;
END $$;

-- Over all of an entry, as its row in the chain has it.
CREATE OR REPLACE FUNCTION audit_entry_digest(e audit_entry) RETURNS bytea LANGUAGE sql STABLE AS $$
	SELECT sha256(convert_to(jsonb_build_array(e.id, e.owner_id, e.writer_id, e.request_id, e.type, e.data,
		(extract(epoch FROM e.client_at) * 1000000)::bigint, (extract(epoch FROM e.created_at) * 1000000)::bigint)::text, 'UTF8'))
$$;

-- An entry with its row in the chain. Whom it is about is called as the caller calls them.
-- As the owner: a service reads the rows of those it has named.
CREATE OR REPLACE FUNCTION audit_entry_json(e audit_entry) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN (SELECT json_build_object('id', e.id, 'seq', l.seq, 'user_id', coalesce(
		(SELECT s.name FROM service_user s WHERE s.service_id = caller_id() AND s.user_id = e.owner_id), e.owner_id::text),
		'request_id', e.request_id, 'type', e.type, 'audit_data', e.data, 'timestamp', rfc3339(e.client_at), 'created_at', rfc3339(e.created_at),
		'content_hash', l.data ->> 'sha256', 'hash', encode(l.hash, 'hex'), 'previous_hash', encode(l.prev, 'hex'))
	FROM (VALUES (1)) one LEFT JOIN audit_log l ON l.type = 'request_logged' AND (l.data ->> 'entry')::uuid = e.id);
END $$;
GRANT EXECUTE ON FUNCTION audit_entry_json TO millrace_api;

-- Appends what a service account or an administrator logs of a request. Of whom, and of what type
-- it is, may stand beside the data or in it; a service's user is made where there is none yet.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_entry_add(user_name text, request_id text, type text, data jsonb, client_at timestamptz) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	named CONSTANT text := coalesce($1, CASE jsonb_typeof($4 -> 'user_id') WHEN 'string' THEN nullif($4 ->> 'user_id', '') END);
	kind CONSTANT text := coalesce($3, CASE jsonb_typeof($4 -> 'type') WHEN 'string' THEN left(nullif($4 ->> 'type', ''), 200) END, 'request');
	owner uuid := caller_id();
BEGIN
	IF NOT EXISTS (SELECT FROM app_user u WHERE u.id = caller_id() AND u.role IN ('service', 'admin')) THEN
		PERFORM refuse('FORBIDDEN', 'Only a service key or an administrator writes into the audit log.');
	END IF;
	IF named IS NOT NULL THEN
		owner := user_of_name(left(named, 200), true);
	END IF;
	IF owner IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such user.');
	END IF;
	INSERT INTO audit_entry (owner_id, writer_id, request_id, type, data, client_at) VALUES (owner, caller_id(), $2, kind, $4, $5);
	RETURN json_build_object('success', true);
END $$;
GRANT EXECUTE ON FUNCTION audit_entry_add TO millrace_api;

-- A page of entries, newest first: for an administrator all, for a service account those that it
-- wrote, for anybody those about themselves. NULL does not filter.
-- As the owner: a service reads the rows of those it has named.
CREATE OR REPLACE FUNCTION audit_entry_list(user_name text, request_id text, type text, from_time timestamptz, to_time timestamptz, rows bigint,
	before uuid) RETURNS TABLE (body json, cursor uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	by_role CONSTANT text := (SELECT u.role FROM app_user u WHERE u.id = caller_id());
	about CONSTANT uuid := CASE WHEN $1 IS NULL THEN CASE WHEN by_role NOT IN ('service', 'admin') THEN caller_id() END
		ELSE user_of_name($1, false) END;
	since CONSTANT uuid := coalesce(uuid_v7_floor($4), '00000000-0000-0000-0000-000000000000');
	until CONSTANT uuid := least(page_before($7), uuid_v7_floor($5));
	e audit_entry;
	bytes bigint := 0;
	n bigint := 0;
BEGIN
	IF about IS NULL AND $1 IS NOT NULL THEN
		RETURN;
	END IF;
	FOR e IN SELECT * FROM audit_entry x WHERE x.id < until AND x.id >= since AND (about IS NULL OR x.owner_id = about)
		AND (by_role <> 'service' OR x.writer_id = caller_id()) AND ($2 IS NULL OR x.request_id = $2) AND ($3 IS NULL OR x.type = $3)
		ORDER BY x.id DESC LIMIT $6
	LOOP
		body := audit_entry_json(e);
		cursor := e.id;
		bytes := bytes + octet_length(body::text);
		n := n + 1;
		IF NOT page_has_room(bytes, n) THEN
			body := NULL;	-- the page ends here, and goes on behind the row before
		END IF;
		RETURN NEXT;
		EXIT WHEN body IS NULL;
	END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION audit_entry_list TO millrace_api;
