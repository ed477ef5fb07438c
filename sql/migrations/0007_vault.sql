-- What is kept sealed. The vault: what a user gives us to keep secret. Workers seal it to a public
-- key; only the runner holds the private one. And sign-ins by GitHub, Google and Microsoft (OAuth
-- 2.0 with PKCE, OpenID Connect), with the tokens that come of them.

-- Key pairs, of which one is in force. The canary is a text sealed to the key, by which a runner
-- sees whether it holds the other half.
CREATE TABLE vault_key (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	public_key	bytea NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
	canary		bytea NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	retired_at	timestamptz
);
CREATE UNIQUE INDEX vault_key_in_force ON vault_key ((true)) WHERE retired_at IS NULL;

-- Workers write `sealed` and may not even read it back.
CREATE TABLE secret (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	key		text NOT NULL,			-- its name, as the user calls it
	sealed		bytea NOT NULL,
	key_id		uuid NOT NULL REFERENCES vault_key,
	masked		text NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	last_used_at	timestamptz,
	UNIQUE (owner_id, key)
);
CREATE INDEX secret_key_id ON secret (key_id, id);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secret TO millrace_api USING (owner_id = caller_id());

-- A sign-in under way, from the redirect to the provider until the browser has its session. Workers
-- see it through the functions below alone. State, cookie and ticket are kept as their SHA-256.
CREATE TABLE oauth_flow (
	state_hash	bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
	-- The browser that began it
	cookie_hash	bytea NOT NULL CHECK (octet_length(cookie_hash) = 32),
	provider	text NOT NULL,
	verifier	text NOT NULL,			-- PKCE (RFC 7636)
	nonce		text NOT NULL,			-- OpenID Connect
	return_to	text,				-- a path, which the worker has checked
	-- Who was signed in: an identity is to be linked
	user_id		uuid REFERENCES app_user ON DELETE CASCADE,
	session_id	uuid,				-- by which session
	code		text,				-- between the callback and the runner
	-- The exchange; NULL: the browser is at the provider still
	run_id		uuid UNIQUE,
	-- What the browser comes back with after the exchange
	ticket_hash	bytea UNIQUE,
	outcome		text,				-- NULL: under way; 'ok', or an error's code
	subject		text,
	email		text,
	email_verified	boolean,
	name		text,
	sealed		bytea,
	key_id		uuid REFERENCES vault_key,
	scope		text,
	expires_at	timestamptz,			-- of the access token
	refreshable	boolean,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX oauth_flow_age ON oauth_flow (created_at);
CREATE INDEX oauth_flow_user ON oauth_flow (user_id) WHERE user_id IS NOT NULL;
ALTER TABLE oauth_flow ENABLE ROW LEVEL SECURITY;

-- A user's tokens of a provider: {"access_token", "refresh_token"}, sealed to the runner's key
-- under a label of provider and subject. A row without a user waits for its revocation at the
-- provider; unsealing it needs `subject` until then.
CREATE TABLE oauth_token (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	user_id		uuid REFERENCES app_user ON DELETE CASCADE,
	provider	text NOT NULL,
	subject		text NOT NULL,
	sealed		bytea NOT NULL,
	key_id		uuid NOT NULL REFERENCES vault_key,
	scope		text,
	expires_at	timestamptz,			-- of the access token; NULL: it lasts
	refresh_at	timestamptz,			-- when it is due; NULL: never
	refresh_run	uuid,				-- whose turn it is
	failures	int NOT NULL DEFAULT 0,		-- of refreshing, in a row
	-- The provider takes the refresh token no more
	failed_at	timestamptz,
	created_at	timestamptz NOT NULL DEFAULT now(),
	refreshed_at	timestamptz,
	forgotten_at	timestamptz
);
CREATE UNIQUE INDEX oauth_token_identity ON oauth_token (provider, subject) WHERE forgotten_at IS NULL;
CREATE INDEX oauth_token_user ON oauth_token (user_id);
CREATE INDEX oauth_token_due ON oauth_token (refresh_at) WHERE refresh_at IS NOT NULL;
CREATE INDEX oauth_token_key ON oauth_token (key_id, id);
ALTER TABLE oauth_token ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON oauth_token TO millrace_api USING (user_id = caller_id());
