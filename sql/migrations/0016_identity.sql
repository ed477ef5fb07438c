-- Wrong passwords counted by the address that they come from, too; and checkpoints of the audit chain that the runner signs.

-- A count by address runs off while it is not fed, hence the fractions. Its subject: "address 192.0.2.7", "address 2001:db8:1:2::/64".
ALTER TABLE login_failure ALTER COLUMN failures TYPE double precision;

-- Seconds until the account, and until anybody from the address `client`, may be tried again; 0: now. Many people may share an
-- address, so it has `most` wrong passwords in a quarter of an hour, in any order, of which one runs off every 900 / `most` seconds;
-- whoever has used them up waits for that. `client` NULL or `most` 0: addresses do not count.
CREATE FUNCTION login_waits(name text, client text, most int) RETURNS TABLE (account int, address int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT login_wait($1), coalesce((SELECT greatest(0, ceil((f.failures - ($3 - 1)) * 900 / $3
		- extract(epoch FROM now() - f.last_at)))::int
		FROM login_failure f WHERE $3 > 0 AND f.subject = 'address ' || $2), 0)
$$;

-- A wrong password: counts for both where neither has to wait. What it returns is as of before, so that of several that came at once
-- those that are too many hear nothing about the password.
CREATE FUNCTION login_failed(name text, client text, most int) RETURNS TABLE (account int, address int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	SELECT w.account, w.address INTO account, address FROM login_waits($1, $2, $3) w;
	IF account = 0 AND address = 0 THEN
		PERFORM login_failed($1);
		INSERT INTO login_failure AS f (subject, failures) SELECT 'address ' || $2, 1 WHERE $2 IS NOT NULL AND $3 > 0
		ON CONFLICT (subject) DO UPDATE SET last_at = now(),
			failures = 1 + greatest(0, f.failures - extract(epoch FROM now() - f.last_at) * $3 / 900);
	END IF;
	RETURN NEXT;
END $$;

-- A session for a password that matched `hash`, where neither has to wait by now; else the waits and no session. No row where the
-- hash is another by now. What was wrong before is forgiven the account, but not the address: whoever guesses has an account, too.
CREATE FUNCTION session_open_by_login(user_id uuid, name text, hash text, lifetime interval, client text, most int)
RETURNS TABLE (account int, address int, session_id uuid, expires_at timestamptz, uid uuid, email text, display_name text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	SELECT w.account, w.address INTO account, address FROM login_waits($2, $5, $6) w;
	IF account > 0 OR address > 0 THEN
		RETURN NEXT;
		RETURN;
	END IF;
	SELECT s.* INTO session_id, expires_at, uid, email, display_name FROM session_open_by_password($1, $3, $4) s;
	IF FOUND THEN
		PERFORM login_succeeded($2);
		RETURN NEXT;
	END IF;
END $$;
REVOKE EXECUTE ON FUNCTION login_waits, login_failed(text, text, int), session_open_by_login FROM PUBLIC;
GRANT EXECUTE ON FUNCTION login_waits, login_failed(text, text, int), session_open_by_login TO millrace_api;

-- The first statement of every signed-in request, again (caller_session() stays, for streams and for workers of the release before). A third of such
-- a request's time went into a function written in PL/pgSQL, hence a view that reads the sessions that last with its owner's
-- rights: of each, the id, which opens nothing without a signature, and whose it is. The functions run where a request is refused,
-- and where an administrator is asked for.
CREATE VIEW session_alive AS
	SELECT s.id, s.user_id FROM session s WHERE s.revoked_at IS NULL AND s.expires_at > now();
GRANT SELECT ON session_alive TO millrace_api;

CREATE FUNCTION user_is_admin(user_id uuid) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public AS $$
BEGIN
	RETURN EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.role = 'admin');
END $$;

CREATE FUNCTION session_refused(session_id uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM session_alive s WHERE s.id = $1) THEN
		PERFORM refuse(403, 'This needs an administrator.');
	END IF;
	PERFORM refuse(401, 'The session has ended; sign in again.');
END $$;
REVOKE EXECUTE ON FUNCTION user_is_admin, session_refused FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_is_admin, session_refused TO millrace_api;

-- Two more events for the chain: an external token that was signed out, and a first password for an account that had none.
CREATE FUNCTION identity_event_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	IF TG_TABLE_NAME = 'token_denied' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'logout', jsonb_build_object('token', encode(NEW.hash, 'hex')));
	ELSIF NOT EXISTS (SELECT FROM app_user u WHERE u.id = NEW.user_id AND u.created_at = now()) THEN
		PERFORM audit(caller_id(), NEW.user_id, 'password_changed', '{"first": true}');
	END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER token_denied_told AFTER INSERT ON token_denied DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION identity_event_told();
CREATE CONSTRAINT TRIGGER password_told AFTER INSERT ON password DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION identity_event_told();

-- Checkpoints: the runner signs (Ed25519, RFC 8032) how the chain ends, every so many rows or seconds. Whoever rewrites the chain as a
-- whole, or cuts off its end, cannot sign what is left. The private keys are the runners' alone.
CREATE TABLE audit_key (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	public_key	bytea NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
	created_at	timestamptz NOT NULL DEFAULT now(),
	retired_at	timestamptz
);
CREATE UNIQUE INDEX audit_key_in_force ON audit_key ((true)) WHERE retired_at IS NULL;

CREATE TABLE audit_checkpoint (
	n		bigint PRIMARY KEY,		-- 1, 2, 3 …
	seq		bigint NOT NULL,		-- the chain's last row then
	hash		bytea NOT NULL,			-- and its hash
	at		timestamptz NOT NULL,
	key_id		uuid NOT NULL REFERENCES audit_key,
	signature	bytea NOT NULL CHECK (octet_length(signature) = 64)	-- of what lib/checkpoint.c writes of the rest
);
CREATE TRIGGER audit_fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoint
	FOR EACH STATEMENT EXECUTE FUNCTION audit_fixed();

-- What a runner has to know before it signs: the last checkpoint (0 and NULL: there is none), whether its row is still as it was
-- signed, the chain's last row, how long the oldest row behind the checkpoint has waited, and the key in force.
CREATE FUNCTION audit_state() RETURNS TABLE (n bigint, seq bigint, hash text, kept boolean, last_seq bigint, last_hash text,
	waited_s bigint, public_key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	WITH c AS (SELECT * FROM audit_checkpoint k ORDER BY k.n DESC LIMIT 1), l AS (SELECT * FROM audit_log r ORDER BY r.seq DESC LIMIT 1)
	SELECT coalesce(c.n, 0), coalesce(c.seq, 0), encode(c.hash, 'hex'),
		c.n IS NULL OR EXISTS (SELECT FROM audit_log r WHERE r.seq = c.seq AND r.hash = c.hash),
		coalesce(l.seq, 0), encode(l.hash, 'hex'),
		coalesce((SELECT extract(epoch FROM now() - r.at) FROM audit_log r WHERE r.seq > coalesce(c.seq, 0) ORDER BY r.seq LIMIT 1), 0)::bigint,
		(SELECT encode(k.public_key, 'hex') FROM audit_key k WHERE k.retired_at IS NULL)
	FROM (VALUES (1)) one LEFT JOIN c ON true LEFT JOIN l ON true
$$;

-- audit_verify() for the rows behind `after` alone, which itself is taken to be right; for a runner that signs those.
CREATE FUNCTION audit_verify_after(after bigint) RETURNS TABLE (seq bigint, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	WITH walked AS (
		SELECT l.seq, CASE
			WHEN l.seq <> 1 + coalesce(lag(l.seq) OVER overall, 0) THEN 'the row before it is missing'
			WHEN l.prev <> coalesce(lag(l.hash) OVER overall, decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it'
			WHEN l.subject IS NOT NULL AND l.subject_prev <> coalesce((SELECT p.hash FROM audit_log p
				WHERE p.subject = l.subject AND p.seq < l.seq ORDER BY p.seq DESC LIMIT 1), decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it about the same user'
			WHEN l.hash <> audit_hash(l) THEN 'its content was changed'
		END AS problem
		FROM audit_log l WHERE l.seq >= $1 WINDOW overall AS (ORDER BY l.seq)
	)
	SELECT w.seq, w.problem FROM walked w WHERE w.problem IS NOT NULL AND w.seq > $1 ORDER BY w.seq LIMIT 1
$$;

-- Keeps a checkpoint. False where another runner was faster.
CREATE FUNCTION audit_checkpoint_add(n bigint, seq bigint, hash bytea, at_us bigint, public_key bytea, signature bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	INSERT INTO audit_checkpoint (n, seq, hash, at, key_id, signature)
	SELECT $1, $2, $3, timestamptz 'epoch' + $4 * interval '1 microsecond', k.id, $6 FROM audit_key k
	WHERE k.public_key = $5 AND k.retired_at IS NULL AND $1 = 1 + coalesce((SELECT max(c.n) FROM audit_checkpoint c), 0)
	ON CONFLICT DO NOTHING;
	RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION audit_state, audit_verify_after, audit_checkpoint_add FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_state, audit_verify_after, audit_checkpoint_add TO millrace_runner;

-- A new key comes into force, and the one before is retired. With `first` only where there is none yet. NULL: not done.
CREATE FUNCTION audit_key_add(public_key bytea, first boolean) RETURNS uuid LANGUAGE plpgsql AS $$
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
