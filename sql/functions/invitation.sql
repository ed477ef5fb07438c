-- Who may make an account: registration that is open, by invitation or closed, and the invitations.

-- An invitation as /api/v1 shows it; never its token.
CREATE OR REPLACE FUNCTION invitation_json(i invitation) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', i.id, 'email', i.email,
		'state', CASE WHEN i.used_at IS NOT NULL THEN 'used' WHEN i.expires_at <= now() THEN 'expired' ELSE 'open' END,
		'created_by', i.created_by, 'created_at', rfc3339(i.created_at), 'expires_at', rfc3339(i.expires_at),
		'used_by', i.user_id, 'used_at', rfc3339(i.used_at))
$$;
GRANT EXECUTE ON FUNCTION invitation_json TO millrace_api;

-- Invites whoever brings the token of this hash, within so many days; with `mails` the runner mails
-- a link of its own to the address. Many attempts, since a relay may be down for half an hour.
-- As the owner: invitations are an administrator's, or millracectl's.
CREATE OR REPLACE FUNCTION invitation_create(email text, days int, token_hash bytea, mails boolean) RETURNS invitation
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	i invitation;
BEGIN
	IF session_user = 'millrace_api' AND NOT caller_is_admin() THEN
		PERFORM refuse('FORBIDDEN', 'This needs an administrator.');
	ELSIF EXISTS (SELECT FROM app_user u WHERE lower(u.email) = lower($1)) THEN
		PERFORM refuse('CONFLICT', 'An account with this address exists already.');
	END IF;
	INSERT INTO invitation (email, created_by, expires_at, token_hashes)
	VALUES ($1, caller_id(), now() + make_interval(days => $2), ARRAY[$3]) RETURNING * INTO i;
	IF $4 AND $1 IS NOT NULL THEN
		PERFORM run_add(NULL, 'mail', jsonb_build_object('template', 'invitation', 'invitation', i.id), 10, 8);
	END IF;
	PERFORM audit(caller_id(), NULL, 'invited', jsonb_build_object('invitation', i.id));
	RETURN i;
END $$;
GRANT EXECUTE ON FUNCTION invitation_create TO millrace_api;

-- All invitations that are kept, newest first.
-- As the owner: they are nobody's rows until they are used.
CREATE OR REPLACE FUNCTION invitation_list(rows bigint, before uuid) RETURNS SETOF invitation
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN QUERY SELECT * FROM invitation i WHERE caller_is_admin() AND ($2 IS NULL OR i.id < $2) ORDER BY i.id DESC LIMIT $1;
END $$;
GRANT EXECUTE ON FUNCTION invitation_list TO millrace_api;

-- Withdraws an invitation: its links make no account any more. False where there is none.
-- As the owner: they are nobody's rows until they are used.
CREATE OR REPLACE FUNCTION invitation_withdraw(id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM invitation i WHERE i.id = $1 AND (session_user <> 'millrace_api' OR caller_is_admin());
	IF FOUND THEN
		PERFORM audit(caller_id(), NULL, 'invitation_withdrawn', jsonb_build_object('invitation', $1));
	END IF;
	RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION invitation_withdraw TO millrace_api;

-- Makes the token of a mail that is about to be sent valid, and returns the address to send it to:
-- no row where the lease is lost, NULL where the invitation was used or withdrawn. Tokens of
-- earlier attempts stay valid, since their mails may have arrived.
-- As the owner: it writes what is no role's.
CREATE OR REPLACE FUNCTION invitation_prepare(run_id uuid, runner text, attempt int, id uuid, token_hash bytea)
RETURNS TABLE (email text, days bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN;
	END IF;
	UPDATE invitation i SET token_hashes = i.token_hashes || $5 WHERE i.id = $4 AND i.used_at IS NULL AND i.expires_at > now()
	RETURNING i.email, ceil(extract(epoch FROM i.expires_at - now()) / 86400) INTO email, days;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION invitation_prepare TO millrace_runner;

-- May a new account be made? Refuses where not; else locks the invitation that it is made by and
-- returns its id, for invitation_use. NULL where none is needed and none was given that is good.
CREATE OR REPLACE FUNCTION registration_admit(registration text, token_hash bytea) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	found uuid;
BEGIN
	IF $1 = 'closed' THEN
		PERFORM refuse('FORBIDDEN', 'Registration is closed on this server.');
	END IF;
	SELECT i.id INTO found FROM invitation i
	WHERE i.token_hashes @> ARRAY[$2] AND i.used_at IS NULL AND i.expires_at > now() FOR UPDATE;
	IF found IS NULL AND $1 <> 'open' THEN
		PERFORM refuse('FORBIDDEN', CASE WHEN $2 IS NULL THEN 'An account on this server needs an invitation.'
			ELSE 'The invitation was used, has expired or was withdrawn; ask for a new one.' END);
	END IF;
	RETURN found;
END $$;

-- Notes who came by an invitation; its links are no good any more.
CREATE OR REPLACE FUNCTION invitation_use(id uuid, who uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE invitation i SET user_id = $2, used_at = now(), token_hashes = '{}' WHERE i.id = $1
$$;

-- An invitation that nobody used is kept for a month after its end, so that an administrator sees
-- what became of it; one that was used is kept as long as its user.
-- As the owner: it deletes what is no role's.
CREATE OR REPLACE FUNCTION invitation_sweep() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	DELETE FROM invitation i WHERE i.used_at IS NULL AND i.expires_at < now() - interval '30 days'
$$;
GRANT EXECUTE ON FUNCTION invitation_sweep TO millrace_runner;
