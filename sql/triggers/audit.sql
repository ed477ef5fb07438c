-- What goes into the audit chain. Applied before the migrations, as functions/base.sql says.

CREATE OR REPLACE FUNCTION audit_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'The audit log takes no % of rows.', lower(TG_OP);
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	CASE TG_TABLE_NAME || ' ' || TG_OP
	WHEN 'session INSERT' THEN
		PERFORM audit(NEW.user_id, NEW.user_id, 'login', jsonb_build_object('session', NEW.id));
	WHEN 'session UPDATE' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'logout', jsonb_build_object('session', NEW.id));
	WHEN 'login_failure INSERT', 'login_failure UPDATE' THEN
		PERFORM audit(NULL, (SELECT u.id FROM app_user u
			WHERE login_subject(u.email) = NEW.subject OR login_subject(u.username) = NEW.subject LIMIT 1),
			'login_failed', jsonb_build_object('name', split_part(NEW.subject, ' ', 2), 'failures', NEW.failures));
	WHEN 'api_key INSERT' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'key_made', jsonb_build_object('key', NEW.id, 'scopes', NEW.scopes));
	WHEN 'api_key UPDATE' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'key_revoked', jsonb_build_object('key', NEW.id));
	WHEN 'password UPDATE' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'password_changed', '{}');
	WHEN 'app_user INSERT' THEN
		PERFORM audit(coalesce(caller_id(), NEW.id), NEW.id, 'registered', jsonb_build_object('role', NEW.role));
	WHEN 'app_user UPDATE' THEN
		PERFORM audit(caller_id(), NEW.id, 'role_changed', jsonb_build_object('from', OLD.role, 'to', NEW.role));
	WHEN 'app_user DELETE' THEN
		PERFORM audit(caller_id(), OLD.id, 'erased', '{}');
	END CASE;
	RETURN NULL;
END $$;

-- Into the audit chain, at the transaction's end. Re-sealing changes nothing that anybody could see, and is not told.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION secret_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		PERFORM audit(caller_id(), OLD.owner_id, 'secret_deleted', jsonb_build_object('secret', OLD.id));
	ELSE
		PERFORM audit(caller_id(), NEW.owner_id, 'secret_stored', jsonb_build_object('secret', NEW.id));
	END IF;
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION identity_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(coalesce(caller_id(), NEW.user_id), NEW.user_id, 'identity_linked', jsonb_build_object('provider', NEW.provider));
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION identity_untold() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM app_user u WHERE u.id = OLD.user_id) THEN
		PERFORM audit(coalesce(caller_id(), OLD.user_id), OLD.user_id, 'identity_unlinked', jsonb_build_object('provider', OLD.provider));
	END IF;
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION oauth_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(caller_id(), OLD.user_id, 'provider_disconnected', jsonb_build_object('provider', OLD.provider));
	RETURN NULL;
END $$;

-- Two more events for the chain: an external token that was signed out, and a first password for an account that had none.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION identity_event_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF TG_TABLE_NAME = 'token_denied' THEN
		PERFORM audit(caller_id(), NEW.user_id, 'logout', jsonb_build_object('token', encode(NEW.hash, 'hex')));
	ELSIF NOT EXISTS (SELECT FROM app_user u WHERE u.id = NEW.user_id AND u.created_at = now()) THEN
		PERFORM audit(caller_id(), NEW.user_id, 'password_changed', '{"first": true}');
	END IF;
	RETURN NULL;
END $$;

-- What somebody can come in by, and as: a password that was taken away, an account that was disabled or enabled again, another address
-- or name to sign in by (which one, not what it is), a provider whose tokens are kept.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION account_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
