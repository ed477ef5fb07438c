-- What users sign in with: passwords, sessions, API keys, identities at other providers; and the
-- keys that tokens are checked by.

-- Argon2id hashes, apart from app_user, so that no role but the owner's functions can read them.
CREATE TABLE password (
	user_id		uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	hash		text NOT NULL,
	changed_at	timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE session (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	user_id		uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	created_at	timestamptz NOT NULL DEFAULT now(),
	expires_at	timestamptz NOT NULL,
	revoked_at	timestamptz
);
CREATE INDEX session_owner ON session (user_id);
CREATE INDEX session_end ON session (expires_at);
ALTER TABLE session ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON session TO millrace_api USING (user_id = caller_id());
CREATE TRIGGER access_credential_ended AFTER UPDATE OF revoked_at ON session FOR EACH ROW
	WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION access_credential_ended();

-- What the first statement of every signed-in request reads. A third of such a request's time went
-- into a function written in PL/pgSQL, hence a view that reads the sessions that last with its
-- owner's rights: of each, the id, which opens nothing without a signature, and whose it is.
-- Functions run where a request is refused (session_refuse), where an administrator is asked for
-- (user_is_admin), and for streams (caller_session).
CREATE VIEW session_live AS
	SELECT s.id, s.user_id FROM session s WHERE s.revoked_at IS NULL AND s.expires_at > now();

-- Wrong passwords, by account (whether it exists or not) and by address. From the fifth on each
-- doubles the wait, from one second to a quarter of an hour; a quarter of an hour without one
-- resets the count, and so does a crash (unlogged).
CREATE UNLOGGED TABLE login_failure (
	-- "account <sha256 of the address in lower case>", "address 192.0.2.7",
	-- "address 2001:db8:1:2::/64"
	subject		text PRIMARY KEY,
	-- A count by address decays with time, hence the fractions.
	failures	double precision NOT NULL,
	last_at		timestamptz NOT NULL DEFAULT now()
);

-- API keys: `mr_` and 32 random bytes, shown once. Their SHA-256 alone is kept; `shown` is what a
-- list may show of one.
CREATE TABLE api_key (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	user_id		uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	hash		bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
	shown		text NOT NULL,
	name		text NOT NULL,
	scopes		text[] NOT NULL,
	-- The one that POST /api/settings/regenerate-api-key replaces
	of_settings	boolean NOT NULL DEFAULT false,
	created_at	timestamptz NOT NULL DEFAULT now(),
	expires_at	timestamptz,
	last_used_at	timestamptz,
	revoked_at	timestamptz
);
CREATE UNIQUE INDEX api_key_of_settings ON api_key (user_id) WHERE of_settings AND revoked_at IS NULL;
CREATE INDEX api_key_user ON api_key (user_id);
ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON api_key TO millrace_api USING (user_id = caller_id());
CREATE TRIGGER access_credential_ended AFTER UPDATE OF revoked_at ON api_key FOR EACH ROW
	WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION access_credential_ended();

CREATE TABLE external_identity (
	provider	text NOT NULL,		-- clerk, supabase …
	subject		text NOT NULL,		-- the provider's name for its user
	user_id		uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	email		text,			-- as the provider first gave it, verified or not
	created_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (provider, subject)
);
CREATE INDEX external_identity_user ON external_identity (user_id);
ALTER TABLE external_identity ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON external_identity TO millrace_api USING (user_id = caller_id());
CREATE TRIGGER identity_refused BEFORE INSERT ON external_identity FOR EACH ROW EXECUTE FUNCTION identity_refused();

-- Tokens that were signed out, until they expire. The hash covers what is signed and not the
-- signature, which has more than one valid form (ECDSA). A row outlives its user, or the token
-- would create that user again.
CREATE TABLE token_denied (
	hash		bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
	user_id		uuid NOT NULL,
	expires_at	timestamptz NOT NULL
);
CREATE INDEX token_denied_end ON token_denied (expires_at);
ALTER TABLE token_denied ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON token_denied TO millrace_api USING (user_id = caller_id());
CREATE TRIGGER access_credential_ended AFTER INSERT ON token_denied FOR EACH ROW EXECUTE FUNCTION access_credential_ended();

-- Public keys, by the issuer that they sign for: keys of an issuer that is no longer configured are
-- of no use to anyone.
CREATE TABLE jwks (
	issuer		text NOT NULL,
	kid		text NOT NULL,
	jwk		jsonb NOT NULL,
	PRIMARY KEY (issuer, kid)
);

CREATE TABLE jwks_source (
	issuer		text PRIMARY KEY,
	requested_at	timestamptz,		-- a worker met a key that is not here
	tried_at	timestamptz,		-- a runner last went to fetch
	fetched_at	timestamptz		-- and last came back with keys
);

-- Requests for a reset, by login_subject() of the address. A request does the same for every
-- address, so that neither its reply nor its duration shows whether there is an account; the runner
-- looks that up a moment later (reset_enqueue).
CREATE TABLE reset_request (
	subject		text PRIMARY KEY,
	-- Waits for the runner; NULL once it was taken
	email		text,
	requests		int NOT NULL DEFAULT 1,		-- since then
	since		timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reset_request_waiting ON reset_request (since) WHERE email IS NOT NULL;

-- What a mailed link may do. The token itself is nowhere in the database: the runner makes it when
-- it writes the mail, so that nobody who reads tables, queues or backups can use one.
CREATE TABLE password_reset (
	token_hash	bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),	-- SHA-256
	user_id		uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	-- Where it went; void once the account has another address
	email		text NOT NULL,
	expires_at	timestamptz NOT NULL
);
CREATE INDEX password_reset_user ON password_reset (user_id);

-- An erased user's token stays valid at its issuer, and would create the user again. For an hour,
-- which is as long as such tokens commonly last, the identity is refused. Only its hash is kept.
CREATE TABLE identity_erased (
	hash		bytea PRIMARY KEY,
	at		timestamptz NOT NULL DEFAULT now()
);
