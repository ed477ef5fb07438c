-- Accounts as contract 4 reads and writes them, everything held about somebody, their erasure; and the audit chain.

-- Every event that matters for who may do what, in one chain: a row's hash covers its content, the hash of the row before it, and
-- the hash of the row before it about the same subject. So a changed, removed or moved row shows, and the rows about one user can be
-- checked by themselves. Ids have no foreign keys: rows outlive their users. `data` holds no address in the clear.
CREATE TABLE audit_log (
	seq		bigint PRIMARY KEY,
	at		timestamptz NOT NULL,
	actor		uuid,				-- who did it; NULL: nobody signed in, or an administrator's tool (data.by)
	subject		uuid,				-- about whom
	type		text NOT NULL,
	data		jsonb NOT NULL,
	prev		bytea NOT NULL,			-- of the first row: 32 zero bytes
	subject_prev	bytea NOT NULL,
	hash		bytea NOT NULL
);
CREATE INDEX audit_log_subject ON audit_log (subject, seq);
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON audit_log TO millrace_api USING (subject = caller_id());
GRANT SELECT ON audit_log TO millrace_api;

-- The chain's end, under whose lock it grows.
CREATE TABLE audit_head (
	one		boolean PRIMARY KEY DEFAULT true CHECK (one),
	seq		bigint NOT NULL,
	hash		bytea NOT NULL
) WITH (fillfactor = 10);
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

CREATE FUNCTION audit_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'The audit log takes no % of rows.', lower(TG_OP);
END $$;
CREATE TRIGGER audit_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_fixed();

CREATE FUNCTION audit_hash(r audit_log) RETURNS bytea LANGUAGE sql STABLE AS $$
	SELECT sha256(convert_to(jsonb_build_array(r.seq, (extract(epoch FROM r.at) * 1000000)::bigint, r.actor, r.subject, r.type,
		r.data, encode(r.prev, 'hex'), encode(r.subject_prev, 'hex'))::text, 'UTF8'))
$$;

-- The log's only writer. `data.by` names the database role where it is not the workers'. Call it last in a transaction, or from a
-- deferred trigger: everybody's next event waits for the end of this one's transaction.
CREATE FUNCTION audit(actor uuid, subject uuid, type text, data jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
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
END $$;
REVOKE EXECUTE ON FUNCTION audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit TO millrace_api, millrace_runner;

-- The first row that is not as it was written, and why; no row: the chain holds.
CREATE FUNCTION audit_verify() RETURNS TABLE (seq bigint, problem text) LANGUAGE sql STABLE AS $$
	WITH walked AS (
		SELECT l.seq, CASE
			WHEN l.seq <> 1 + coalesce(lag(l.seq) OVER overall, 0) THEN 'the row before it is missing'
			WHEN l.prev <> coalesce(lag(l.hash) OVER overall, decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it'
			WHEN l.subject IS NOT NULL AND l.subject_prev <> coalesce(lag(l.hash) OVER (PARTITION BY l.subject ORDER BY l.seq),
				decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it about the same user'
			WHEN l.hash <> audit_hash(l) THEN 'its content was changed'
		END AS problem
		FROM audit_log l WINDOW overall AS (ORDER BY l.seq)
	), ended AS (
		SELECT h.seq, 'the rows up to it were cut off' FROM audit_head h
		WHERE NOT EXISTS (SELECT FROM audit_log l WHERE l.seq = h.seq AND l.hash = h.hash)
	)
	(SELECT w.seq, w.problem FROM walked w WHERE w.problem IS NOT NULL ORDER BY w.seq LIMIT 1)
	UNION ALL
	SELECT * FROM ended
	LIMIT 1
$$;

-- What is logged is told by the tables themselves, so that no function can forget it; at the transaction's end, so that nobody holds
-- the chain's lock while waiting for another row.
CREATE FUNCTION audit_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	CASE TG_TABLE_NAME || ' ' || TG_OP
	WHEN 'session INSERT' THEN
		PERFORM audit(NEW.user_id, NEW.user_id, 'login', jsonb_build_object('session', NEW.id));
	WHEN 'session UPDATE' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'logout', jsonb_build_object('session', NEW.id));
	WHEN 'login_failure INSERT', 'login_failure UPDATE' THEN
		PERFORM audit(NULL, (SELECT u.id FROM app_user u
			WHERE login_subject(u.email) = NEW.subject OR login_subject(u.username) = NEW.subject LIMIT 1),
			'login_failed', jsonb_build_object('name', split_part(NEW.subject, ' ', 2), 'failures', NEW.failures));
	WHEN 'api_key INSERT' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'key_made', jsonb_build_object('key', NEW.id, 'scopes', NEW.scopes));
	WHEN 'api_key UPDATE' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'key_revoked', jsonb_build_object('key', NEW.id));
	WHEN 'password UPDATE' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'password_changed', '{}');
	WHEN 'app_user INSERT' THEN
		PERFORM audit(coalesce(caller_id(), NEW.id), NEW.id, 'registered', jsonb_build_object('role', NEW.role));
	WHEN 'app_user UPDATE' THEN
		PERFORM audit(caller_id(), NEW.id, 'role_changed', jsonb_build_object('from', OLD.role, 'to', NEW.role));
	WHEN 'app_user DELETE' THEN
		PERFORM audit(caller_id(), OLD.id, 'erased', '{}');
	END CASE;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER audit_told AFTER INSERT ON session DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_told();
