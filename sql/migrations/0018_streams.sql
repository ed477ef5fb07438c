-- What streams and sockets ask about who somebody is: streamd for tokens that come inside a stream, workers when they hand one over.

-- The scopes that do for a route are now several, parted by spaces, of which a key needs one.
CREATE OR REPLACE FUNCTION caller_key(key_hash bytea, needs_admin boolean, scope text) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	caller uuid;
	role text;
	k public.api_key;
BEGIN
	SELECT * INTO k FROM public.api_key a
	WHERE a.hash = key_hash AND a.revoked_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > now());
	SELECT u.id, u.role INTO caller, role FROM public.app_user u WHERE u.id = k.user_id AND u.disabled_at IS NULL;
	IF caller IS NULL THEN
		PERFORM public.refuse(401, 'The API key is not valid.');
	ELSIF NOT string_to_array(scope, ' ') && k.scopes THEN
		PERFORM public.refuse(403, 'The API key lacks the scope ' || replace(scope, ' ', ' or ') || '.');
	END IF;
	-- To the minute is enough, and a write a request would not be.
	IF k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' THEN
		UPDATE public.api_key SET last_used_at = now() WHERE id = k.id;
	END IF;
	RETURN public.caller_is(caller, role, needs_admin);
END $$;

-- May this user (by this key, where it is not NULL) see what is about everybody?
CREATE FUNCTION sees_analytics(who uuid, key uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.role = 'admin')
		OR EXISTS (SELECT FROM api_key k WHERE k.id = $2 AND k.user_id = $1 AND 'analytics:read' = ANY (k.scopes))
$$;

-- Whose token is it? One of session, key_hash and subject is given. Raises what the worker's first statement raises (401).
CREATE FUNCTION stream_caller(session uuid, key_hash bytea, provider text, subject text, email text, email_verified boolean, name text,
	token_hash bytea) RETURNS TABLE (user_id uuid, key_id uuid, analytics boolean, key_ends bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	IF session IS NOT NULL THEN
		PERFORM caller_session(session, false);
		user_id := caller_id();
	ELSIF key_hash IS NOT NULL THEN
		user_id := caller_key(key_hash, false, 'read');
		SELECT k.id, extract(epoch FROM k.expires_at)::bigint INTO key_id, key_ends FROM api_key k WHERE k.hash = key_hash;
	ELSE
		user_id := caller_external(provider, subject, email, email_verified, name, token_hash, false);
	END IF;
	analytics := sees_analytics(user_id, key_id);
	RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION stream_caller FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stream_caller TO millrace_stream;

-- Is somebody who is listening still who they were? `session` and `key` are what they came by, where that is one.
CREATE FUNCTION stream_person(who uuid, session uuid, key uuid) RETURNS TABLE (alive boolean, analytics boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.disabled_at IS NULL)
		AND ($2 IS NULL OR EXISTS (SELECT FROM session s WHERE s.id = $2 AND s.revoked_at IS NULL AND s.expires_at > now()))
		AND ($3 IS NULL OR EXISTS (SELECT FROM api_key k WHERE k.id = $3 AND k.revoked_at IS NULL
			AND (k.expires_at IS NULL OR k.expires_at > now()))),
		sees_analytics($1, $3)
$$;
