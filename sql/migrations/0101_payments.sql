-- Payments in USDC on EVM networks. What is on the chain (chain_…) is nobody's: ids, addresses and
-- amounts, which are public there; whose it is and what for is in `payment`, and goes with its
-- user.

-- An account that pays on a network. Its private key is sealed to the vault's key in force, under a
-- label of network and address; the runner alone opens it.
CREATE TABLE chain_account (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	network		text NOT NULL,
	-- As the settings had it when the key was put: on another chain its nonces are others
	chain_id	bigint NOT NULL,
	address		text NOT NULL CHECK (address ~ '^0x[0-9a-fA-F]{40}$'),
	sealed		bytea NOT NULL,
	key_id		uuid NOT NULL REFERENCES vault_key,
	-- The first nonce that no transfer has
	next_nonce	bigint NOT NULL DEFAULT 0,
	-- In USDC, as a runner last saw it
	balance_usd	numeric,
	balance_at	timestamptz,
	-- Since when it is below MILLRACE_PAYMENT_BALANCE_MIN; NULL: it is not
	low_since	timestamptz,
	created_at	timestamptz NOT NULL DEFAULT now(),
	-- It signs nothing new
	retired_at	timestamptz,
	UNIQUE (network, chain_id, address)
);
CREATE UNIQUE INDEX chain_account_in_force ON chain_account (network) WHERE retired_at IS NULL;
CREATE INDEX chain_account_key ON chain_account (key_id, id);

-- The newest block of a network that a runner has seen.
CREATE TABLE chain_head (
	network		text PRIMARY KEY,
	block		bigint NOT NULL,
	seen_at		timestamptz NOT NULL
);

-- A transfer that is to be made once. It has one nonce of its account, which no other transfer ever
-- has: however often it is signed and sent, the network takes one transaction of that nonce.
CREATE TABLE chain_transfer (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	network		text NOT NULL,
	recipient	text NOT NULL,
	amount_usd	numeric NOT NULL CHECK (amount_usd > 0),
	-- wanted: nothing is signed; signed: it has its nonce, and may be on its way; mined: a
	-- block has it; confirmed: enough have; failed: it was not made, and will not be
	state		text NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'signed', 'mined', 'confirmed', 'failed')),
	account_id	uuid REFERENCES chain_account,
	nonce		bigint,
	-- The job's that makes it, or made it last
	run_id		uuid,
	-- The transaction that a block has
	hash		text,
	block_number	bigint,
	block_hash	text,
	gas_used	bigint,
	gas_price	numeric,			-- in the native currency's smallest unit
	problem		text,				-- why it failed, in words
	created_at	timestamptz NOT NULL DEFAULT now(),
	mined_at	timestamptz,
	ended_at	timestamptz,
	UNIQUE (account_id, nonce),
	CHECK ((account_id IS NULL) = (nonce IS NULL)),
	CHECK (state IN ('wanted', 'failed') OR nonce IS NOT NULL),
	CHECK ((hash IS NULL) = (block_number IS NULL))
);
CREATE INDEX chain_transfer_open ON chain_transfer (state, id) WHERE state IN ('wanted', 'signed', 'mined');
CREATE INDEX chain_transfer_age ON chain_transfer (network, ended_at) WHERE state = 'confirmed';

-- What was signed for a transfer, before it was sent: the newest pays the highest fee.
CREATE TABLE chain_transaction (
	hash		text PRIMARY KEY,
	transfer_id	uuid NOT NULL REFERENCES chain_transfer ON DELETE CASCADE,
	n		int NOT NULL,
	raw		bytea NOT NULL,
	fee		numeric NOT NULL,		-- for a unit of gas, at most
	tip		numeric NOT NULL,
	gas		bigint NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (transfer_id, n)
);

-- What a transfer is for. A request_id is its user's, and pays once.
CREATE TABLE payment (
	id		uuid PRIMARY KEY REFERENCES chain_transfer,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	request_id	text NOT NULL,
	provider	text NOT NULL,
	model		text,
	metadata	jsonb NOT NULL,
	-- What it settles; NULL: the request was charged before it was paid for
	charge_id	uuid,
	created_at	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (owner_id, request_id)
);
ALTER TABLE payment ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON payment TO millrace_api USING (owner_id = caller_id());

INSERT INTO export_section (position, name, query) VALUES
(101, 'usdc_payments', $q$SELECT p.id, 0::int8, payment_json(p)
	FROM payment p WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