CREATE CONSTRAINT TRIGGER audit_ended AFTER UPDATE OF revoked_at ON session DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION audit_told();
CREATE CONSTRAINT TRIGGER audit_told AFTER INSERT OR UPDATE ON login_failure DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.subject LIKE 'account %') EXECUTE FUNCTION audit_told();
CREATE CONSTRAINT TRIGGER audit_told AFTER INSERT ON api_key DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_told();
CREATE CONSTRAINT TRIGGER audit_ended AFTER UPDATE OF revoked_at ON api_key DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION audit_told();
-- A hash that is only made anew at a login, with other parameters, leaves changed_at as it is.
CREATE CONSTRAINT TRIGGER audit_told AFTER UPDATE ON password DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.changed_at <> NEW.changed_at) EXECUTE FUNCTION audit_told();
CREATE CONSTRAINT TRIGGER audit_told AFTER INSERT OR DELETE ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_told();
CREATE CONSTRAINT TRIGGER audit_role AFTER UPDATE OF role ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.role <> NEW.role) EXECUTE FUNCTION audit_told();
-- Whom a wrong password was meant for.
CREATE INDEX app_user_subject_email ON app_user (login_subject(email));
CREATE INDEX app_user_subject_username ON app_user (login_subject(username));

-- When the address was last proven to be theirs; another address is not.
ALTER TABLE app_user ADD COLUMN IF NOT EXISTS email_verified_at timestamptz;

-- Accounts by id: one's own, or anybody's for an administrator.
CREATE FUNCTION caller_is_admin() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT EXISTS (SELECT FROM app_user u WHERE u.id = caller_id() AND u.role = 'admin')
$$;

CREATE FUNCTION account_find(account uuid) RETURNS SETOF app_user LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT * FROM app_user u WHERE u.id = $1 AND (u.id = caller_id() OR caller_is_admin())
$$;

-- Those whose name, address or name to sign in by holds `q`, letter case aside; newest first.
CREATE FUNCTION account_search(q text, rows bigint, before uuid) RETURNS SETOF app_user
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT * FROM app_user u
	WHERE caller_is_admin() AND ($3 IS NULL OR u.id < $3)
		AND ($1 IS NULL OR strpos(lower(concat_ws(' ', u.username, u.email, u.display_name)), lower($1)) > 0)
	ORDER BY u.id DESC LIMIT $2
$$;

-- Changes what is given (NULL leaves a column as it is). No row: there is no such account for this caller.
CREATE FUNCTION account_change(account uuid, username text, email text, display_name text, timezone text, role text)
RETURNS SETOF app_user LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM account_find($1)) THEN
		RETURN;
	ELSIF $6 IS NOT NULL AND NOT caller_is_admin() THEN
		PERFORM refuse(403, 'Only an administrator gives roles.');
	END IF;
	RETURN QUERY UPDATE app_user u SET username = coalesce($2, u.username), email = coalesce($3, u.email),
		display_name = coalesce($4, u.display_name), timezone = coalesce($5, u.timezone), role = coalesce($6, u.role),
		email_verified_at = CASE WHEN lower($3) <> lower(u.email) THEN NULL ELSE u.email_verified_at END, updated_at = now()
	WHERE u.id = $1 RETURNING u.*;
EXCEPTION WHEN unique_violation THEN
	PERFORM refuse(409, 'An account with this name or address exists already.');
END $$;

