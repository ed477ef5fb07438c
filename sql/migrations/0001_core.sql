-- Who there is, and what every later table stands on: identifiers, the caller, users, sessions, processes, idempotency.

CREATE TABLE migration (
	version		int PRIMARY KEY,
	name		text NOT NULL,
	sha256		text NOT NULL,
	applied_at	timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON migration TO millrace_api, millrace_stream, millrace_runner;

-- RFC 9562 version 7: 48 bits of Unix milliseconds, then random bits; so ids sort by time of creation.
CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
	SELECT encode(set_bit(set_bit(
		overlay(uuid_send(gen_random_uuid())
			PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
			FROM 1 FOR 6),
		52, 1), 53, 1), 'hex')::uuid
$$;

-- RFC 3339 in UTC with milliseconds: how every time goes out.
CREATE FUNCTION rfc3339(t timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- The user on whose behalf this transaction runs; every policy below asks it. NULL where nobody is signed in.
CREATE FUNCTION caller_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT nullif(current_setting('millrace.caller', true), '')::uuid
$$;

-- SQLSTATE MRnnn carries an HTTP status, and its message is meant for the client (the worker's err table).
CREATE FUNCTION refuse(status int, message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'MR' || status, MESSAGE = message;
END $$;

CREATE TABLE app_user (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	email		text,
	display_name	text NOT NULL DEFAULT '',
	role		text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin', 'service')),
	timezone	text NOT NULL DEFAULT 'UTC',
	assistant_name	text NOT NULL DEFAULT 'Assistant',
	interests	text[] NOT NULL DEFAULT '{}',
	balance_usd	numeric NOT NULL DEFAULT 0,	-- the ledger's sum, changed in the ledger's own transaction
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	disabled_at	timestamptz
);
CREATE UNIQUE INDEX app_user_email ON app_user (lower(email));
ALTER TABLE app_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app_user TO millrace_api USING (id = caller_id());
GRANT SELECT, UPDATE (display_name, timezone, assistant_name, interests, updated_at) ON app_user TO millrace_api;
GRANT SELECT, UPDATE ON app_user TO millrace_runner;

-- Argon2id hashes, apart from app_user, so that no role but the owner's functions can read them.
CREATE TABLE password (
	user_id		uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	hash		text NOT NULL,
	changed_at	timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE session (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	user_id		uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	created_at	timestamptz NOT NULL DEFAULT now(),
	expires_at	timestamptz NOT NULL,
	revoked_at	timestamptz
);
CREATE INDEX session_owner ON session (user_id);
ALTER TABLE session ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON session TO millrace_api USING (user_id = caller_id());
GRANT SELECT, UPDATE (revoked_at) ON session TO millrace_api;
GRANT SELECT, DELETE ON session TO millrace_runner;

-- First statement of every request of a signed-in caller: makes the session's user the transaction's caller. It raises, so
-- that nothing after it in the same implicit transaction runs, where the session is over (401) or the role too low (403).
-- It is a third of what such a request costs here, hence one table, no statement more than needed, and tables named with their
-- schema, which is as safe as SET search_path and cheaper.
CREATE FUNCTION caller_session(session_id uuid, needs_admin boolean) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	caller text;
BEGIN
	SELECT set_config('millrace.caller', s.user_id::text, true) INTO caller
	FROM public.session s WHERE s.id = session_id AND s.revoked_at IS NULL AND s.expires_at > now();
	IF caller IS NULL THEN
		PERFORM public.refuse(401, 'The session has ended; sign in again.');
	ELSIF needs_admin THEN	-- by itself: with the query beside it, the expression would be a query for everybody
		IF NOT EXISTS (SELECT FROM public.app_user u WHERE u.id = caller::uuid AND u.role = 'admin') THEN
			PERFORM public.refuse(403, 'This needs an administrator.');
		END IF;
	END IF;
END $$;

-- A disabled user's sessions end with that, so that a session alone says whether it lasts.
CREATE FUNCTION user_disabled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	UPDATE session SET revoked_at = now() WHERE user_id = NEW.id AND revoked_at IS NULL;
	RETURN NULL;
END $$;
CREATE TRIGGER user_disabled AFTER UPDATE OF disabled_at ON app_user FOR EACH ROW WHEN (NEW.disabled_at IS NOT NULL)
	EXECUTE FUNCTION user_disabled();

-- The two things that happen before anyone is signed in.
CREATE FUNCTION user_register(email text, password_hash text, display_name text)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	new_id uuid;
BEGIN
	INSERT INTO app_user (email, display_name) VALUES ($1, $3)
	ON CONFLICT (lower(app_user.email)) DO NOTHING RETURNING id INTO new_id;
	IF new_id IS NULL THEN
		PERFORM refuse(409, 'An account with this address exists already.');
	END IF;
	INSERT INTO password (user_id, hash) VALUES (new_id, $2);
	RETURN new_id;
END $$;

-- Wrong passwords, by account (whether it exists or not) and by address. From the fifth on each doubles the wait, from one second
-- to a quarter of an hour; a quarter of an hour without one forgets them. Unlogged: a crash forgives.
CREATE UNLOGGED TABLE login_failure (
	subject		text PRIMARY KEY,		-- "account <sha256 of the address in lower case>"
	failures	int NOT NULL,
	last_at		timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, DELETE ON login_failure TO millrace_runner;

CREATE FUNCTION login_subject(email text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT 'account ' || encode(sha256(convert_to(lower(email), 'UTF8')), 'hex')
$$;

-- Seconds until the account may be tried again; 0: now.
CREATE FUNCTION login_wait(email text) RETURNS int LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT coalesce((SELECT greatest(0, ceil(extract(epoch FROM
		f.last_at + least(900, power(2, least(f.failures, 20) - 5)) * interval '1 second' - now())))::int
		FROM login_failure f
		WHERE f.subject = login_subject(email) AND f.failures >= 5 AND f.last_at > now() - interval '15 minutes'), 0)
$$;

CREATE FUNCTION login_failed(email text) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public AS $$
	INSERT INTO login_failure AS f (subject, failures) VALUES (login_subject(email), 1)
	ON CONFLICT (subject) DO UPDATE SET last_at = now(),
		failures = CASE WHEN f.last_at < now() - interval '15 minutes' THEN 1 ELSE f.failures + 1 END
$$;

CREATE FUNCTION user_for_login(email text) RETURNS TABLE (id uuid, password_hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT u.id, p.hash FROM app_user u JOIN password p ON p.user_id = u.id
	WHERE lower(u.email) = lower($1) AND u.disabled_at IS NULL
$$;

-- A session for someone whose password was right: what was wrong before is forgiven.
CREATE FUNCTION login_succeeded(email text) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public AS $$
	DELETE FROM login_failure f WHERE f.subject = login_subject(email)
$$;

-- No row where the user is disabled; the row lock makes one that is being disabled wait, or us.
CREATE FUNCTION session_open(user_id uuid, lifetime interval)
RETURNS TABLE (session_id uuid, expires_at timestamptz, uid uuid, email text, display_name text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public AS $$
	WITH s AS (
		INSERT INTO session (user_id, expires_at) SELECT a.id, now() + $2 FROM app_user a
		WHERE a.id = $1 AND a.disabled_at IS NULL FOR SHARE RETURNING session.id, session.expires_at
	)
	SELECT s.id, s.expires_at, u.id, u.email, u.display_name FROM s, app_user u WHERE u.id = $1
$$;

-- Idempotency-Key: the first reply is kept as the columns of the row that the answer's half was given, so that a repeat
-- takes the same way out. body_mac is an HMAC, since bodies hold passwords.
CREATE TABLE idempotency (
	owner_id	uuid NOT NULL,
	key		text NOT NULL,
	body_mac	bytea NOT NULL,
	reply		text[],
	created_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (owner_id, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON idempotency TO millrace_api
	USING (owner_id = coalesce(caller_id(), '00000000-0000-0000-0000-000000000000'));
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency TO millrace_api;
GRANT SELECT, DELETE ON idempotency TO millrace_runner;

-- Claims the key for this transaction. A concurrent claim of the same key waits here until the first has committed. Raises
-- MR409 where the key came with another body and MRIDM (which ends the transaction before the handler's statement) where
-- there is a reply to repeat; returns where the handler's statement is to run.
CREATE FUNCTION idempotency_claim(key text, body_mac bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	owner uuid := coalesce(caller_id(), '00000000-0000-0000-0000-000000000000');
	found idempotency;
BEGIN
	DELETE FROM idempotency i WHERE i.owner_id = owner AND i.key = $1 AND i.created_at < now() - interval '24 hours';
	INSERT INTO idempotency (owner_id, key, body_mac) VALUES (owner, $1, $2) ON CONFLICT DO NOTHING;
	SELECT * INTO found FROM idempotency i WHERE i.owner_id = owner AND i.key = $1 FOR UPDATE;
	IF found.body_mac <> $2 THEN
		PERFORM refuse(409, 'This Idempotency-Key was used with another request.');
	END IF;
	IF found.reply IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'MRIDM', MESSAGE = 'repeated';
	END IF;
END $$;

-- Keeps the row that a claimed request was answered with; part of the same statement as the work itself.
CREATE FUNCTION idempotency_keep(key text, reply_row json) RETURNS void LANGUAGE sql AS $$
	UPDATE idempotency SET reply = (SELECT array_agg(e.value ORDER BY e.n)
		FROM json_each_text(reply_row) WITH ORDINALITY AS e (name, value, n))
	WHERE owner_id = coalesce(caller_id(), '00000000-0000-0000-0000-000000000000') AND idempotency.key = $1
$$;

-- What is running where: each process keeps its row fresh. Lost at a crash, rightly.
CREATE UNLOGGED TABLE process (
	host		text NOT NULL,
	role		text NOT NULL,		-- the pool's name, streamd or runner
	pid		int NOT NULL,
	version		text NOT NULL,
	started_at	timestamptz NOT NULL,
	seen_at		timestamptz NOT NULL DEFAULT now(),
	stats		jsonb NOT NULL DEFAULT '{}',	-- counters by their Prometheus names
	PRIMARY KEY (host, role, pid)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON process TO millrace_api, millrace_stream, millrace_runner;

CREATE FUNCTION process_seen(host text, role text, pid int, version text, started_at timestamptz, stats jsonb)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO process AS p VALUES ($1, $2, $3, $4, $5, now(), $6)
	ON CONFLICT ON CONSTRAINT process_pkey DO UPDATE
	SET version = $4, started_at = $5, seen_at = now(), stats = $6
$$;
