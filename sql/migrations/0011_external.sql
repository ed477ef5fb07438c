-- Callers whom somebody else has signed in (Clerk, Supabase): their identities, the keys that their tokens are checked by, the tokens
-- that were signed out; and API_JWT_SECRET's rotation for Idempotency-Key.

-- When somebody whose word counts said that the address is this user's. Own registration does not say so.
ALTER TABLE app_user ADD COLUMN IF NOT EXISTS email_verified_at timestamptz;

CREATE TABLE external_identity (
	provider	text NOT NULL,		-- clerk, supabase …
	subject		text NOT NULL,		-- the provider's name for its user
	user_id		uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	email		text,			-- as the provider first gave it, verified or not
	created_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (provider, subject)
);
CREATE INDEX external_identity_user ON external_identity (user_id);
ALTER TABLE external_identity ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON external_identity TO millrace_api USING (user_id = caller_id());
GRANT SELECT ON external_identity TO millrace_api, millrace_runner;

-- Tokens that were signed out, until they would end by themselves. The hash is of what is signed and not of the signature, which
-- can be written in more than one way (ECDSA). It outlives its user, or the token would make that user again.
CREATE TABLE token_denied (
	hash		bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
	user_id		uuid NOT NULL,
	expires_at	timestamptz NOT NULL
);
CREATE INDEX token_denied_end ON token_denied (expires_at);
ALTER TABLE token_denied ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON token_denied TO millrace_api USING (user_id = caller_id());
GRANT SELECT, INSERT ON token_denied TO millrace_api;
GRANT SELECT, DELETE ON token_denied TO millrace_runner;

-- Public keys, by the issuer that they sign for: keys of an issuer that is no longer configured are of no use to anyone.
CREATE TABLE jwks (
	issuer		text NOT NULL,
	kid		text NOT NULL,
	jwk		jsonb NOT NULL,
	PRIMARY KEY (issuer, kid)
);
CREATE TABLE jwks_source (
	issuer		text PRIMARY KEY,
	asked_at	timestamptz,		-- a worker met a key that is not here
	tried_at	timestamptz,		-- a runner last went to fetch
	fetched_at	timestamptz		-- and last came back with keys
);
GRANT SELECT ON jwks TO millrace_api, millrace_stream;
GRANT SELECT, INSERT, UPDATE, DELETE ON jwks, jwks_source TO millrace_runner;

