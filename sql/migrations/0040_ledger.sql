-- Money: the ledger, what calls reserve and cost, projects with budgets and policies, approvals.

-- What is reserved of the balance by charges that are under way, changed with them.
ALTER TABLE app_user ADD COLUMN reserved_usd numeric NOT NULL DEFAULT 0;

-- A service account names its users itself: two accounts' `user_001` are two users.
CREATE TABLE service_user (
	service_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	user_id		uuid NOT NULL UNIQUE REFERENCES app_user ON DELETE CASCADE,
	PRIMARY KEY (service_id, name)
);
ALTER TABLE service_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON service_user TO millrace_api USING (caller_id() IN (service_id, user_id));

-- A user's project: its budget, its policies, and what was spent in it. Chats are of `default`.
CREATE TABLE project (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	-- NULL: no limit. Days and months are UTC's
	daily_limit	numeric CHECK (daily_limit >= 0),
	monthly_limit	numeric CHECK (monthly_limit >= 0),
	per_request_limit numeric CHECK (per_request_limit >= 0),
	-- NULL: any
	allowed_providers text[],
	-- An array of names for each provider; NULL, or a provider that is not in it: any
	allowed_models	jsonb,
	requests_per_minute bigint CHECK (requests_per_minute >= 0),
	tokens_per_hour	bigint CHECK (tokens_per_hour >= 0),
	forbidden_operations text[] NOT NULL DEFAULT '{}',
	require_approval_above numeric CHECK (require_approval_above >= 0),
	reserved_usd	numeric NOT NULL DEFAULT 0,
	total_usd	numeric NOT NULL DEFAULT 0,
	-- What was spent on the last day, and in the last month, that something was spent
	day		date NOT NULL DEFAULT '-infinity',
	day_usd		numeric NOT NULL DEFAULT 0,
	month_usd	numeric NOT NULL DEFAULT 0,
	requests	bigint NOT NULL DEFAULT 0,
	last_request_at	timestamptz,
	created_at	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (owner_id, name)
) WITH (fillfactor = 50);
ALTER TABLE project ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON project TO millrace_api USING (owner_id = caller_id());

-- Prices keep their history; a shipped one says where it was read, and when. Cached input and
-- reasoning have prices of their own where they differ.
ALTER TABLE provider_price ADD COLUMN uid uuid NOT NULL UNIQUE DEFAULT uuid_v7(),
	ADD COLUMN cached_usd numeric CHECK (cached_usd >= 0),		-- NULL: as input
	ADD COLUMN reasoning_usd numeric CHECK (reasoning_usd >= 0),	-- NULL: as output
	ADD COLUMN source text NOT NULL DEFAULT '',			-- a page; "": an administrator
	ADD COLUMN as_of date;						-- the day that the page is of
UPDATE provider_price SET source = 'https://openai.com/api/pricing/', as_of = '2025-04-14' WHERE provider = 'openai';
UPDATE provider_price SET cached_usd = 1.25 WHERE provider = 'openai' AND model = 'gpt-4o';
UPDATE provider_price SET cached_usd = 0.075 WHERE provider = 'openai' AND model = 'gpt-4o-mini';
UPDATE provider_price SET cached_usd = 0.50 WHERE provider = 'openai' AND model = 'gpt-4.1';
UPDATE provider_price SET cached_usd = 0.10 WHERE provider = 'openai' AND model = 'gpt-4.1-mini';
UPDATE provider_price SET cached_usd = 0.025 WHERE provider = 'openai' AND model = 'gpt-4.1-nano';
INSERT INTO provider_price (provider, model, input_usd, cached_usd, output_usd, source, as_of, valid_from)
SELECT v.provider, v.model, v.input, v.cached, v.output, v.source, v.as_of::date, '2025-01-01' FROM (VALUES
	('openai', 'text-embedding-3-small', 0.02, NULL, 0, 'https://openai.com/api/pricing/', '2025-04-14'),
	('openai', 'text-embedding-3-large', 0.13, NULL, 0, 'https://openai.com/api/pricing/', '2025-04-14'),
	('anthropic', 'claude-opus-4-1', 15, 1.50, 75, 'https://docs.anthropic.com/en/docs/about-claude/pricing', '2025-08-05'),
	('anthropic', 'claude-sonnet-4', 3, 0.30, 15, 'https://docs.anthropic.com/en/docs/about-claude/pricing', '2025-08-05'),
	('anthropic', 'claude-3-5-haiku', 0.80, 0.08, 4, 'https://docs.anthropic.com/en/docs/about-claude/pricing', '2025-08-05'),
	('anthropic', 'claude-3-haiku', 0.25, 0.03, 1.25, 'https://docs.anthropic.com/en/docs/about-claude/pricing', '2025-08-05'),
	('anthropic', 'claude-opus-4-5', 5, 0.50, 25, 'https://deploybase.ai/articles/claude-api-pricing', '2026-03-21'),
	('anthropic', 'claude-sonnet-4-5', 3, 0.30, 15, 'https://deploybase.ai/articles/claude-api-pricing', '2026-03-21'),
	('anthropic', 'claude-haiku-4-5', 1, 0.10, 5, 'https://deploybase.ai/articles/claude-api-pricing', '2026-03-21'),
	('google', 'gemini-2.5-pro', 1.25, NULL, 10, 'https://deploybase.ai/articles/gemini-api-pricing-2026', '2026-03-01'),
	('google', 'gemini-2.5-flash', 0.30, NULL, 2.50, 'https://deploybase.ai/articles/gemini-api-pricing-2026', '2026-03-01')
) AS v (provider, model, input, cached, output, source, as_of);