-- An administrator makes somebody else's account, which needs a name or an address to sign in by; anybody else completes their own.
CREATE FUNCTION account_make(username text, password_hash text, email text, display_name text, timezone text, role text)
RETURNS TABLE (u app_user, made boolean) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	made := caller_is_admin();
	IF NOT made AND $2 IS NOT NULL THEN
		PERFORM refuse(403, 'Only an administrator makes accounts for others.');
	ELSIF NOT made THEN
		SELECT a.* INTO u FROM account_change(caller_id(), $1, $3, $4, $5, $6) a;
	ELSIF coalesce($1, $3) IS NULL THEN
		PERFORM refuse(400, 'An account needs a username or an email.');
	ELSE
		INSERT INTO app_user (username, email, display_name, timezone, role)
		VALUES ($1, $3, coalesce($4, $1, $3), coalesce($5, 'UTC'), coalesce($6, 'user'))
		ON CONFLICT DO NOTHING RETURNING * INTO u;
		IF u.id IS NULL THEN
			PERFORM refuse(409, 'An account with this name or address exists already.');
		END IF;
		-- Without a password there is no way in until one is set.
		IF $2 IS NOT NULL THEN
			INSERT INTO password (user_id, hash) VALUES (u.id, $2);
		END IF;
	END IF;
	RETURN NEXT;
END $$;

