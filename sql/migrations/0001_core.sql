-- What every later table stands on: users, idempotency keys, processes, and what was migrated.

CREATE TABLE migration (
	version		int PRIMARY KEY,
	name		text NOT NULL,
	sha256		text NOT NULL,
	applied_at	timestamptz NOT NULL DEFAULT now()
);

-- The sets of functions, triggers' functions and grants that were applied, each by its checksum;
-- the newest is in force.
CREATE TABLE function_set (
	sha256		text PRIMARY KEY,
	applied_at	timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE app_user (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	email		text,
	display_name	text NOT NULL DEFAULT '',
	role		text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin', 'service')),
	timezone	text NOT NULL DEFAULT 'UTC',
	assistant_name	text NOT NULL DEFAULT 'Assistant',
	interests	text[] NOT NULL DEFAULT '{}',
	-- The ledger's sum, changed in the ledger's own transaction
	balance_usd	numeric NOT NULL DEFAULT 0,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	disabled_at	timestamptz,
	username	text,				-- another name to sign in by
	-- When a trusted provider, or a mailed link that was used, verified that the address is
	-- this user's. Registration does not, and a change of the address clears it.
	email_verified_at timestamptz
);
CREATE UNIQUE INDEX app_user_email ON app_user (lower(email));
CREATE UNIQUE INDEX app_user_username ON app_user (lower(username));
-- Finds the account that a wrong password was for.
CREATE INDEX app_user_subject_email ON app_user (login_subject(email));
CREATE INDEX app_user_subject_username ON app_user (login_subject(username));
ALTER TABLE app_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app_user TO millrace_api USING (id = caller_id());
CREATE TRIGGER user_disabled AFTER UPDATE OF disabled_at ON app_user FOR EACH ROW WHEN (NEW.disabled_at IS NOT NULL)
	EXECUTE FUNCTION user_disabled();
CREATE TRIGGER user_erased BEFORE DELETE ON app_user FOR EACH ROW EXECUTE FUNCTION user_erased();
CREATE TRIGGER oauth_erased BEFORE DELETE ON app_user FOR EACH ROW EXECUTE FUNCTION oauth_erased();
CREATE TRIGGER access_user_changed AFTER UPDATE OF role, disabled_at ON app_user FOR EACH ROW
	WHEN (OLD.role <> NEW.role OR OLD.disabled_at IS DISTINCT FROM NEW.disabled_at) EXECUTE FUNCTION access_user_changed();
CREATE TRIGGER access_user_deleted AFTER DELETE ON app_user FOR EACH ROW EXECUTE FUNCTION access_user_changed();
CREATE CONSTRAINT TRIGGER events_erased AFTER DELETE ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION events_erased_with_user();
CREATE TRIGGER address_proven AFTER UPDATE OF email_verified_at ON app_user FOR EACH ROW
	WHEN (OLD.email_verified_at IS NULL AND NEW.email_verified_at IS NOT NULL) EXECUTE FUNCTION address_proven();

-- Idempotency-Key: the first reply is kept as the columns of the row that the handler's second half
-- got, so that a repeat is written by the same code. body_mac is an HMAC, since bodies hold
-- passwords.
CREATE TABLE idempotency (
	owner_id	uuid NOT NULL,
	key		text NOT NULL,
	body_mac	bytea NOT NULL,
	reply		text[],
	created_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (owner_id, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
ALTER TABLE idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON idempotency TO millrace_api
	USING (owner_id = coalesce(caller_id(), '00000000-0000-0000-0000-000000000000'));

-- One row a running process, refreshed by it every few seconds. Unlogged: after a crash none runs.
CREATE UNLOGGED TABLE process (
	host		text NOT NULL,
	role		text NOT NULL,		-- the pool's name, streamd or runner
	pid		int NOT NULL,
	version		text NOT NULL,
	started_at	timestamptz NOT NULL,
	seen_at		timestamptz NOT NULL DEFAULT now(),
	-- Counters by their Prometheus names, as they were written: jsonb would sort them, and
	-- Prometheus wants a histogram's buckets in order.
	stats		json NOT NULL DEFAULT '{}',
	PRIMARY KEY (host, role, pid)
);
