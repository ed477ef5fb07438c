-- Who may make an account, and what a program may do with one.

-- Invitations: links that each make one account, where registration is by invitation. A token is
-- shown once, or mailed by the runner, which makes one for each attempt; their SHA-256 alone is
-- kept, until one of them is used.
CREATE TABLE invitation (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	-- Whom it was mailed to; NULL: its link was only shown
	email		text,
	created_by	uuid REFERENCES app_user ON DELETE SET NULL,	-- NULL: millracectl
	created_at	timestamptz NOT NULL DEFAULT now(),
	expires_at	timestamptz NOT NULL,
	token_hashes	bytea[] NOT NULL,
	-- Who came by it
	user_id		uuid REFERENCES app_user ON DELETE CASCADE,
	used_at		timestamptz
);
CREATE INDEX invitation_token ON invitation USING gin (token_hashes);
CREATE INDEX invitation_email ON invitation (lower(email));
CREATE INDEX invitation_created_by ON invitation (created_by);
CREATE INDEX invitation_user ON invitation (user_id);
CREATE INDEX invitation_end ON invitation (expires_at) WHERE used_at IS NULL;
ALTER TABLE invitation ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON invitation TO millrace_api USING (user_id = caller_id());
INSERT INTO export_section (position, name, query) VALUES
(12, 'invitations', $q$SELECT id, 0::int8, json_build_object('id', id, 'email', email, 'created_at', rfc3339(created_at),
	'used_at', rfc3339(used_at)) FROM invitation WHERE user_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);

-- A sign-in by a provider that came by an invitation's link
ALTER TABLE oauth_flow ADD COLUMN invitation_hash bytea CHECK (octet_length(invitation_hash) = 32);

-- When the user last changed the address: each change writes a mail and costs a password's hash
ALTER TABLE app_user ADD COLUMN email_changed_at timestamptz;

CREATE TRIGGER admin_kept_changed BEFORE UPDATE OF role, disabled_at ON app_user FOR EACH ROW
	WHEN (OLD.role = 'admin' AND OLD.disabled_at IS NULL AND (NEW.role <> 'admin' OR NEW.disabled_at IS NOT NULL))
	EXECUTE FUNCTION admin_kept();
CREATE TRIGGER admin_kept_erased BEFORE DELETE ON app_user FOR EACH ROW WHEN (OLD.role = 'admin' AND OLD.disabled_at IS NULL)
	EXECUTE FUNCTION admin_kept();

-- Their arguments have changed.
DROP FUNCTION IF EXISTS user_register(text, text, text);
DROP FUNCTION IF EXISTS user_register_named(text, text, text, text);
DROP FUNCTION IF EXISTS external_user_ensure(text, text, text, boolean, text);
DROP FUNCTION IF EXISTS oauth_start(text, bytea, bytea, text, text, text, uuid);
DROP FUNCTION IF EXISTS oauth_redeem(text, bytea, bytea, interval);
DROP FUNCTION IF EXISTS account_change(uuid, text, text, text, text, text);
DROP FUNCTION IF EXISTS account_create(text, text, text, text, text, text);
DROP FUNCTION IF EXISTS settings_new_key(bytea, text);
