-- Conversations, messages, artifacts; and what using models cost.

CREATE TABLE conversation (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	title		text NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX conversation_owner ON conversation (owner_id, id);
ALTER TABLE conversation ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON conversation TO millrace_api USING (owner_id = caller_id());
CREATE INDEX conversation_made ON conversation (created_at);
CREATE INDEX conversation_owner_made ON conversation (owner_id, created_at);
CREATE TRIGGER publish_conversation_deleted AFTER DELETE ON conversation FOR EACH ROW
	EXECUTE FUNCTION publish_conversation_deleted();

CREATE TABLE message (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	conversation_id	uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
	owner_id	uuid NOT NULL,
	run_id		uuid,
	role		text NOT NULL CHECK (role IN ('user', 'assistant')),
	content		text NOT NULL,
	sources		json NOT NULL DEFAULT '[]',
	status		text NOT NULL DEFAULT 'complete' CHECK (status IN ('complete', 'partial')),
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_conversation ON message (conversation_id, id);

-- One assistant message a run, however often it is tried.
CREATE UNIQUE INDEX message_answer ON message (run_id) WHERE role = 'assistant';
ALTER TABLE message ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON message TO millrace_api USING (owner_id = caller_id());
CREATE INDEX message_owner ON message (owner_id, id);
CREATE TRIGGER publish_message_created AFTER INSERT ON message FOR EACH ROW EXECUTE FUNCTION publish_message_created();

CREATE TABLE artifact (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	conversation_id	uuid REFERENCES conversation ON DELETE CASCADE,
	run_id		uuid NOT NULL,
	name		text NOT NULL,
	version		int NOT NULL,
	mime_type	text NOT NULL,
	size		bigint NOT NULL,
	blob_id		uuid NOT NULL REFERENCES blob,
	-- The tool call that wrote it: a call tried again writes once
	call_id		text NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (conversation_id, name, version),
	UNIQUE (run_id, call_id)
);
CREATE INDEX artifact_blob ON artifact (blob_id);
ALTER TABLE artifact ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON artifact TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER artifact_blob_unused AFTER DELETE ON artifact FOR EACH ROW EXECUTE FUNCTION blob_unused();
CREATE INDEX artifact_owner ON artifact (owner_id, id);

-- US dollars a million tokens, with their history: the price in force is the newest that has begun.
-- `*` stands for every model of a provider without a price of its own.
CREATE TABLE provider_price (
	id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	provider	text NOT NULL,
	model		text NOT NULL,
	input_usd	numeric NOT NULL CHECK (input_usd >= 0),
	output_usd	numeric NOT NULL CHECK (output_usd >= 0),
	valid_from	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (provider, model, valid_from)
);
INSERT INTO provider_price (provider, model, input_usd, output_usd, valid_from) VALUES
	('local', '*', 0, 0, '2024-01-01'),
	('openai', 'gpt-4o', 2.50, 10.00, '2024-01-01'),
	('openai', 'gpt-4o-mini', 0.15, 0.60, '2024-01-01'),
	('openai', 'gpt-4.1', 2.00, 8.00, '2024-01-01'),
	('openai', 'gpt-4.1-mini', 0.40, 1.60, '2024-01-01'),
	('openai', 'gpt-4.1-nano', 0.10, 0.40, '2024-01-01');

-- One model call's use, kept exactly: tokens, the price in force, and their product. Written once
-- per (run, call).
CREATE TABLE usage_event (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL,
	run_id		uuid NOT NULL,
	-- Attempt * 1000 + the call's place in the attempt
	call		int NOT NULL,
	provider	text NOT NULL,
	model		text NOT NULL,
	input_tokens	bigint NOT NULL CHECK (input_tokens >= 0),
	output_tokens	bigint NOT NULL CHECK (output_tokens >= 0),
	-- Counted by us, where the provider did not say
	estimated	boolean NOT NULL,
	-- NULL: no price was known, the cost is 0
	price_id	bigint REFERENCES provider_price,
	input_usd	numeric NOT NULL,
	output_usd	numeric NOT NULL,
	cost_usd	numeric NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (run_id, call)
);
CREATE INDEX usage_event_owner ON usage_event (owner_id, created_at);
ALTER TABLE usage_event ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON usage_event TO millrace_api USING (owner_id = caller_id());
CREATE INDEX usage_event_export ON usage_event (owner_id, id);
