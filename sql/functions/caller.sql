-- Who the caller is, for the first statement of a request and for streams; and what a caller may
-- listen to.

-- Sets the transaction's caller to the session's user, or refuses where the session has ended or
-- the role is too low. For streams; the first statement of a request does the same by session_live,
-- and cheaper.
-- As the owner: nobody is the caller yet.
CREATE OR REPLACE FUNCTION caller_session(session_id uuid, needs_admin boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	caller text;
BEGIN
	SELECT set_config('millrace.caller', s.user_id::text, true) INTO caller
	FROM session s WHERE s.id = session_id AND s.revoked_at IS NULL AND s.expires_at > now();
	IF caller IS NULL THEN
		PERFORM refuse('UNAUTHORIZED', 'The session has ended; sign in again.');
	ELSIF needs_admin THEN
		-- Nested, since in one expression the query would run for everybody.
		IF NOT EXISTS (SELECT FROM app_user u WHERE u.id = caller::uuid AND u.role = 'admin') THEN
			PERFORM refuse('FORBIDDEN', 'This needs an administrator.');
		END IF;
	END IF;
END $$;

-- Sets the transaction's caller, for the first statement of requests that come without a session.
-- Raises before anything else of the same implicit transaction runs.
CREATE OR REPLACE FUNCTION caller_set(caller uuid, role text, needs_admin boolean) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
	IF needs_admin AND role <> 'admin' THEN
		PERFORM refuse('FORBIDDEN', 'This needs an administrator.');
	END IF;
	PERFORM set_config('millrace.caller', caller::text, true);
	RETURN caller;
END $$;

-- The scopes that a key of a user with this role has now. Figures of all users are for
-- administrators, and for the service accounts that a host's administrator has made: the scope ends
-- with the role, and comes back with it.
CREATE OR REPLACE FUNCTION key_scopes(k api_key, role text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN $2 IN ('admin', 'service') THEN k.scopes ELSE array_remove(k.scopes, 'analytics:read') END
$$;

-- By an API key's SHA-256. `scope` is what the route asks of a key ('read', 'write',
-- 'analytics:read' …): several, separated by spaces, of which a key needs one.
-- As the owner: nobody is the caller yet.
CREATE OR REPLACE FUNCTION caller_key(key_hash bytea, needs_admin boolean, scope text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	caller uuid;
	role text;
	k api_key;
BEGIN
	SELECT * INTO k FROM api_key a
	WHERE a.hash = key_hash AND a.revoked_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > now());
	SELECT u.id, u.role INTO caller, role FROM app_user u WHERE u.id = k.user_id AND u.disabled_at IS NULL;
	IF caller IS NULL THEN
		PERFORM refuse('UNAUTHORIZED', 'The API key is not valid.');
	ELSIF NOT string_to_array(scope, ' ') && key_scopes(k, role) THEN
		PERFORM refuse('FORBIDDEN', 'The API key lacks the scope ' || replace(scope, ' ', ' or ') || '.');
	END IF;
	-- To the minute is enough, and a write a request would not be.
	IF k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' THEN
		UPDATE api_key SET last_used_at = now() WHERE id = k.id;
	END IF;
	RETURN caller_set(caller, role, needs_admin);
END $$;
GRANT EXECUTE ON FUNCTION caller_key TO millrace_api;

-- Row-level security shows the caller's own row, which is enough here.
CREATE OR REPLACE FUNCTION caller_is_admin() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM app_user u WHERE u.id = caller_id() AND u.role = 'admin');
END $$;
GRANT EXECUTE ON FUNCTION caller_is_admin TO millrace_api;

-- First statement of a request with a verified external token, as caller_key is with a key.
-- As the owner: nobody is the caller yet.
CREATE OR REPLACE FUNCTION caller_external(provider text, subject text, email text, email_verified boolean, name text, token_hash bytea,
	needs_admin boolean) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	caller uuid;
	role text;
	disabled timestamptz;
BEGIN
	IF EXISTS (SELECT FROM token_denied d WHERE d.hash = token_hash) THEN
		PERFORM refuse('UNAUTHORIZED', 'The session has ended; sign in again.');
	END IF;
	SELECT u.id, u.role, u.disabled_at INTO caller, role, disabled
	FROM external_identity i JOIN app_user u ON u.id = i.user_id WHERE i.provider = $1 AND i.subject = $2;
	IF caller IS NULL THEN
		-- Whom Clerk or Supabase lets in has an account: the settings name them.
		caller := external_user_ensure($1, $2, $3, $4, $5, 'open', NULL);
		SELECT u.role, u.disabled_at INTO role, disabled FROM app_user u WHERE u.id = caller;
	END IF;
	IF disabled IS NOT NULL THEN
		PERFORM refuse('UNAUTHORIZED', 'The account is disabled.');
	END IF;
	RETURN caller_set(caller, role, needs_admin);
END $$;
GRANT EXECUTE ON FUNCTION caller_external TO millrace_api;

