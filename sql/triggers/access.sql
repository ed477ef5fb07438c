-- What streamd has to hear of. Applied before the migrations, as functions/base.sql says.

-- What a cached answer of topic_allowed() and a stream that stands may rest on has changed for a user: streamd is told their id.
CREATE OR REPLACE FUNCTION access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CASE TG_TABLE_NAME
	WHEN 'app_user' THEN
		PERFORM pg_notify('millrace_access', OLD.id::text);
	WHEN 'topic_owner' THEN
		PERFORM pg_notify('millrace_access', OLD.owner_id::text);
		IF TG_OP = 'UPDATE' THEN
			PERFORM pg_notify('millrace_access', NEW.owner_id::text);
		END IF;
	ELSE	-- session, api_key
		PERFORM pg_notify('millrace_access', OLD.user_id::text);
	END CASE;
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION access_denied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('millrace_access', NEW.user_id::text);
	RETURN NULL;
END $$;