-- A worker met an unknown key. However many ask: once in `pause` seconds a runner is woken.
CREATE FUNCTION jwks_ask(issuer text, pause int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	INSERT INTO jwks_source AS s (issuer, asked_at) VALUES ($1, now())
	ON CONFLICT ON CONSTRAINT jwks_source_pkey DO UPDATE SET asked_at = now()
	WHERE s.asked_at IS NULL OR s.asked_at < now() - make_interval(secs => $2);
	IF FOUND THEN
		PERFORM pg_notify('millrace_jwks_wanted', $1);
	END IF;
END $$;

-- Is it this runner's turn to fetch? Every `every` seconds, when a worker has asked, and `again` seconds after a failure.
CREATE FUNCTION jwks_claim(issuer text, every int, again int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO jwks_source AS s (issuer, tried_at) VALUES ($1, now())
	ON CONFLICT ON CONSTRAINT jwks_source_pkey DO UPDATE SET tried_at = now()
	WHERE s.tried_at IS NULL OR s.asked_at > s.tried_at OR s.tried_at < now() - make_interval(secs => $2)
		OR ((s.fetched_at IS NULL OR s.fetched_at < s.tried_at) AND s.tried_at < now() - make_interval(secs => $3));
	RETURN FOUND;
END $$;

-- The whole set of an issuer's keys, [{"kid", "jwk"}]: what is not in it is withdrawn. True, and workers hear of it, where it differs.
CREATE FUNCTION jwks_store(issuer text, keys jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	differs boolean;
BEGIN
	DELETE FROM jwks j WHERE j.issuer = $1
		AND NOT EXISTS (SELECT FROM jsonb_array_elements(keys) k WHERE k ->> 'kid' = j.kid);
	differs := FOUND;
	INSERT INTO jwks AS j (issuer, kid, jwk)
	SELECT DISTINCT ON (k ->> 'kid') $1, k ->> 'kid', k -> 'jwk' FROM jsonb_array_elements(keys) k
	ON CONFLICT ON CONSTRAINT jwks_pkey DO UPDATE SET jwk = excluded.jwk WHERE j.jwk <> excluded.jwk;
	differs := differs OR FOUND;
	UPDATE jwks_source s SET fetched_at = now() WHERE s.issuer = $1;
	IF differs THEN
		PERFORM pg_notify('millrace_jwks', $1);
	END IF;
	RETURN differs;
END $$;

-- The first token of somebody: a new user, or the one whose address the provider has verified to be theirs. However many come at
-- once, one user comes of it. An unverified address is noted with the identity and is nobody's.
CREATE FUNCTION external_first_sight(provider text, subject text, email text, email_verified boolean, name text)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	who uuid;
	proven boolean;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0));
	SELECT i.user_id INTO who FROM external_identity i WHERE i.provider = $1 AND i.subject = $2;
	IF who IS NOT NULL THEN
		RETURN who;
	END IF;
	INSERT INTO app_user (email, email_verified_at, display_name)
	VALUES (CASE WHEN $4 THEN $3 END, CASE WHEN $4 AND $3 IS NOT NULL THEN now() END,
		coalesce($5, split_part($3, '@', 1), ''))
	ON CONFLICT DO NOTHING RETURNING id INTO who;
	IF who IS NULL THEN
		SELECT u.id, u.email_verified_at IS NOT NULL INTO who, proven
		FROM app_user u WHERE lower(u.email) = lower($3) FOR UPDATE;
		IF who IS NULL THEN
			PERFORM refuse(503, 'The account is just being removed; try again shortly.');
		END IF;
		-- Whoever registered with this address had not shown that it is theirs, and may be a stranger who waited for this day:
		-- what they could still come in by ends.
		IF NOT proven THEN
			DELETE FROM password p WHERE p.user_id = who;
			UPDATE session s SET revoked_at = now() WHERE s.user_id = who AND s.revoked_at IS NULL;
			UPDATE api_key k SET revoked_at = now() WHERE k.user_id = who AND k.revoked_at IS NULL;
			UPDATE app_user u SET email_verified_at = now() WHERE u.id = who;
		END IF;
	END IF;
	INSERT INTO external_identity (provider, subject, user_id, email) VALUES ($1, $2, who, $3);
	RETURN who;
END $$;

-- First statement of a request with a checked external token, as caller_session is with an own one.
CREATE FUNCTION caller_external(provider text, subject text, email text, email_verified boolean, name text, token_hash bytea,
	needs_admin boolean) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	caller uuid;
	role text;
	disabled timestamptz;
BEGIN
	IF EXISTS (SELECT FROM public.token_denied d WHERE d.hash = token_hash) THEN
		PERFORM public.refuse(401, 'The session has ended; sign in again.');
	END IF;
	SELECT u.id, u.role, u.disabled_at INTO caller, role, disabled
	FROM public.external_identity i JOIN public.app_user u ON u.id = i.user_id WHERE i.provider = $1 AND i.subject = $2;
	IF caller IS NULL THEN
		caller := public.external_first_sight($1, $2, $3, $4, $5);
		SELECT u.role, u.disabled_at INTO role, disabled FROM public.app_user u WHERE u.id = caller;
	END IF;
	IF disabled IS NOT NULL THEN
		PERFORM public.refuse(401, 'The account is disabled.');
	END IF;
	RETURN public.caller_is(caller, role, needs_admin);
END $$;

-- The same claim for a key that may have been used under the secret before this one.
CREATE FUNCTION idempotency_claim(key text, body_mac bytea, old_mac bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE idempotency i SET body_mac = $2
	WHERE i.owner_id = coalesce(caller_id(), '00000000-0000-0000-0000-000000000000') AND i.key = $1 AND i.body_mac = $3;
	PERFORM idempotency_claim($1, $2);
END $$;
