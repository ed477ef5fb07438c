-- What the audit chain did not tell, and what an erasure left behind.

-- What somebody can come in by, and as: a password that was taken away, an account that was disabled or enabled again, another address
-- or name to sign in by (which one, not what it is), a provider whose tokens are kept.
CREATE FUNCTION account_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	CASE TG_TABLE_NAME || ' ' || TG_OP
	WHEN 'password DELETE' THEN
		IF EXISTS (SELECT FROM app_user u WHERE u.id = OLD.user_id) THEN
			PERFORM audit(caller_id(), OLD.user_id, 'password_removed', '{}');
		END IF;
	WHEN 'oauth_token INSERT' THEN
		PERFORM audit(coalesce(caller_id(), NEW.user_id), NEW.user_id, 'provider_connected', jsonb_build_object('provider', NEW.provider));
	WHEN 'app_user UPDATE' THEN
		IF (OLD.disabled_at IS NULL) <> (NEW.disabled_at IS NULL) THEN
			PERFORM audit(caller_id(), NEW.id, CASE WHEN NEW.disabled_at IS NULL THEN 'enabled' ELSE 'disabled' END, '{}');
		END IF;
		IF OLD.email IS DISTINCT FROM NEW.email OR OLD.username IS DISTINCT FROM NEW.username THEN
			PERFORM audit(caller_id(), NEW.id, 'address_changed', jsonb_build_object('email', OLD.email IS DISTINCT FROM NEW.email,
				'username', OLD.username IS DISTINCT FROM NEW.username));
		END IF;
	END CASE;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER account_told AFTER DELETE ON password DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION account_told();
CREATE CONSTRAINT TRIGGER account_told AFTER INSERT ON oauth_token DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION account_told();
CREATE CONSTRAINT TRIGGER account_told AFTER UPDATE OF disabled_at, email, username ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN ((OLD.disabled_at IS NULL) <> (NEW.disabled_at IS NULL) OR OLD.email IS DISTINCT FROM NEW.email
		OR OLD.username IS DISTINCT FROM NEW.username) EXECUTE FUNCTION account_told();

