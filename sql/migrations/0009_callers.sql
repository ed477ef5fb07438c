-- More ways to be known: a name to sign in by, cookies, API keys with scopes; and what a caller keeps here.

ALTER TABLE app_user ADD username text;
CREATE UNIQUE INDEX app_user_username ON app_user (lower(username));

-- API keys: `mr_` and 32 random bytes, shown once. Their SHA-256 alone is kept; `shown` is what a list may show of one.
CREATE TABLE api_key (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	user_id		uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	hash		bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
	shown		text NOT NULL,
	name		text NOT NULL,
	scopes		text[] NOT NULL,
	of_settings	boolean NOT NULL DEFAULT false,	-- the one that POST /api/settings/regenerate-api-key replaces
	created_at	timestamptz NOT NULL DEFAULT now(),
	expires_at	timestamptz,
	last_used_at	timestamptz,
	revoked_at	timestamptz
);
CREATE UNIQUE INDEX api_key_of_settings ON api_key (user_id) WHERE of_settings AND revoked_at IS NULL;
CREATE INDEX api_key_user ON api_key (user_id);
ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON api_key TO millrace_api USING (user_id = caller_id());
GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_key TO millrace_api;

-- First statement of a signed-in request that comes by something else than a session (caller_session is for those). Each form makes
-- its user the transaction's caller and returns that user, or raises, so that nothing after it in the same implicit transaction runs.
-- Tables are named with their schema, which is as safe as SET
-- search_path and cheaper on this hottest of paths.
CREATE FUNCTION caller_is(caller uuid, role text, needs_admin boolean) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
	IF needs_admin AND role <> 'admin' THEN
		PERFORM public.refuse(403, 'This needs an administrator.');
	END IF;
	PERFORM set_config('millrace.caller', caller::text, true);
	RETURN caller;
END $$;

-- By an API key's SHA-256. `scope` is what the route asks of a key ('read', 'write', 'analytics:read' …).
CREATE FUNCTION caller_key(key_hash bytea, needs_admin boolean, scope text) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	caller uuid;
	role text;
	k public.api_key;
BEGIN
	SELECT * INTO k FROM public.api_key a
	WHERE a.hash = key_hash AND a.revoked_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > now());
	SELECT u.id, u.role INTO caller, role FROM public.app_user u WHERE u.id = k.user_id AND u.disabled_at IS NULL;
	IF caller IS NULL THEN
		PERFORM public.refuse(401, 'The API key is not valid.');
	ELSIF NOT scope = ANY (k.scopes) THEN
		PERFORM public.refuse(403, 'The API key lacks the scope ' || scope || '.');
	END IF;
	-- To the minute is enough, and a write a request would not be.
	IF k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' THEN
		UPDATE public.api_key SET last_used_at = now() WHERE id = k.id;
	END IF;
	RETURN public.caller_is(caller, role, needs_admin);
END $$;

-- Signing in by address or by name.
CREATE OR REPLACE FUNCTION user_for_login(email text) RETURNS TABLE (id uuid, password_hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT u.id, p.hash FROM app_user u JOIN password p ON p.user_id = u.id
	WHERE (lower(u.email) = lower($1) OR lower(u.username) = lower($1)) AND u.disabled_at IS NULL
	ORDER BY lower(u.email) = lower($1) DESC NULLS LAST LIMIT 1
$$;

-- An account that has a name to sign in by, and perhaps an address. A name never looks like an address (the worker sees to it), so
-- neither can be taken for somebody else's.
CREATE FUNCTION user_register_named(username text, password_hash text, email text, display_name text)
RETURNS app_user LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	u app_user;
BEGIN
	INSERT INTO app_user (username, email, display_name) VALUES ($1, $3, coalesce($4, $1))
	ON CONFLICT DO NOTHING RETURNING * INTO u;
	IF u.id IS NULL THEN
		PERFORM refuse(409, 'An account with this name or address exists already.');
	END IF;
	INSERT INTO password (user_id, hash) VALUES (u.id, $2);
	RETURN u;
END $$;

-- A user's row for the steps before anyone is signed in.
CREATE FUNCTION user_account(id uuid) RETURNS SETOF app_user LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT * FROM app_user u WHERE u.id = $1
$$;

-- Contract 4's user.
CREATE FUNCTION account_json(u app_user) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', u.id, 'username', u.username, 'email', u.email, 'name', u.display_name, 'role', u.role,
		'timezone', u.timezone, 'created_at', rfc3339(u.created_at), 'updated_at', rfc3339(u.updated_at))
