-- Notifies streamd of each user for whom a cached answer of topic_allowed() or an open stream may
-- no longer be right. Applied before the migrations, as functions/base.sql says.

CREATE OR REPLACE FUNCTION access_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM notify_access(OLD.id);
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION access_topic_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM notify_access(OLD.owner_id);
	IF TG_OP = 'UPDATE' THEN
		PERFORM notify_access(NEW.owner_id);
	END IF;
	RETURN NULL;
END $$;

-- A session, an API key or an external token ended.
CREATE OR REPLACE FUNCTION access_credential_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM notify_access(NEW.user_id);
	RETURN NULL;
END $$;
