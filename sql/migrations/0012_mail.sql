-- Resetting a password by a mailed link.

-- Who asked for it, by what login_subject() makes of the address. A request does the same for every address, so that neither its
-- words nor its time tell whether there is an account; the runner finds that out a moment later (reset_take).
CREATE TABLE reset_ask (
	subject		text PRIMARY KEY,
	email		text,				-- waits for the runner; NULL once it was taken
	asks		int NOT NULL DEFAULT 1,		-- since then
	since		timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reset_ask_waiting ON reset_ask (since) WHERE email IS NOT NULL;

-- What a mailed link is good for. The token itself is nowhere in the database: the runner makes it when it writes the mail, so
-- that nobody who reads tables, queues or backups can use one.
CREATE TABLE password_reset (
	token_hash	bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),	-- SHA-256
	user_id		uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	email		text NOT NULL,			-- where it went: an account that has another address by then is not its
	expires_at	timestamptz NOT NULL
);
CREATE INDEX password_reset_user ON password_reset (user_id);

-- When the address was shown to be the user's. Own registration does not show it, a mailed link that was used does.
ALTER TABLE app_user ADD COLUMN IF NOT EXISTS email_verified_at timestamptz;

-- A mail is work on a user's behalf, but not the user's own run: workers do not see it.
CREATE POLICY not_mail ON run AS RESTRICTIVE TO millrace_api USING (kind <> 'mail');

-- Five mails an hour for one account; more is passed over in silence.
CREATE FUNCTION reset_ask(email text) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public AS $$
	INSERT INTO reset_ask AS a (subject, email) VALUES (login_subject($1), $1)
	ON CONFLICT (subject) DO UPDATE SET
		email = CASE WHEN a.since < now() - interval '1 hour' OR a.asks < 5 THEN $1 ELSE a.email END,
		asks = CASE WHEN a.since < now() - interval '1 hour' THEN 1 ELSE least(a.asks + 1, 1000000) END,
		since = CASE WHEN a.since < now() - interval '1 hour' THEN now() ELSE a.since END
$$;

-- The runner's part: a mail for each that asked and has an account. Returns how many. A relay may be away for half an hour, hence
-- the many attempts; before a user's chats, since somebody waits for it.
CREATE FUNCTION reset_take() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	a record;
	new_id uuid;
	n bigint := 0;
BEGIN
	FOR a IN SELECT r.subject, r.email FROM reset_ask r WHERE r.email IS NOT NULL ORDER BY r.since LIMIT 100
		FOR UPDATE SKIP LOCKED LOOP
		UPDATE reset_ask r SET email = NULL WHERE r.subject = a.subject;
		INSERT INTO run (owner_id, kind, input) SELECT u.id, 'mail', '{"template": "reset"}' FROM app_user u
		WHERE lower(u.email) = lower(a.email) AND u.disabled_at IS NULL AND u.role <> 'service' RETURNING id INTO new_id;
		CONTINUE WHEN NOT FOUND;
		INSERT INTO job (run_id, owner_id, kind, priority, max_attempts)
		SELECT new_id, r.owner_id, 'mail', 10, 8 FROM run r WHERE r.id = new_id;
		n := n + 1;
	END LOOP;
	IF n > 0 THEN
		PERFORM pg_notify('millrace_job', '');
	END IF;
	RETURN n;
END $$;

-- The token of a mail that is about to be sent is good from now on, and the address to send it to: no row where the lease is lost,
-- NULL where there is nobody to write to any more. Tokens of earlier attempts stay good, since their mails may have arrived.
CREATE FUNCTION reset_prepare(run_id uuid, runner text, attempt int, token_hash bytea) RETURNS TABLE (email text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	u app_user;
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN;
	END IF;
	SELECT w.* INTO u FROM run r JOIN app_user w ON w.id = r.owner_id
	WHERE r.id = $1 AND w.disabled_at IS NULL AND w.email IS NOT NULL;
	IF FOUND THEN
		INSERT INTO password_reset (token_hash, user_id, email, expires_at)
		VALUES ($4, u.id, u.email, now() + interval '1 hour') ON CONFLICT DO NOTHING;
	END IF;
	email := u.email;
	RETURN NEXT;
END $$;

CREATE FUNCTION reset_sweep() RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public AS $$
	DELETE FROM reset_ask a WHERE a.email IS NULL AND a.since < now() - interval '1 hour';
	DELETE FROM password_reset p WHERE p.expires_at < now()
$$;

-- Whether a token is worth hashing a password for.
CREATE FUNCTION reset_is_valid(token_hash bytea) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT EXISTS (SELECT FROM password_reset p JOIN app_user u ON u.id = p.user_id
		WHERE p.token_hash = $1 AND p.expires_at > now() AND u.email = p.email AND u.disabled_at IS NULL)
$$;

-- Uses a token, once: the password is another, every session has ended, and so has the account's lock. Two at once wait for each
-- other at the user's row; the second one finds no token.
CREATE FUNCTION reset_confirm(token_hash bytea, password_hash text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	u app_user;
BEGIN
	SELECT w.* INTO u FROM app_user w WHERE w.disabled_at IS NULL
		AND w.id = (SELECT p.user_id FROM password_reset p WHERE p.token_hash = $1) FOR UPDATE;
	PERFORM FROM password_reset p
	WHERE p.token_hash = $1 AND p.user_id = u.id AND p.email = u.email AND p.expires_at > now();
	IF NOT FOUND THEN
		PERFORM refuse(400, 'The link has been used or is too old; ask for a new one.');
	END IF;
	DELETE FROM password_reset p WHERE p.user_id = u.id;
	INSERT INTO password AS w (user_id, hash) VALUES (u.id, $2)
	ON CONFLICT (user_id) DO UPDATE SET hash = $2, changed_at = now();
	UPDATE session s SET revoked_at = now() WHERE s.user_id = u.id AND s.revoked_at IS NULL;
	DELETE FROM login_failure f WHERE f.subject IN (login_subject(u.email), login_subject(u.username));
	-- Whoever registered with the address may have been a stranger: what they could still come in by ends.
	IF u.email_verified_at IS NULL THEN
		UPDATE api_key k SET revoked_at = now() WHERE k.user_id = u.id AND k.revoked_at IS NULL;
	END IF;
	UPDATE app_user w SET email_verified_at = now() WHERE w.id = u.id;
END $$;

-- The same password under another cost: `old` is the hash that it was just checked against. No row where that has changed since.
CREATE FUNCTION password_rehash(user_id uuid, old text, new text) RETURNS SETOF text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public AS $$
	UPDATE password p SET hash = $3 WHERE p.user_id = $1 AND p.hash = $2 RETURNING p.hash
$$;

-- A session for a password that matched `hash`. No row where the hash is another by now; and one that changes meanwhile waits for us,
-- and then ends this session with the others.
CREATE FUNCTION session_open_by_password(user_id uuid, hash text, lifetime interval)
RETURNS TABLE (session_id uuid, expires_at timestamptz, uid uuid, email text, display_name text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	PERFORM FROM password p WHERE p.user_id = $1 AND p.hash = $2 FOR SHARE;
	IF FOUND THEN
		RETURN QUERY SELECT * FROM session_open($1, $3);
	END IF;
END $$;

REVOKE EXECUTE ON FUNCTION reset_take, reset_prepare, reset_sweep FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reset_take, reset_prepare, reset_sweep TO millrace_runner;
REVOKE EXECUTE ON FUNCTION reset_ask, reset_is_valid, reset_confirm, password_rehash, session_open_by_password FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reset_ask, reset_is_valid, reset_confirm, password_rehash, session_open_by_password TO millrace_api;
