-- Callers with a token of another issuer (Clerk, Supabase): their users, and the keys that their
-- tokens are verified with.

-- A worker met an unknown key: wakes a runner, at most once in `pause` seconds whoever asks.
-- As the owner: jwks_source is the runner's to write.
CREATE OR REPLACE FUNCTION jwks_request(issuer text, pause int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO jwks_source AS s (issuer, requested_at) VALUES ($1, now())
	ON CONFLICT ON CONSTRAINT jwks_source_pkey DO UPDATE SET requested_at = now()
	WHERE s.requested_at IS NULL OR s.requested_at < now() - make_interval(secs => $2);
	IF FOUND THEN
		PERFORM pg_notify('millrace_periodic', 'jwks');
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION jwks_request TO millrace_api, millrace_stream;

-- Is it this runner's turn to fetch? Every `every` seconds, when a worker has requested it, and
-- `again` seconds after a failure.
CREATE OR REPLACE FUNCTION jwks_claim(issuer text, every int, again int) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO jwks_source AS s (issuer, tried_at) VALUES ($1, now())
	ON CONFLICT ON CONSTRAINT jwks_source_pkey DO UPDATE SET tried_at = now()
	WHERE s.tried_at IS NULL OR s.requested_at > s.tried_at OR s.tried_at < now() - make_interval(secs => $2)
		OR ((s.fetched_at IS NULL OR s.fetched_at < s.tried_at) AND s.tried_at < now() - make_interval(secs => $3));
	RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION jwks_claim TO millrace_runner;

-- Replaces an issuer's keys by this whole set, [{"kid", "jwk"}]: what is not in it is withdrawn.
-- True, and workers are notified, where it differs.
CREATE OR REPLACE FUNCTION jwks_store(issuer text, keys jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
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
GRANT EXECUTE ON FUNCTION jwks_store TO millrace_runner;

-- The user of an external identity: on its first token the one whose address the provider has
-- verified to be theirs, or a new user, where registration_admit allows it. Concurrent first tokens
-- make one user. An unverified address is stored with the identity and identifies nobody.
-- As the owner: external_identity is no role's to write.
CREATE OR REPLACE FUNCTION external_user_ensure(provider text, subject text, email text, email_verified boolean, name text,
	registration text, invitation bytea)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
	IF who IS NOT NULL THEN
		PERFORM invitation_use(registration_admit($6, $7), who);
	ELSE
		SELECT u.id, u.email_verified_at IS NOT NULL INTO who, proven
		FROM app_user u WHERE lower(u.email) = lower($3) FOR UPDATE;
		IF who IS NULL THEN
			PERFORM refuse('OVERLOADED', 'The account is just being removed; try again shortly.');
		END IF;
		-- Whoever registered with this address had not verified it, and may be a stranger
		-- who waited for this: end their credentials.
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

CREATE OR REPLACE FUNCTION identity_hash(provider text, subject text) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
	SELECT sha256(convert_to(jsonb_build_array(provider, subject)::text, 'UTF8'))
$$;