-- What one request reserves, then costs. A request_id is its user's, and counts once.
CREATE TABLE charge (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	project_id	uuid NOT NULL REFERENCES project ON DELETE CASCADE,
	-- The client's, or the run's id
	request_id	text NOT NULL,
	kind		text NOT NULL,			-- spending, call, or the run's kind
	state		text NOT NULL CHECK (state IN ('reserved', 'settled', 'released')),
	reserved_usd	numeric NOT NULL DEFAULT 0 CHECK (reserved_usd >= 0),	-- 0 once it has ended
	amount_usd	numeric NOT NULL DEFAULT 0 CHECK (amount_usd >= 0),	-- 0 until it is settled
	-- It passed a limit of its project, and was counted all the same
	flagged		boolean NOT NULL DEFAULT false,
	provider	text,
	model		text,
	operation	text,
	tokens		bigint NOT NULL DEFAULT 0,
	-- Its day in the project's budget, once it is settled
	day		date,
	-- The client's own time for it
	client_at	timestamptz,
	-- A reservation ends then by itself; NULL: with its run
	expires_at	timestamptz,
	created_at	timestamptz NOT NULL DEFAULT now(),
	ended_at	timestamptz,
	UNIQUE (owner_id, request_id)
);
CREATE INDEX charge_project ON charge (project_id, created_at);
CREATE INDEX charge_ended ON charge (owner_id, ended_at);
CREATE INDEX charge_expiry ON charge (expires_at) WHERE state = 'reserved';
ALTER TABLE charge ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON charge TO millrace_api USING (owner_id = caller_id());

-- Every cent that moved, in double entry: a transfer's two entries sum up to zero. Ids have no
-- foreign keys, and nothing here is anybody's words: entries outlive their users.
CREATE TABLE ledger_entry (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	-- The order in which a user's entries were made: given out under the lock of their row
	seq		bigint GENERATED ALWAYS AS IDENTITY,
	transfer	uuid NOT NULL,
	-- Whose credits; NULL: the other side, an account of the house's
	owner_id	uuid,
	account		text NOT NULL CHECK (account IN ('credits', 'usage', 'grants', 'purchases', 'refunds', 'payments')),
	kind		text NOT NULL CHECK (kind IN ('purchase', 'usage', 'grant', 'refund', 'payment')),
	amount_usd	numeric NOT NULL CHECK (amount_usd <> 0),
	-- The user's balance after it
	balance_usd	numeric,
	charge_id	uuid,
	created_at	timestamptz NOT NULL DEFAULT now(),
	CHECK ((account = 'credits') = (owner_id IS NOT NULL) AND (owner_id IS NULL) = (balance_usd IS NULL))
);
CREATE INDEX ledger_entry_owner ON ledger_entry (owner_id, seq) WHERE owner_id IS NOT NULL;
CREATE INDEX ledger_entry_transfer ON ledger_entry (transfer);
CREATE INDEX ledger_entry_charge ON ledger_entry (charge_id) WHERE charge_id IS NOT NULL;
ALTER TABLE ledger_entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON ledger_entry TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();

-- What a transfer was for, in words, where its kind does not say it; goes with its user.
CREATE TABLE ledger_note (
	transfer	uuid PRIMARY KEY,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	description	text NOT NULL
);
CREATE INDEX ledger_note_owner ON ledger_note (owner_id);
ALTER TABLE ledger_note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON ledger_note TO millrace_api USING (owner_id = caller_id());

-- A request above its project's require_approval_above waits for an administrator.
CREATE TABLE approval (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	project_id	uuid NOT NULL REFERENCES project ON DELETE CASCADE,
	request_id	text NOT NULL,
	kind		text NOT NULL,
	provider	text,
	model		text,
	operation	text,
	amount_usd	numeric NOT NULL,
	status		text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'rejected', 'expired', 'used')),
	created_at	timestamptz NOT NULL DEFAULT now(),
	-- A pending one expires then; an approved one an hour after the approval
	expires_at	timestamptz NOT NULL,
	decided_at	timestamptz,
	decided_by	uuid REFERENCES app_user ON DELETE SET NULL,
	UNIQUE (owner_id, request_id)
);
CREATE INDEX approval_open ON approval (expires_at) WHERE status IN ('pending', 'approved');
CREATE INDEX approval_decided_by ON approval (decided_by);
ALTER TABLE approval ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON approval TO millrace_api USING (owner_id = caller_id());

-- What the runners answer chats with: what a turn reserves is reckoned from its price.
CREATE TABLE chat_model (
	one		boolean PRIMARY KEY DEFAULT true CHECK (one),
	provider	text NOT NULL,
	model		text NOT NULL
);

-- A run's end settles what it has used; a call that is counted later is charged by itself.
CREATE TRIGGER run_settled AFTER UPDATE OF ended_at ON run FOR EACH ROW
	WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.owner_id IS NOT NULL) EXECUTE FUNCTION run_settled();
CREATE TRIGGER usage_settled AFTER INSERT ON usage_event FOR EACH ROW
	WHEN (NEW.cost_usd > 0) EXECUTE FUNCTION usage_settled();

INSERT INTO export_section (position, name, query) VALUES
(91, 'named_by', $q$SELECT user_id, 0::int8, json_build_object('service_id', service_id, 'name', name)
	FROM service_user WHERE user_id = caller_id() AND user_id > $1 ORDER BY user_id LIMIT $3$q$),
(92, 'projects', $q$SELECT id, 0::int8, project_json(p)
	FROM project p WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(93, 'charges', $q$SELECT id, 0::int8, charge_json(c)
	FROM charge c WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(94, 'credits', $q$SELECT owner_id, seq, credit_json(e)
	FROM ledger_entry e WHERE owner_id = caller_id() AND seq > $2 ORDER BY seq LIMIT $3$q$),
(95, 'approvals', $q$SELECT id, 0::int8, approval_json(a)
	FROM approval a WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