-- For the first statement of a request, where the route wants an administrator.
-- As the owner: nobody is the caller yet.
CREATE OR REPLACE FUNCTION user_is_admin(user_id uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.role = 'admin');
END $$;
GRANT EXECUTE ON FUNCTION user_is_admin TO millrace_api;

-- Says why the first statement of a request found no session that fits.
CREATE OR REPLACE FUNCTION session_refuse(session_id uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM session_live s WHERE s.id = $1) THEN
		PERFORM refuse('FORBIDDEN', 'This needs an administrator.');
	END IF;
	PERFORM refuse('UNAUTHORIZED', 'The session has ended; sign in again.');
END $$;
GRANT EXECUTE ON FUNCTION session_refuse TO millrace_api;

-- As the owner: streamd reads no table of users.
CREATE OR REPLACE FUNCTION topic_allowed(caller uuid, analytics boolean, topic text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	thing text := (regexp_match($3, '^[a-z_]+:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$'))[1];
BEGIN
	IF NOT EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.disabled_at IS NULL) THEN
		RETURN false;
	ELSIF $3 IN ('analytics', 'lead_trends', 'conversation_trends') THEN
		RETURN coalesce($2, false);
	ELSIF thing IS NULL THEN
		RETURN false;
	END IF;
	CASE split_part($3, ':', 1)
	WHEN 'user' THEN
		RETURN thing::uuid = $1;
	WHEN 'run' THEN
		RETURN EXISTS (SELECT FROM run r WHERE r.id = thing::uuid AND (r.owner_id = $1 OR r.input ->> 'by' = $1::text) AND run_is_shown(r));
	WHEN 'conversation' THEN
		RETURN EXISTS (SELECT FROM conversation c WHERE c.id = thing::uuid AND c.owner_id = $1 AND c.deleted_at IS NULL);
	WHEN 'agent', 'process', 'workflow_run' THEN
		RETURN EXISTS (SELECT FROM topic_owner o WHERE o.topic = $3 AND o.owner_id = $1);
	ELSE
		RETURN false;
	END CASE;
END $$;
GRANT EXECUTE ON FUNCTION topic_allowed TO millrace_stream;

-- May this user (by this key, where it is not NULL) see figures of all users?
-- As the owner: streamd asks it for others.
CREATE OR REPLACE FUNCTION sees_analytics(who uuid, key uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
BEGIN
	RETURN EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.role = 'admin')
		OR ($2 IS NOT NULL AND EXISTS (SELECT FROM api_key k JOIN app_user u ON u.id = k.user_id
			WHERE k.id = $2 AND k.user_id = $1 AND 'analytics:read' = ANY (key_scopes(k, u.role))));
END $$;
GRANT EXECUTE ON FUNCTION sees_analytics TO millrace_api;

-- Resolves a token that came inside a stream. One of session, key_hash and subject is given.
-- Refuses as the first statement of a request does.
-- As the owner: streamd reads no table of users.
CREATE OR REPLACE FUNCTION stream_caller(session uuid, key_hash bytea, provider text, subject text, email text, email_verified boolean, name text,
	token_hash bytea) RETURNS TABLE (user_id uuid, key_id uuid, analytics boolean, key_ends bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF session IS NOT NULL THEN
		PERFORM caller_session(session, false);
		user_id := caller_id();
	ELSIF key_hash IS NOT NULL THEN
		user_id := caller_key(key_hash, false, 'read');
		SELECT k.id, extract(epoch FROM k.expires_at)::bigint INTO key_id, key_ends FROM api_key k WHERE k.hash = key_hash;
	ELSIF NOT EXISTS (SELECT FROM external_identity i WHERE i.provider = $3 AND i.subject = $4) THEN
		-- Only a request makes a user of a first token, since a worker has verified it;
		-- streamd may change nothing.
		PERFORM refuse('UNAUTHORIZED', 'This token has no user yet: make a request by HTTP first.');
	ELSE
		user_id := caller_external(provider, subject, email, email_verified, name, token_hash, false);
	END IF;
	analytics := sees_analytics(user_id, key_id);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION stream_caller TO millrace_stream;

-- Is the principal of an open stream still valid? One of `session`, `key` and `token_hash` is the
-- credential it came with. (Asked for each stream: PL/pgSQL keeps the plans, SQL would plan anew.)
-- As the owner: streamd reads no table of users.
CREATE OR REPLACE FUNCTION stream_principal(who uuid, session uuid, key uuid, token_hash bytea) RETURNS TABLE (alive boolean, analytics boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
BEGIN
	alive := EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.disabled_at IS NULL)
		AND ($2 IS NULL OR EXISTS (SELECT FROM session s WHERE s.id = $2 AND s.revoked_at IS NULL AND s.expires_at > now()))
		AND ($3 IS NULL OR EXISTS (SELECT FROM api_key k WHERE k.id = $3 AND k.revoked_at IS NULL
			AND (k.expires_at IS NULL OR k.expires_at > now())))
		AND NOT EXISTS (SELECT FROM token_denied d WHERE d.hash = $4);
	analytics := sees_analytics($1, $3);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION stream_principal TO millrace_stream;