-- The last step: the browser brings the ticket, once, within a minute or two, and its cookie. A session of its own each time; one that
-- an identity was linked in ends with that.
CREATE OR REPLACE FUNCTION oauth_redeem(provider text, ticket_hash bytea, cookie_hash bytea, lifetime interval)
RETURNS TABLE (error text, return_to text, session_id uuid, expires_at timestamptz, user_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
#variable_conflict use_column
DECLARE
	f oauth_flow;
	who uuid;
	problem text;
BEGIN
	DELETE FROM oauth_flow o WHERE o.ticket_hash = $2 AND o.cookie_hash = $3 AND o.provider = $1
		AND o.created_at > now() - interval '12 minutes' RETURNING o.* INTO f;
	problem := CASE WHEN f.state_hash IS NULL THEN 'invalid_state' WHEN f.outcome IS NULL THEN 'timeout' WHEN f.outcome <> 'ok' THEN f.outcome END;
	BEGIN
		IF problem IS NULL AND f.user_id IS NOT NULL THEN
			problem := oauth_link(f);
			who := f.user_id;
		ELSIF problem IS NULL THEN
			who := external_first_sight(f.provider, f.subject, f.email, f.email_verified, f.name);
		END IF;
	EXCEPTION
	WHEN SQLSTATE 'MR401' THEN
		problem := 'account_erased';
	WHEN SQLSTATE 'MR503' THEN
		problem := 'try_again';
	END;
	IF problem IS NULL THEN
		SELECT s.session_id, s.expires_at INTO oauth_redeem.session_id, oauth_redeem.expires_at FROM session_open(who, $4) s;
		IF oauth_redeem.session_id IS NULL THEN
			problem := 'account_disabled';
		ELSE
			PERFORM oauth_keep(f, who);
			UPDATE session s SET revoked_at = now() WHERE s.id = f.session_id AND s.user_id = who AND s.revoked_at IS NULL;
		END IF;
	END IF;
	oauth_redeem.error := problem;
	oauth_redeem.return_to := f.return_to;
	oauth_redeem.user_id := who;
	RETURN NEXT;
	-- The provider has said who it is, and they did not come in all the same.
	IF problem IS NOT NULL AND f.outcome = 'ok' THEN
		PERFORM audit(NULL, coalesce(who, f.user_id), 'login_failed', jsonb_build_object('provider', f.provider, 'why', problem));
	END IF;
END $$;

-- An erasure does not fail, and leaves nothing, while its user goes on working.
CREATE OR REPLACE FUNCTION account_erase(account uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	someone app_user;
	r run;
	said CONSTANT json := '{"code": "CANCELLED", "message": "The account was erased."}';
BEGIN
	SELECT * INTO someone FROM account_find($1);
	IF someone.id IS NULL THEN
		RETURN false;
	END IF;
	-- Twice: what came of requests under way, and of runs, is there when we have the user's row, and no more comes then. Before that we have
	-- whatever a request may hold while it asks for that row.
	FOR pass IN 1..2 LOOP
		-- As the runner does: the job, then its run.
		PERFORM FROM run x JOIN job j ON j.run_id = x.id WHERE x.owner_id = $1 AND x.ended_at IS NULL ORDER BY x.id FOR UPDATE OF j;
		FOR r IN SELECT * FROM run WHERE run.owner_id = $1 AND run.ended_at IS NULL ORDER BY run.id FOR UPDATE LOOP
			PERFORM run_finish(r.id, 'cancelled', 'error', said, CASE WHEN r.input ? 'reply' THEN json_build_object('status', 409,
				'headers', '{}'::json, 'body', json_build_object('error', said ->> 'message', 'code', said ->> 'code',
					'detail', said ->> 'message', 'request_id', r.id)) END);
			PERFORM pg_notify('millrace_cancel', r.id::text);
		END LOOP;
		-- The word that a run is over stays for those who come back to it; it says nothing about anybody.
		DELETE FROM stream_event e WHERE e.topic = 'user:' || $1
			OR (e.topic IN (SELECT 'run:' || x.id FROM run x WHERE x.owner_id = $1) AND e.data::text <> said::text);
		-- Files go by their owners' triggers.
		DELETE FROM document d WHERE d.owner_id = $1;
		DELETE FROM artifact a WHERE a.owner_id = $1;
		DELETE FROM conversation c WHERE c.owner_id = $1;
		DELETE FROM idempotency i WHERE i.owner_id = $1;
		DELETE FROM login_failure f WHERE f.subject IN (login_subject(someone.email), login_subject(someone.username));
		IF pass = 1 THEN
			DELETE FROM api_key k WHERE k.user_id = $1;
			PERFORM FROM blob b WHERE b.owner_id = $1 FOR UPDATE;
			PERFORM FROM app_user u WHERE u.id = $1 FOR UPDATE;
		END IF;
	END LOOP;
	-- What is left over are uploads under way.
	DELETE FROM blob b WHERE b.owner_id = $1;
	DELETE FROM app_user u WHERE u.id = $1;
	RETURN true;
END $$;

-- With somebody goes what others' requests have left of them: sign-ins that were not brought to their end, and replies that are kept
-- for an Idempotency-Key of whoever made the account, who was nobody yet or an administrator. A sign-in that is just being redeemed goes
-- by itself, and may be waiting for us.
CREATE OR REPLACE FUNCTION user_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	INSERT INTO identity_erased (hash) SELECT identity_hash(i.provider, i.subject) FROM external_identity i WHERE i.user_id = OLD.id
	ON CONFLICT (hash) DO UPDATE SET at = now();
	DELETE FROM reset_ask r WHERE r.subject IN (login_subject(OLD.email), login_subject(OLD.username));
	DELETE FROM oauth_flow f WHERE f.state_hash IN (SELECT o.state_hash FROM oauth_flow o WHERE lower(o.email) = lower(OLD.email)
		OR EXISTS (SELECT FROM external_identity i WHERE i.user_id = OLD.id AND i.provider = o.provider AND i.subject = o.subject)
		FOR UPDATE SKIP LOCKED);
	DELETE FROM idempotency i USING (SELECT '00000000-0000-0000-0000-000000000000'::uuid UNION ALL SELECT u.id FROM app_user u WHERE u.role = 'admin') o (id)
	WHERE i.owner_id = o.id AND i.reply::text LIKE '%' || OLD.id || '%';
	RETURN OLD;
END $$;

-- An identity's hash, from which a short subject can be guessed, stays no longer than it is of use.
CREATE OR REPLACE FUNCTION oauth_sweep_old() RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public AS $$
	DELETE FROM oauth_flow f WHERE f.created_at < now() - interval '15 minutes';
	-- Nobody comes back to these; a dead one waits for `millracectl jobs`.
	DELETE FROM run r WHERE r.owner_id IS NULL AND r.ended_at < now() - interval '1 day'
		AND NOT EXISTS (SELECT FROM job j WHERE j.run_id = r.id AND j.state = 'dead');
	DELETE FROM oauth_token t WHERE t.forgotten_at < now() - interval '7 days';
	DELETE FROM identity_erased e WHERE e.at < now() - interval '1 hour'
$$;