-- Erases what is known about somebody; false where the caller may not, or there is no such account. What they used and what happened
-- stays under an id that nobody answers to. Running work is ended, and whoever listens hears of it.
CREATE FUNCTION account_erase(account uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	someone app_user;
	r run;
	said CONSTANT json := '{"code": "CANCELLED", "message": "The account was erased."}';
BEGIN
	SELECT * INTO someone FROM account_find($1);
	IF someone.id IS NULL THEN
		RETURN false;
	END IF;
	-- The order that everything which ends a run keeps: the run, then its job.
	FOR r IN SELECT * FROM run WHERE run.owner_id = $1 AND run.ended_at IS NULL ORDER BY run.id FOR UPDATE LOOP
		PERFORM run_finish(r.id, 'cancelled', 'error', said, CASE WHEN r.input ? 'reply' THEN json_build_object('status', 409,
			'headers', '{}'::json, 'body', json_build_object('error', said ->> 'message', 'code', said ->> 'code',
				'detail', said ->> 'message', 'request_id', r.id)) END);
		PERFORM pg_notify('millrace_cancel', r.id::text);
	END LOOP;
	-- The word that a run is over stays for those who come back to it; it says nothing about anybody.
	DELETE FROM stream_event e WHERE e.topic = 'user:' || $1
		OR (e.topic IN (SELECT 'run:' || x.id FROM run x WHERE x.owner_id = $1) AND e.data::text <> said::text);
	-- Files go by their owners' triggers; what is left over are uploads under way.
	DELETE FROM document d WHERE d.owner_id = $1;
	DELETE FROM artifact a WHERE a.owner_id = $1;
	DELETE FROM conversation c WHERE c.owner_id = $1;
	DELETE FROM blob b WHERE b.owner_id = $1;
	DELETE FROM idempotency i WHERE i.owner_id = $1;
	DELETE FROM login_failure f WHERE f.subject IN (login_subject(someone.email), login_subject(someone.username));
	DELETE FROM app_user u WHERE u.id = $1;
	RETURN true;
END $$;

-- Everything held about somebody. A section's query gives what follows ($1, $2) in its order, $3 rows at most, as the caller's
-- role sees it: (key uuid, part int8, body json). A table that holds personal data has its row here.
CREATE TABLE export_section (
	place		int PRIMARY KEY,
	name		text NOT NULL UNIQUE,
	query		text NOT NULL
);
GRANT SELECT ON export_section TO millrace_api;
CREATE INDEX message_owner ON message (owner_id, id);
DROP INDEX artifact_owner;
CREATE INDEX artifact_owner ON artifact (owner_id, id);
DROP INDEX blob_owner;
CREATE INDEX blob_owner ON blob (owner_id, id);
CREATE INDEX usage_event_export ON usage_event (owner_id, id);

INSERT INTO export_section (place, name, query) VALUES
(10, 'sessions', $q$SELECT id, 0::int8, json_build_object('id', id, 'created_at', rfc3339(created_at),
	'expires_at', rfc3339(expires_at), 'revoked_at', rfc3339(revoked_at))
	FROM session WHERE user_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(20, 'api_keys', $q$SELECT id, 0::int8, json_build_object('id', id, 'name', name, 'shown', shown, 'scopes', scopes,
	'created_at', rfc3339(created_at), 'expires_at', rfc3339(expires_at), 'last_used_at', rfc3339(last_used_at),
	'revoked_at', rfc3339(revoked_at)) FROM api_key WHERE user_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(30, 'notifications', $q$SELECT id, 0::int8, notification_json(n)
	FROM notification n WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(40, 'conversations', $q$SELECT id, 0::int8, conversation_json(c)
	FROM conversation c WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(50, 'messages', $q$SELECT id, 0::int8, message_json(m)
	FROM message m WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(60, 'runs', $q$SELECT id, 0::int8, (run_json(r)::jsonb || jsonb_build_object('input', r.input))::json
	FROM run r WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(70, 'documents', $q$SELECT id, 0::int8, (document_json(d)::jsonb || jsonb_build_object('fileName', d.file_name, 'fileId', d.blob_id))::json
	FROM document d WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(80, 'artifacts', $q$SELECT id, 0::int8, json_build_object('id', id, 'conversationId', conversation_id, 'runId', run_id, 'name', name,
	'version', version, 'mimeType', mime_type, 'size', size, 'fileId', blob_id, 'createdAt', rfc3339(created_at))
	FROM artifact WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(90, 'usage', $q$SELECT id, 0::int8, json_build_object('id', id, 'runId', run_id, 'provider', provider, 'model', model,
	'inputTokens', input_tokens, 'outputTokens', output_tokens, 'costUsd', cost_usd, 'createdAt', rfc3339(created_at))
	FROM usage_event WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(100, 'audit', $q$SELECT subject, seq, json_build_object('seq', seq, 'at', rfc3339(at), 'actor', actor, 'type', type, 'data', data,
	'hash', encode(hash, 'hex'), 'prev', encode(prev, 'hex'))
	FROM audit_log WHERE subject = caller_id() AND seq > $2 ORDER BY seq LIMIT $3$q$),
(1000, 'files', $q$SELECT b.id, c.n::int8, json_build_object('fileId', b.id, 'part', c.n,
	'base64', translate(encode(c.data, 'base64'), E'\n', ''))
	FROM blob b JOIN blob_chunk c ON c.blob_id = b.id
	WHERE b.owner_id = caller_id() AND b.sha256 IS NOT NULL AND b.id >= $1 AND (b.id, c.n) > ($1, $2::int)
	ORDER BY b.id, c.n LIMIT $3$q$);

-- The export's beginning; export_page() gives what follows, `}` at its end.
CREATE FUNCTION export_begin() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM audit(caller_id(), caller_id(), 'exported', '{}');
	RETURN (SELECT '{"exported_at":' || to_json(rfc3339(now())) || ',"user":' || account_json(u)
		|| ',"assistant":' || json_build_object('name', u.assistant_name, 'interests', u.interests)
		|| ',"balance_usd":' || u.balance_usd
		|| ',"settings":' || coalesce((SELECT s.settings FROM user_settings s WHERE s.user_id = u.id), '{}')
		FROM app_user u WHERE u.id = caller_id());
END $$;

-- The next piece from where (place, key, part) stands, some 256 KiB, or one row where that is larger; the next place is NULL after
-- the last piece. A section begins at the key of zeros.
CREATE FUNCTION export_page(from_place int, from_key uuid, from_part bigint)
RETURNS TABLE (piece text, place int, key uuid, part bigint) LANGUAGE plpgsql AS $$
DECLARE
	zero CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
	rows_max CONSTANT int := 100;
	s export_section;
	pieces text[] := '{}';
	len bigint := 0;
	n int;
	body json;
BEGIN
	place := from_place;
	key := from_key;
	part := from_part;
	WHILE len < 262144 LOOP
		SELECT * INTO s FROM export_section e WHERE e.place >= export_page.place ORDER BY e.place LIMIT 1;
		IF NOT FOUND THEN
			pieces := pieces || '}'::text;
			place := NULL;
			EXIT;
		END IF;
		IF s.place <> place OR key = zero THEN
			pieces := pieces || (',' || to_json(s.name) || ':[');
			key := zero;
			part := -1;
		END IF;
		n := 0;
		FOR key, part, body IN EXECUTE s.query USING key, part, rows_max LOOP
			pieces := pieces || (CASE WHEN n = 0 AND pieces[array_upper(pieces, 1)] LIKE '%:[' THEN '' ELSE ',' END || body);
			len := len + octet_length(body::text);
			n := n + 1;
			EXIT WHEN len >= 262144;
		END LOOP;
		IF n < rows_max AND len < 262144 THEN
			pieces := pieces || ']'::text;
			place := s.place + 1;
			key := zero;
			part := -1;
		ELSE
			place := s.place;
		END IF;
	END LOOP;
	piece := array_to_string(pieces, '');
	RETURN NEXT;
END $$;
