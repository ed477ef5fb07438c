-- Signing in by GitHub, Google and Microsoft, and the tokens that come of it.

-- When a token that lasts `seconds` is refreshed: five minutes before its end, or at half its time.
CREATE OR REPLACE FUNCTION oauth_due_at(seconds bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
	SELECT now() + make_interval(secs => greatest(seconds / 2.0, seconds - 300))
$$;

-- Stores a sign-in that begins. `session` is what the browser's cookie says; one that has ended
-- counts as none.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_start(provider text, state_hash bytea, cookie_hash bytea, verifier text, nonce text, return_to text, session uuid,
	invitation bytea)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO oauth_flow (provider, state_hash, cookie_hash, verifier, nonce, return_to, user_id, session_id, invitation_hash)
	SELECT $1, $2, $3, $4, $5, $6, s.user_id, s.id, $8 FROM (VALUES (1)) one LEFT JOIN (session s JOIN app_user u ON u.id = s.user_id)
		ON s.id = $7 AND s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL;
END $$;
GRANT EXECUTE ON FUNCTION oauth_start TO millrace_api;

-- The provider has sent the browser back, with a code or with an error. A state is valid for one
-- callback, from the browser that began, for ten minutes. Returns the exchange's run, or an error
-- code.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_callback(provider text, state_hash bytea, cookie_hash bytea, code text, problem text, ticket_hash bytea, queue_max int)
RETURNS TABLE (run_id uuid, error text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
	f oauth_flow;
BEGIN
	SELECT * INTO f FROM oauth_flow o WHERE o.state_hash = $2 AND o.cookie_hash = $3 AND o.provider = $1 AND o.run_id IS NULL
		AND o.created_at > now() - interval '10 minutes' FOR UPDATE;
	IF f.state_hash IS NULL THEN
		oauth_callback.error := 'invalid_state';
	ELSIF $4 IS NULL THEN
		DELETE FROM oauth_flow o WHERE o.state_hash = $2;
		oauth_callback.error := CASE WHEN $5 = 'access_denied' THEN 'access_denied' ELSE 'provider_error' END;
	ELSE
		PERFORM queue_check($7);
		PERFORM work_require(true);
		-- Attempts after the first only report how that one ended, so there may be many.
		oauth_callback.run_id := run_add(NULL, 'oauth', '{"reply": "redirect", "do": "exchange"}', 10, 8);
		UPDATE oauth_flow o SET code = $4, run_id = oauth_callback.run_id, ticket_hash = $6 WHERE o.state_hash = $2;
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION oauth_callback TO millrace_api;

-- The exchange's first step: hands out its code, once. NULL where an earlier attempt had it: the
-- provider may have seen it, and a code is never sent twice. No row where the lease is lost.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_code_claim(run_id uuid, runner text, attempt int) RETURNS TABLE (provider text, code text, verifier text, nonce text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN;
	END IF;
	SELECT o.provider, o.code, o.verifier, o.nonce INTO oauth_code_claim.provider, oauth_code_claim.code, oauth_code_claim.verifier, oauth_code_claim.nonce
	FROM oauth_flow o WHERE o.run_id = $1 FOR UPDATE;
	UPDATE oauth_flow o SET code = NULL WHERE o.run_id = $1;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION oauth_code_claim TO millrace_runner;

-- The exchange's end. `sealed` is base64, NULL where there was no key to seal to: then only the
-- identity is kept. `lasts` is the access token's lifetime in seconds; NULL: it does not expire.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_exchanged(run_id uuid, runner text, attempt int, after bigint, outcome text, subject text, email text,
	email_verified boolean, name text, sealed text, key_id uuid, scope text, lasts bigint, refreshable boolean)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	UPDATE oauth_flow o SET outcome = $5, subject = $6, email = $7, email_verified = $8, name = $9, sealed = decode($10, 'base64'),
		key_id = $11, scope = $12, expires_at = now() + make_interval(secs => $13), refreshable = $14
	WHERE o.run_id = $1;
	-- The waiting request's grant has the address to redirect to.
	PERFORM run_finish($1, CASE $5 WHEN 'ok' THEN 'completed' ELSE 'failed' END, CASE $5 WHEN 'ok' THEN 'done' ELSE 'error' END,
		CASE $5 WHEN 'ok' THEN '{}'::json ELSE json_build_object('code', upper($5), 'message', 'The sign-in was not completed.') END,
		'{"status": 302, "headers": {}, "body": {}}');
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION oauth_exchanged TO millrace_runner;

-- Stores the provider's tokens, replacing earlier ones.
CREATE OR REPLACE FUNCTION oauth_token_store(f oauth_flow, who uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF f.sealed IS NULL THEN
		RETURN;
	END IF;
	INSERT INTO oauth_token AS t (user_id, provider, subject, sealed, key_id, scope, expires_at, refresh_at)
	VALUES (who, f.provider, f.subject, f.sealed, f.key_id, f.scope, f.expires_at, CASE WHEN f.refreshable
		THEN oauth_due_at(greatest(0, extract(epoch FROM f.expires_at - now()))::bigint) END)
	ON CONFLICT (provider, subject) WHERE forgotten_at IS NULL DO UPDATE SET user_id = excluded.user_id, sealed = excluded.sealed,
		key_id = excluded.key_id, scope = excluded.scope, expires_at = excluded.expires_at, refresh_at = excluded.refresh_at,
		refresh_run = NULL, failures = 0, failed_at = NULL, created_at = now(), refreshed_at = NULL;
	PERFORM pg_notify('millrace_periodic', 'oauth');
	PERFORM folders_look(who, f.provider);
END $$;

-- Adds the identity to the user who began while signed in. Returns NULL or an error code.
CREATE OR REPLACE FUNCTION oauth_link(f oauth_flow) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	who uuid;
BEGIN
	PERFORM FROM session s WHERE s.id = f.session_id AND s.user_id = f.user_id AND s.revoked_at IS NULL AND s.expires_at > now()
		FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN 'session_ended';
	END IF;
	-- As in external_user_ensure: concurrent sign-ins with one identity take turns.
	PERFORM pg_advisory_xact_lock(hashtextextended(f.provider || ' ' || f.subject, 0));
	SELECT i.user_id INTO who FROM external_identity i WHERE i.provider = f.provider AND i.subject = f.subject;
	IF who IS NULL THEN
		INSERT INTO external_identity (provider, subject, user_id, email) VALUES (f.provider, f.subject, f.user_id, f.email);
	ELSIF who <> f.user_id THEN
		RETURN 'identity_taken';
	END IF;
	RETURN NULL;
END $$;

-- The last step: the browser brings the ticket, once, within a minute or two, and its cookie.
-- Always opens a new session; the one that an identity was linked in ends.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_redeem(provider text, ticket_hash bytea, cookie_hash bytea, lifetime interval, registration text)
RETURNS TABLE (error text, return_to text, session_id uuid, expires_at timestamptz, user_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
	f oauth_flow;
	who uuid;
	problem text;
	code text;
BEGIN
	DELETE FROM oauth_flow o WHERE o.ticket_hash = $2 AND o.cookie_hash = $3 AND o.provider = $1
		AND o.created_at > now() - interval '12 minutes' RETURNING o.* INTO f;
	problem := CASE WHEN f.state_hash IS NULL THEN 'invalid_state' WHEN f.outcome IS NULL THEN 'timeout' WHEN f.outcome <> 'ok' THEN f.outcome END;
	BEGIN
		IF problem IS NULL AND f.user_id IS NOT NULL THEN
			problem := oauth_link(f);
			who := f.user_id;
		ELSIF problem IS NULL THEN
			who := external_user_ensure(f.provider, f.subject, f.email, f.email_verified, f.name, $5, f.invitation_hash);
		END IF;
	EXCEPTION WHEN SQLSTATE 'MR000' THEN
		GET STACKED DIAGNOSTICS code = PG_EXCEPTION_DETAIL;
		problem := CASE code WHEN 'UNAUTHORIZED' THEN 'account_erased' WHEN 'OVERLOADED' THEN 'try_again'
			WHEN 'FORBIDDEN' THEN CASE WHEN $5 = 'closed' THEN 'registration_closed' WHEN f.invitation_hash IS NULL
			THEN 'invitation_needed' ELSE 'invitation_invalid' END END;
		IF problem IS NULL THEN
			RAISE;
		END IF;
	END;
	IF problem IS NULL THEN
		SELECT s.session_id, s.expires_at INTO oauth_redeem.session_id, oauth_redeem.expires_at FROM session_open(who, $4) s;
		IF oauth_redeem.session_id IS NULL THEN
			problem := 'account_disabled';
		ELSE
			PERFORM oauth_token_store(f, who);
			UPDATE session s SET revoked_at = now() WHERE s.id = f.session_id AND s.user_id = who AND s.revoked_at IS NULL;
		END IF;
	END IF;
	oauth_redeem.error := problem;
	oauth_redeem.return_to := f.return_to;
	oauth_redeem.user_id := who;
	RETURN NEXT;
	-- The provider named the user, and the sign-in failed all the same.
	IF problem IS NOT NULL AND f.outcome = 'ok' THEN
		PERFORM audit(NULL, coalesce(who, f.user_id), 'login_failed', jsonb_build_object('provider', f.provider, 'why', problem));
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION oauth_redeem TO millrace_api;

-- Detaches a user's tokens of a provider (NULL: of all) and enqueues their revocation there;
-- returns how many.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_forget(who uuid, provider text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t uuid;
	n bigint := 0;
BEGIN
	FOR t IN UPDATE oauth_token o SET user_id = NULL, forgotten_at = now(), refresh_at = NULL
		WHERE o.user_id = $1 AND ($2 IS NULL OR o.provider = $2) RETURNING o.id LOOP
		PERFORM run_add(NULL, 'oauth', jsonb_build_object('do', 'revoke', 'token', t), 10, 10);
		n := n + 1;
	END LOOP;
	RETURN n;
END $$;

-- Disconnects the caller from a provider. The identity goes, too, unless it is the only way to sign
-- in.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_disconnect(provider text, name text) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	n bigint;
	stays boolean;
BEGIN
	PERFORM FROM app_user u WHERE u.id = caller_id() FOR NO KEY UPDATE;
	n := oauth_forget(caller_id(), $1);
	PERFORM folders_look(caller_id(), $1);
	stays := NOT EXISTS (SELECT FROM password p WHERE p.user_id = caller_id())
		AND NOT EXISTS (SELECT FROM external_identity i WHERE i.user_id = caller_id() AND i.provider <> $1);
	IF NOT stays THEN
		DELETE FROM external_identity i WHERE i.user_id = caller_id() AND i.provider = $1;
	END IF;
	IF n = 0 AND (stays OR NOT FOUND) THEN
		PERFORM refuse('NOT_CONNECTED', $2 || ' is not connected.');
	END IF;
	RETURN json_build_object('message', $2 || ' is disconnected.' || CASE WHEN stays
		THEN ' It remains the way to sign in, since this account has no other.' ELSE '' END || CASE WHEN $1 = 'microsoft'
		THEN ' Microsoft lets no application revoke its tokens: remove the consent at https://myapps.microsoft.com, or for a personal '
			|| 'account at https://account.live.com/consent/Manage.' ELSE '' END);
END $$;
GRANT EXECUTE ON FUNCTION oauth_disconnect TO millrace_api;

-- Enqueues a refresh for each token that is due, and returns how many. Where a job fails for good,
-- the token is due again ten minutes later.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_sweep() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t uuid;
	n bigint := 0;
BEGIN
	FOR t IN SELECT o.id FROM oauth_token o WHERE o.refresh_at <= now() ORDER BY o.refresh_at LIMIT 100 FOR UPDATE SKIP LOCKED LOOP
		UPDATE oauth_token o SET refresh_at = now() + interval '10 minutes',
			refresh_run = run_add(NULL, 'oauth', jsonb_build_object('do', 'refresh', 'token', t), 10)
		WHERE o.id = t;
		n := n + 1;
	END LOOP;
	RETURN n;
END $$;
GRANT EXECUTE ON FUNCTION oauth_sweep TO millrace_runner;

-- Deletes what is kept for a time only. An identity's hash goes as soon as it can: a short subject
-- can be guessed from it.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_sweep_old() RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	DELETE FROM oauth_flow f WHERE f.created_at < now() - interval '15 minutes';
	-- Runs without a user are never looked at again; a dead one waits for `millracectl jobs`.
	DELETE FROM run r WHERE r.owner_id IS NULL AND r.ended_at < now() - interval '1 day'
		AND NOT EXISTS (SELECT FROM job j WHERE j.run_id = r.id AND j.state = 'dead');
	DELETE FROM oauth_token t WHERE t.forgotten_at < now() - interval '7 days';
	DELETE FROM identity_erased e WHERE e.at < now() - interval '1 hour'
$$;
GRANT EXECUTE ON FUNCTION oauth_sweep_old TO millrace_runner;

-- What a refresh or a revocation works on. `mine`: still to be done, and by this run; `waits`: a
-- refresh is under way, and a revocation waits for its end. No row where the lease is lost.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_token_claim(run_id uuid, runner text, attempt int, token uuid)
RETURNS TABLE (provider text, subject text, sealed text, key_id uuid, mine boolean, waits boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN;
	END IF;
	SELECT t.provider, t.subject, encode(t.sealed, 'hex'), t.key_id, CASE WHEN t.forgotten_at IS NULL THEN t.refresh_run = $1 ELSE
		(SELECT r.input ->> 'do' = 'revoke' FROM run r WHERE r.id = $1) END,
		EXISTS (SELECT FROM job j WHERE j.run_id = t.refresh_run AND j.run_id <> $1 AND j.state = 'running')
	INTO oauth_token_claim.provider, oauth_token_claim.subject, oauth_token_claim.sealed, oauth_token_claim.key_id, mine, waits
	FROM oauth_token t WHERE t.id = $4;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION oauth_token_claim TO millrace_runner;

-- Stores refreshed tokens, also where the connection was removed meanwhile: then these are what is
-- revoked.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_refreshed(run_id uuid, runner text, attempt int, after bigint, token uuid, sealed text, key_id uuid, lasts bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq = after THEN
		UPDATE oauth_token t SET sealed = decode($6, 'base64'), key_id = $7, expires_at = now() + make_interval(secs => $8),
			refresh_at = CASE WHEN t.forgotten_at IS NULL AND $8 IS NOT NULL THEN oauth_due_at($8) END, refreshed_at = now(),
			failures = 0
		WHERE t.id = $5 AND t.refresh_run = $1;
		PERFORM pg_notify('millrace_periodic', 'oauth');
		PERFORM run_finish($1, 'completed', 'done', '{}', NULL);
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION oauth_refreshed TO millrace_runner;

-- Records a failed refresh. `for_good`: the provider rejects the refresh token, so the user is
-- notified to sign in again.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_refresh_failed(run_id uuid, runner text, attempt int, after bigint, token uuid, name text, for_good boolean)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	t oauth_token;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	UPDATE oauth_token o SET failures = o.failures + 1, failed_at = CASE WHEN $7 THEN now() END,
		refresh_at = CASE WHEN NOT $7 THEN now() + least(3600, 5 * 2 ^ least(o.failures, 20)) * interval '1 second' END
	WHERE o.id = $5 AND o.refresh_run = $1 AND o.forgotten_at IS NULL RETURNING o.* INTO t;
	PERFORM pg_notify('millrace_periodic', 'oauth');
	IF t.user_id IS NOT NULL AND $7 THEN
		INSERT INTO notification (owner_id, severity, title, message, metadata) VALUES (t.user_id, 'warning', $6 || ' must be connected again',
			$6 || ' does not accept the permission that was given any more. Sign in with it once more to go on using it here.',
			jsonb_build_object('type', 'connection', 'provider', t.provider));
		PERFORM folders_look(t.user_id, t.provider);
	END IF;
	PERFORM run_finish($1, 'failed', 'error', json_build_object('code', 'UPSTREAM_FAILED', 'message', 'The tokens could not be refreshed.'), NULL);
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION oauth_refresh_failed TO millrace_runner;

-- Deletes a token that the provider has revoked.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_revoked(run_id uuid, runner text, attempt int, after bigint, token uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq = after THEN
		DELETE FROM oauth_token t WHERE t.id = $5 AND t.forgotten_at IS NOT NULL;
		PERFORM run_finish($1, 'completed', 'done', '{}', NULL);
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION oauth_revoked TO millrace_runner;
