-- Before anyone is signed in: registering, passwords, sessions, resetting a password by a mailed
-- link.

-- Creates an account by address and password, where registration_admit allows it.
-- As the owner: password is no role's to read or write.
CREATE OR REPLACE FUNCTION user_register(email text, password_hash text, display_name text, registration text, invitation bytea)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	invited uuid := registration_admit($4, $5);
	new_id uuid;
BEGIN
	INSERT INTO app_user (email, display_name) VALUES ($1, $3)
	ON CONFLICT (lower(app_user.email)) DO NOTHING RETURNING id INTO new_id;
	IF new_id IS NULL THEN
		PERFORM refuse('CONFLICT', 'An account with this address exists already.');
	END IF;
	INSERT INTO password (user_id, hash) VALUES (new_id, $2);
	PERFORM invitation_use(invited, new_id);
	RETURN new_id;
END $$;
GRANT EXECUTE ON FUNCTION user_register TO millrace_api;

-- The subject of login_failure for an account's wrong passwords from one network, or from one
-- browser that has signed in to it before.
CREATE OR REPLACE FUNCTION login_subject_from(kind text, name text, origin text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT $1 || ' ' || split_part(login_subject($2), ' ', 2) || ' ' || coalesce($3, '-')
$$;

-- Seconds until a subject may try again, 0: now. From the fifth wrong password on each doubles the
-- wait, from one second to a quarter of an hour; a quarter of an hour without one resets the count.
CREATE OR REPLACE FUNCTION login_wait(subject text) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN coalesce((SELECT greatest(0, ceil(extract(epoch FROM
		f.last_at + least(900, power(2, least(f.failures, 20) - 5)) * interval '1 second' - now())))::int
		FROM login_failure f WHERE f.subject = $1 AND f.failures >= 5 AND f.last_at > now() - interval '15 minutes'), 0);
END $$;

-- The same where `most` wrong passwords are allowed in so many seconds, in any order; one expires
-- every `seconds` / `most`. `subject` NULL or `most` 0: nothing is counted.
CREATE OR REPLACE FUNCTION login_wait_shared(subject text, most int, seconds int) RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN coalesce((SELECT greatest(0, ceil((f.failures - ($2 - 1)) * $3 / $2
		- extract(epoch FROM now() - f.last_at)))::int
		FROM login_failure f WHERE $2 > 0 AND f.subject = $1), 0);
END $$;

-- Signing in by address or by name.
-- As the owner: password is no role's to read or write.
CREATE OR REPLACE FUNCTION user_for_login(email text) RETURNS TABLE (id uuid, password_hash text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT u.id, p.hash FROM app_user u JOIN password p ON p.user_id = u.id
	WHERE (lower(u.email) = lower($1) OR lower(u.username) = lower($1)) AND u.disabled_at IS NULL
	ORDER BY lower(u.email) = lower($1) DESC NULLS LAST LIMIT 1;
END $$;
GRANT EXECUTE ON FUNCTION user_for_login TO millrace_api;

-- Deletes what was counted for these subjects; locked in one order, so that two never wait for each
-- other.
CREATE OR REPLACE FUNCTION login_clear(subjects text[]) RETURNS void LANGUAGE sql VOLATILE AS $$
	DELETE FROM login_failure f WHERE f.subject = ANY (ARRAY(SELECT x.subject FROM login_failure x WHERE x.subject = ANY ($1)
		ORDER BY x.subject COLLATE "C" FOR UPDATE))
$$;

-- Forgets the wrong passwords for an account, wherever they came from.
CREATE OR REPLACE FUNCTION login_forget(email text, username text) RETURNS void LANGUAGE sql VOLATILE AS $$
	SELECT login_clear(ARRAY(SELECT f.subject FROM login_failure f WHERE split_part(f.subject, ' ', 2)
		IN (split_part(login_subject($1), ' ', 2), split_part(login_subject($2), ' ', 2))))
$$;

-- No row where the user is disabled. The row lock orders this against disabling: one of the two
-- waits.
-- As the owner: nobody is signed in yet whose row it would be.
CREATE OR REPLACE FUNCTION session_open(user_id uuid, lifetime interval)
RETURNS TABLE (session_id uuid, expires_at timestamptz, uid uuid, email text, display_name text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY WITH s AS (
		INSERT INTO session (user_id, expires_at) SELECT a.id, now() + $2 FROM app_user a
		WHERE a.id = $1 AND a.disabled_at IS NULL FOR SHARE RETURNING session.id, session.expires_at
	)
	SELECT s.id, s.expires_at, u.id, u.email, u.display_name FROM s, app_user u WHERE u.id = $1;
END $$;
GRANT EXECUTE ON FUNCTION session_open TO millrace_api;

-- Creates an account with a name to sign in by, and perhaps an address, where registration_admit
-- allows it. A name never looks like an address (the worker checks), so neither can be taken for
-- somebody else's.
-- As the owner: password is no role's to read or write.
CREATE OR REPLACE FUNCTION user_register_named(username text, password_hash text, email text, display_name text, registration text,
	invitation bytea)
RETURNS app_user LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	invited uuid := registration_admit($5, $6);
	u app_user;
BEGIN
	INSERT INTO app_user (username, email, display_name) VALUES ($1, $3, coalesce($4, $1))
	ON CONFLICT DO NOTHING RETURNING * INTO u;
	IF u.id IS NULL THEN
		PERFORM refuse('CONFLICT', 'An account with this name or address exists already.');
	END IF;
	INSERT INTO password (user_id, hash) VALUES (u.id, $2);
	PERFORM invitation_use(invited, u.id);
	RETURN u;
END $$;
GRANT EXECUTE ON FUNCTION user_register_named TO millrace_api;

-- At most five mails an hour for one account; further requests are ignored without a word.
-- As the owner: reset_request and password_reset are no role's.
CREATE OR REPLACE FUNCTION reset_request(email text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	INSERT INTO reset_request AS a (subject, email) VALUES (login_subject($1), $1)
	ON CONFLICT (subject) DO UPDATE SET
		email = CASE WHEN a.since < now() - interval '1 hour' OR a.requests < 5 THEN $1 ELSE a.email END,
		requests = CASE WHEN a.since < now() - interval '1 hour' THEN 1 ELSE least(a.requests + 1, 1000000) END,
		since = CASE WHEN a.since < now() - interval '1 hour' THEN now() ELSE a.since END;
	PERFORM pg_notify('millrace_periodic', 'resets');
END $$;
GRANT EXECUTE ON FUNCTION reset_request TO millrace_api;

-- For the runner: enqueues a mail for each request that has an account, and returns how many. Many
-- attempts, since a relay may be down for half an hour; before users' chats, since somebody waits
-- for it.
-- As the owner: reset_request and password_reset are no role's.
CREATE OR REPLACE FUNCTION reset_enqueue() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	a record;
	new_id uuid;
	n bigint := 0;
BEGIN
	FOR a IN SELECT r.subject, r.email FROM reset_request r WHERE r.email IS NOT NULL ORDER BY r.since LIMIT 100
		FOR UPDATE SKIP LOCKED LOOP
		UPDATE reset_request r SET email = NULL WHERE r.subject = a.subject;
		INSERT INTO run (owner_id, kind, input) SELECT u.id, 'mail', '{"template": "reset"}' FROM app_user u
		WHERE lower(u.email) = lower(a.email) AND u.disabled_at IS NULL AND u.role <> 'service' RETURNING id INTO new_id;
		CONTINUE WHEN NOT FOUND;
		INSERT INTO job (run_id, owner_id, kind, priority, max_attempts)
		SELECT new_id, r.owner_id, 'mail', 10, 8 FROM run r WHERE r.id = new_id;
		n := n + 1;
	END LOOP;
	IF n > 0 THEN
		PERFORM notify_durable('millrace_job', '');
	END IF;
	RETURN n;
END $$;
GRANT EXECUTE ON FUNCTION reset_enqueue TO millrace_runner;

-- Makes the token of a mail that is about to be sent valid, and returns the address to send it to:
-- no row where the lease is lost, NULL where the account or its address is gone. Tokens of earlier
-- attempts stay valid, since their mails may have arrived.
-- As the owner: reset_request and password_reset are no role's.
CREATE OR REPLACE FUNCTION reset_prepare(run_id uuid, runner text, attempt int, token_hash bytea) RETURNS TABLE (email text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
GRANT EXECUTE ON FUNCTION reset_prepare TO millrace_runner;

-- Deletes requests that were handled and tokens that have expired.
-- As the owner: reset_request and password_reset are no role's.
CREATE OR REPLACE FUNCTION reset_sweep() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	DELETE FROM reset_request a WHERE a.email IS NULL AND a.since < now() - interval '1 hour';
	DELETE FROM password_reset p WHERE p.expires_at < now()
$$;
GRANT EXECUTE ON FUNCTION reset_sweep TO millrace_runner;

-- Checks a token before the worker spends time on hashing a password.
-- As the owner: reset_request and password_reset are no role's.
CREATE OR REPLACE FUNCTION reset_is_valid(token_hash bytea) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN EXISTS (SELECT FROM password_reset p JOIN app_user u ON u.id = p.user_id
		WHERE p.token_hash = $1 AND p.expires_at > now() AND u.email = p.email AND u.disabled_at IS NULL);
END $$;
GRANT EXECUTE ON FUNCTION reset_is_valid TO millrace_api;

-- Sets a password, which ends every session, links for a new one, and the waits after wrong ones;
-- returns how many sessions that were open.
CREATE OR REPLACE FUNCTION password_set(u app_user, password_hash text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	DELETE FROM password_reset p WHERE p.user_id = u.id;
	INSERT INTO password AS w (user_id, hash) VALUES (u.id, $2)
	ON CONFLICT (user_id) DO UPDATE SET hash = $2, changed_at = now();
	WITH ended AS (
		UPDATE session s SET revoked_at = now() WHERE s.user_id = u.id AND s.revoked_at IS NULL RETURNING s.expires_at
	)
	SELECT count(*) INTO n FROM ended e WHERE e.expires_at > now();
	PERFORM login_forget(u.email, u.username);
	RETURN n;
END $$;

-- Uses a token, once: sets the password, ends every session and unlocks the account. Two at once
-- wait for each other at the user's row; the second finds no token.
-- As the owner: it writes what is no role's: password, password_reset.
CREATE OR REPLACE FUNCTION reset_confirm(token_hash bytea, password_hash text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
BEGIN
	SELECT w.* INTO u FROM app_user w WHERE w.disabled_at IS NULL
		AND w.id = (SELECT p.user_id FROM password_reset p WHERE p.token_hash = $1) FOR UPDATE;
	PERFORM FROM password_reset p
	WHERE p.token_hash = $1 AND p.user_id = u.id AND p.email = u.email AND p.expires_at > now();
	IF NOT FOUND THEN
		PERFORM refuse('BAD_REQUEST', 'The link has been used or is too old; ask for a new one.');
	END IF;
	PERFORM password_set(u, $2);
	-- Whoever registered with the address may have been a stranger: their keys end.
	IF u.email_verified_at IS NULL THEN
		UPDATE api_key k SET revoked_at = now() WHERE k.user_id = u.id AND k.revoked_at IS NULL;
	END IF;
	UPDATE app_user w SET email_verified_at = now() WHERE w.id = u.id;
END $$;
GRANT EXECUTE ON FUNCTION reset_confirm TO millrace_api;

-- Stores the same password under another cost; `old` is the hash it was just checked against. No
-- row where that has changed since.
-- As the owner: password is no role's to read or write.
CREATE OR REPLACE FUNCTION password_rehash(user_id uuid, old text, new text) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN QUERY UPDATE password p SET hash = $3 WHERE p.user_id = $1 AND p.hash = $2 RETURNING p.hash;
END $$;
GRANT EXECUTE ON FUNCTION password_rehash TO millrace_api;

-- Opens a session for a password that matched `hash`. No row where the hash has changed. The lock
-- makes a concurrent change of password wait, which then ends this session with the others.
-- As the owner: password is no role's to read or write.
CREATE OR REPLACE FUNCTION session_open_by_password(user_id uuid, hash text, lifetime interval)
RETURNS TABLE (session_id uuid, expires_at timestamptz, uid uuid, email text, display_name text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM FROM password p WHERE p.user_id = $1 AND p.hash = $2 FOR SHARE;
	IF FOUND THEN
		RETURN QUERY SELECT * FROM session_open($1, $3);
	END IF;
END $$;

-- Seconds until this caller may try the account again, and until anybody from the network `client`
-- may try any; 0: now. A browser that has signed in to the account before (`device`) waits for its
-- own wrong passwords alone, so that a stranger's lock nobody out. Everybody else waits for those
-- of the account that came from the same network, for a hundred an hour from everywhere, and for
-- `most` a quarter of an hour from the network, since many people may share one.
-- As the owner: workers only read login_failure through these.
CREATE OR REPLACE FUNCTION login_waits(name text, client text, device text, most int) RETURNS TABLE (account int, address int)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT CASE WHEN $3 IS NULL THEN greatest(login_wait(login_subject_from('network', $1, $2)), login_wait_shared(login_subject($1), 100, 3600))
		ELSE login_wait(login_subject_from('device', $1, $3)) END,
		CASE WHEN $3 IS NULL THEN login_wait_shared('address ' || $2, $4, 900) ELSE 0 END;
END $$;
GRANT EXECUTE ON FUNCTION login_waits TO millrace_api;

-- Counts a wrong password of a subject, as login_wait reads it; and as login_wait_shared does.
CREATE OR REPLACE FUNCTION login_count(subject text) RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO login_failure AS f (subject, failures) VALUES ($1, 1)
	ON CONFLICT (subject) DO UPDATE SET last_at = now(),
		failures = CASE WHEN f.last_at < now() - interval '15 minutes' THEN 1 ELSE f.failures + 1 END
$$;
CREATE OR REPLACE FUNCTION login_count_shared(subject text, most int, seconds int) RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO login_failure AS f (subject, failures) SELECT $1, 1 WHERE $1 IS NOT NULL AND $2 > 0
	ON CONFLICT (subject) DO UPDATE SET last_at = now(),
		failures = 1 + greatest(0, f.failures - extract(epoch FROM now() - f.last_at) * $2 / $3)
$$;

-- Counts a wrong password, where nobody has to wait. Returns the waits as of before, so that those
-- among concurrent attempts that are too many learn nothing about the password.
-- As the owner: workers only read login_failure through these.
CREATE OR REPLACE FUNCTION login_failed(name text, client text, device text, most int) RETURNS TABLE (account int, address int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	SELECT w.account, w.address INTO account, address FROM login_waits($1, $2, $3, $4) w;
	IF account = 0 AND address = 0 AND $3 IS NOT NULL THEN
		PERFORM login_count(login_subject_from('device', $1, $3));
	ELSIF account = 0 AND address = 0 THEN
		-- By subject, as login_clear locks them.
		PERFORM login_count_shared(login_subject($1), 100, 3600);
		PERFORM login_count_shared('address ' || $2, $4, 900);
		PERFORM login_count(login_subject_from('network', $1, $2));
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION login_failed TO millrace_api;

-- Opens a session for a password that matched `hash`, unless somebody has to wait by now: then the
-- waits and no session. No row where the hash has changed. Clears what was counted for the account
-- and this caller, but not for the network: an attacker may have an account, too.
-- As the owner: workers only read login_failure through these.
CREATE OR REPLACE FUNCTION session_open_by_login(user_id uuid, name text, hash text, lifetime interval, client text, device text, most int)
RETURNS TABLE (account int, address int, session_id uuid, expires_at timestamptz, uid uuid, email text, display_name text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	SELECT w.account, w.address INTO account, address FROM login_waits($2, $5, $6, $7) w;
	IF account > 0 OR address > 0 THEN
		RETURN NEXT;
		RETURN;
	END IF;
	SELECT s.* INTO session_id, expires_at, uid, email, display_name FROM session_open_by_password($1, $3, $4) s;
	IF FOUND THEN
		PERFORM login_clear(CASE WHEN $6 IS NULL
			THEN ARRAY[login_subject($2), login_subject_from('network', $2, $5)]
			ELSE ARRAY[login_subject_from('device', $2, $6)] END);
		RETURN NEXT;
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION session_open_by_login TO millrace_api;