$$;

-- Settings as contract 2 keeps them: the caller's own object over the defaults.
CREATE TABLE user_settings (
	user_id		uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	settings	jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE user_settings ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON user_settings TO millrace_api USING (user_id = caller_id());
GRANT SELECT, INSERT, UPDATE ON user_settings TO millrace_api;

-- Notifications. Creating one publishes it to its user, however the row comes to be.
CREATE TABLE notification (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	severity	text NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'success', 'warning', 'error')),
	title		text NOT NULL,
	message		text NOT NULL,
	action_url	text,
	read		boolean NOT NULL DEFAULT false,
	metadata	jsonb NOT NULL DEFAULT '{}',
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notification_owner ON notification (owner_id, id);
CREATE INDEX notification_unread ON notification (owner_id, id) WHERE NOT read;
ALTER TABLE notification ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notification TO millrace_api USING (owner_id = caller_id());
GRANT SELECT, UPDATE (read), DELETE ON notification TO millrace_api;
GRANT SELECT, INSERT ON notification TO millrace_runner;

CREATE FUNCTION notification_json(n notification) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', n.id, 'severity', n.severity, 'title', n.title, 'message', n.message,
		'action_url', n.action_url, 'read', n.read, 'metadata', n.metadata, 'created_at', rfc3339(n.created_at))
$$;

CREATE FUNCTION notification_published() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	PERFORM publish('user:' || NEW.owner_id, 'notification_created', json_build_object('notification_id', NEW.id,
		'user_id', NEW.owner_id, 'notification_type', coalesce(NEW.metadata ->> 'type', 'general'), 'severity', NEW.severity,
		'title', NEW.title, 'message', NEW.message, 'action_url', NEW.action_url, 'created_at', rfc3339(NEW.created_at),
		'read', NEW.read, 'metadata', NEW.metadata));
	RETURN NULL;
END $$;
CREATE TRIGGER notification_published AFTER INSERT ON notification FOR EACH ROW EXECUTE FUNCTION notification_published();

-- The caller's settings over the defaults, with what is not theirs to change.
CREATE FUNCTION settings_json(u app_user) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT ('{"theme": "system", "language": "en", "notifications": {"email": true, "push": false}}'::jsonb
		|| coalesce((SELECT s.settings FROM user_settings s WHERE s.user_id = u.id), '{}')
		|| jsonb_build_object('uid', u.id, 'email', u.email, 'displayName', u.display_name,
			'apiKey', (SELECT k.shown FROM api_key k WHERE k.user_id = u.id AND k.of_settings AND k.revoked_at IS NULL),
			'usage', (SELECT jsonb_build_object('messages', count(*), 'inputTokens', coalesce(sum(e.input_tokens), 0),
				'outputTokens', coalesce(sum(e.output_tokens), 0), 'costUsd', coalesce(sum(e.cost_usd), 0))
				FROM usage_event e WHERE e.owner_id = u.id)))::json
$$;

CREATE FUNCTION settings_merge(given jsonb) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	mine jsonb;
BEGIN
	INSERT INTO user_settings AS s (user_id, settings)
	VALUES (caller_id(), given - ARRAY['uid', 'email', 'displayName', 'display_name', 'apiKey', 'api_key', 'usage'])
	ON CONFLICT (user_id) DO UPDATE SET settings = s.settings || excluded.settings, updated_at = now()
	RETURNING s.settings INTO mine;
	IF octet_length(mine::text) > 65536 THEN
		PERFORM refuse(413, 'The settings would take more than 64 KiB.');
	END IF;
	RETURN (SELECT settings_json(u) FROM app_user u WHERE u.id = caller_id());
END $$;

-- The settings' API key anew: the old one stops at once.
CREATE FUNCTION settings_new_key(hash bytea, shown text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
BEGIN
	UPDATE api_key k SET revoked_at = now() WHERE k.user_id = caller_id() AND k.of_settings AND k.revoked_at IS NULL;
	INSERT INTO api_key (user_id, hash, shown, name, scopes, of_settings)
	VALUES (caller_id(), $1, $2, 'settings', ARRAY['read', 'write'], true) RETURNING id INTO new_id;
	RETURN new_id;
END $$;
