-- Notifies streamd of each user for whom a cached answer of topic_allowed() or an open stream may
-- no longer be right. Applied before the migrations, as functions/base.sql says.

CREATE OR REPLACE FUNCTION access_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('millrace_access', OLD.id::text);
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION access_topic_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('millrace_access', OLD.owner_id::text);
	IF TG_OP = 'UPDATE' THEN
		PERFORM pg_notify('millrace_access', NEW.owner_id::text);
	END IF;
	RETURN NULL;
END $$;

-- A session, an API key or an external token ended.
CREATE OR REPLACE FUNCTION access_credential_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('millrace_access', NEW.user_id::text);
	RETURN NULL;
END $$;
