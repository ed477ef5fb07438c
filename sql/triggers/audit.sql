-- What goes into the audit chain: one function an event. Applied before the migrations, as
-- functions/base.sql says.

CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'The audit log takes no % of rows.', lower(TG_OP);
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_registered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(coalesce(caller_id(), NEW.id), NEW.id, 'registered', jsonb_build_object('role', NEW.role)
		|| coalesce((SELECT jsonb_build_object('invitation', i.id) FROM invitation i WHERE i.user_id = NEW.id), '{}'));
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_role_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(caller_id(), NEW.id, 'role_changed', jsonb_build_object('from', OLD.role, 'to', NEW.role));
	RETURN NULL;
END $$;

-- Disabled, or enabled again. Not where it is erased.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_disabled() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF NEW.erased_at IS NULL THEN
		PERFORM audit(caller_id(), NEW.id, CASE WHEN NEW.disabled_at IS NULL THEN 'enabled' ELSE 'disabled' END, '{}');
	END IF;
	RETURN NULL;
END $$;

-- Another address or name to sign in by: which one of them, not what it is. Not where it is erased.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_address_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF NEW.erased_at IS NULL THEN
		PERFORM audit(caller_id(), NEW.id, 'address_changed', jsonb_build_object(
			'email', OLD.email IS DISTINCT FROM NEW.email, 'username', OLD.username IS DISTINCT FROM NEW.username));
	END IF;
	RETURN NULL;
END $$;

-- An erasure is asked for, or an account is deleted by hand.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(caller_id(), OLD.id, 'erased', '{}');
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_login() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(NEW.user_id, NEW.user_id, 'login', jsonb_build_object('session', NEW.id));
	RETURN NULL;
END $$;

-- Is this the first of a user's rows that are changed at this time? What a transaction does to many
-- is one event, which the first writes: a row each would take the square of their number, under the
-- lock that everybody's events wait for.
CREATE OR REPLACE FUNCTION audit_is_first(kind text, subject uuid, at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	setting CONSTANT text := 'millrace.audit_' || $1;
	what CONSTANT text := $2 || ' ' || $3;
BEGIN
	IF current_setting(setting, true) = what THEN
		RETURN false;
	END IF;
	PERFORM set_config(setting, what, true);
	RETURN true;
END $$;

-- One session, or so many at once.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_logout() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	n bigint;
BEGIN
	IF audit_is_first('logout', NEW.user_id, NEW.revoked_at) THEN
		SELECT count(*) INTO n FROM session s WHERE s.user_id = NEW.user_id AND s.revoked_at = NEW.revoked_at;
		PERFORM audit(caller_id(), NEW.user_id, 'logout', CASE WHEN n > 1 THEN jsonb_build_object('sessions', n)
			ELSE jsonb_build_object('session', NEW.id) END);
	END IF;
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_login_failed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	name CONSTANT text := split_part(NEW.subject, ' ', 2);
BEGIN
	PERFORM audit(NULL, (SELECT u.id FROM app_user u
		WHERE login_subject(u.email) = 'account ' || name OR login_subject(u.username) = 'account ' || name LIMIT 1),
		'login_failed', jsonb_build_object('name', name, 'failures', ceil(NEW.failures)));
	RETURN NULL;
END $$;

-- An external token was signed out.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_token_denied() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(caller_id(), NEW.user_id, 'logout', jsonb_build_object('token', encode(NEW.hash, 'hex')));
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_key_made() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(caller_id(), NEW.user_id, 'key_made', jsonb_build_object('key', NEW.id, 'scopes', NEW.scopes));
	RETURN NULL;
END $$;

-- One key, or those of so many at once.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_key_revoked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	keys uuid[];
BEGIN
	IF audit_is_first('key_revoked', NEW.user_id, NEW.revoked_at) THEN
		keys := ARRAY(SELECT k.id FROM api_key k WHERE k.user_id = NEW.user_id AND k.revoked_at = NEW.revoked_at ORDER BY k.id LIMIT 1000);
		PERFORM audit(caller_id(), NEW.user_id, 'key_revoked', CASE WHEN cardinality(keys) > 1 THEN jsonb_build_object('keys', keys)
			ELSE jsonb_build_object('key', NEW.id) END);
	END IF;
	RETURN NULL;
END $$;

-- A first password for an account that had none; not the one that an account is made with.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_password_first() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM app_user u WHERE u.id = NEW.user_id AND u.created_at = now()) THEN
		PERFORM audit(caller_id(), NEW.user_id, 'password_changed', '{"first": true}');
	END IF;
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_password_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(caller_id(), NEW.user_id, 'password_changed', '{}');
	RETURN NULL;
END $$;

-- Not where it goes with its user.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_password_removed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF NOT owner_is_going(OLD.user_id) THEN
		PERFORM audit(caller_id(), OLD.user_id, 'password_removed', '{}');
	END IF;
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_identity_linked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(coalesce(caller_id(), NEW.user_id), NEW.user_id, 'identity_linked', jsonb_build_object('provider', NEW.provider));
	RETURN NULL;
END $$;

-- Not where it goes with its user.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_identity_unlinked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF NOT owner_is_going(OLD.user_id) THEN
		PERFORM audit(coalesce(caller_id(), OLD.user_id), OLD.user_id, 'identity_unlinked', jsonb_build_object('provider', OLD.provider));
	END IF;
	RETURN NULL;
END $$;

-- A provider's tokens are kept.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_provider_connected() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(coalesce(caller_id(), NEW.user_id), NEW.user_id, 'provider_connected', jsonb_build_object('provider', NEW.provider));
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_provider_disconnected() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(caller_id(), OLD.user_id, 'provider_disconnected', jsonb_build_object('provider', OLD.provider));
	RETURN NULL;
END $$;

-- Sealing it to another key changes nothing that anybody could see, and is no event: the trigger
-- looks at updated_at.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_secret_stored() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(caller_id(), NEW.owner_id, 'secret_stored', jsonb_build_object('secret', NEW.id));
	RETURN NULL;
END $$;

-- Not where it goes with its user.
-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_secret_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF NOT owner_is_going(OLD.owner_id) THEN
		PERFORM audit(caller_id(), OLD.owner_id, 'secret_deleted', jsonb_build_object('secret', OLD.id));
	END IF;
	RETURN NULL;
END $$;

-- As the owner: the audit log is no role's to write.
CREATE OR REPLACE FUNCTION audit_entry_logged() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(NEW.writer_id, NEW.owner_id, 'request_logged',
		jsonb_build_object('entry', NEW.id, 'sha256', encode(audit_entry_digest(NEW), 'hex')));
	RETURN NULL;
END $$;
