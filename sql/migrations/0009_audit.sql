-- The audit chain, its signed checkpoints, and the triggers that feed it.

-- Every event that matters for who may do what, in one chain: a row's hash covers its content, the
-- hash of the row before it, and the hash of the row before it about the same subject. So a
-- changed, removed or moved row shows, and the rows about one user can be checked by themselves.
-- Ids have no foreign keys: rows outlive their users. `data` holds no address in the clear.
CREATE TABLE audit_log (
	seq		bigint PRIMARY KEY,
	at		timestamptz NOT NULL,
	-- Who did it; NULL: nobody signed in, or an administrator's tool (data.by)
	actor		uuid,
	subject		uuid,				-- about whom
	type		text NOT NULL,
	data		jsonb NOT NULL,
	prev		bytea NOT NULL,			-- of the first row: 32 zero bytes
	subject_prev	bytea NOT NULL,
	hash		bytea NOT NULL
);
CREATE INDEX audit_log_subject ON audit_log (subject, seq);
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON audit_log TO millrace_api USING (subject = caller_id());
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

-- The chain's end, under whose lock it grows.
CREATE TABLE audit_head (
	one		boolean PRIMARY KEY DEFAULT true CHECK (one),
	seq		bigint NOT NULL,
	hash		bytea NOT NULL
) WITH (fillfactor = 10);
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- Checkpoints: the runner signs (Ed25519, RFC 8032) how the chain ends, every so many rows or
-- seconds. Whoever rewrites the chain as a whole, or cuts off its end, cannot sign what is left.
-- The private keys are the runners' alone.
CREATE TABLE audit_key (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	public_key	bytea NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
	created_at	timestamptz NOT NULL DEFAULT now(),
	retired_at	timestamptz
);
CREATE UNIQUE INDEX audit_key_in_force ON audit_key ((true)) WHERE retired_at IS NULL;

CREATE TABLE audit_checkpoint (
	n		bigint PRIMARY KEY,		-- 1, 2, 3 …
	seq		bigint NOT NULL,		-- the chain's last row then
	hash		bytea NOT NULL,			-- and its hash
	at		timestamptz NOT NULL,
	key_id		uuid NOT NULL REFERENCES audit_key,
	-- Of what lib/checkpoint.c writes of the rest
	signature	bytea NOT NULL CHECK (octet_length(signature) = 64)
);
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoint
	FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

-- Tables log their own events, so that no function can forget one; deferred, so that no transaction
-- holds the chain's lock while it waits for another row.
CREATE CONSTRAINT TRIGGER audit_registered AFTER INSERT ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_registered();
CREATE CONSTRAINT TRIGGER audit_role_changed AFTER UPDATE OF role ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.role <> NEW.role) EXECUTE FUNCTION audit_role_changed();
CREATE CONSTRAINT TRIGGER audit_disabled AFTER UPDATE OF disabled_at ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN ((OLD.disabled_at IS NULL) <> (NEW.disabled_at IS NULL)) EXECUTE FUNCTION audit_disabled();
CREATE CONSTRAINT TRIGGER audit_address_changed AFTER UPDATE OF email, username ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.email IS DISTINCT FROM NEW.email OR OLD.username IS DISTINCT FROM NEW.username) EXECUTE FUNCTION audit_address_changed();
CREATE CONSTRAINT TRIGGER audit_erased AFTER DELETE ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_erased();
CREATE CONSTRAINT TRIGGER audit_login AFTER INSERT ON session DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_login();
CREATE CONSTRAINT TRIGGER audit_logout AFTER UPDATE OF revoked_at ON session DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION audit_logout();
CREATE CONSTRAINT TRIGGER audit_login_failed AFTER INSERT OR UPDATE ON login_failure DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.subject LIKE 'account %') EXECUTE FUNCTION audit_login_failed();
CREATE CONSTRAINT TRIGGER audit_token_denied AFTER INSERT ON token_denied DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_token_denied();
CREATE CONSTRAINT TRIGGER audit_key_made AFTER INSERT ON api_key DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_key_made();
CREATE CONSTRAINT TRIGGER audit_key_revoked AFTER UPDATE OF revoked_at ON api_key DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION audit_key_revoked();
CREATE CONSTRAINT TRIGGER audit_password_first AFTER INSERT ON password DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_password_first();
-- Rehashing at a login, with other parameters, leaves changed_at as it is.
CREATE CONSTRAINT TRIGGER audit_password_changed AFTER UPDATE ON password DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.changed_at <> NEW.changed_at) EXECUTE FUNCTION audit_password_changed();
CREATE CONSTRAINT TRIGGER audit_password_removed AFTER DELETE ON password DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_password_removed();
CREATE CONSTRAINT TRIGGER audit_identity_linked AFTER INSERT ON external_identity DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_identity_linked();
CREATE CONSTRAINT TRIGGER audit_identity_unlinked AFTER DELETE ON external_identity DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_identity_unlinked();
CREATE CONSTRAINT TRIGGER audit_provider_connected AFTER INSERT ON oauth_token DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_provider_connected();
CREATE CONSTRAINT TRIGGER audit_provider_disconnected AFTER UPDATE OF forgotten_at ON oauth_token DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.forgotten_at IS NULL AND NEW.forgotten_at IS NOT NULL) EXECUTE FUNCTION audit_provider_disconnected();
CREATE CONSTRAINT TRIGGER audit_secret_stored AFTER INSERT OR UPDATE OF updated_at ON secret DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_secret_stored();
CREATE CONSTRAINT TRIGGER audit_secret_deleted AFTER DELETE ON secret DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_secret_deleted();
