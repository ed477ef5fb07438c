-- Calls of models that clients make through the gateway.

-- The providers that the runners have, as these last said; the first is the one that chats are
-- answered with.
CREATE TABLE gateway_provider (
	name		text PRIMARY KEY,
	kind		text NOT NULL,			-- openai, anthropic, google, local
	model		text,				-- what it is asked for where nobody names one
	place		int NOT NULL
);

-- The run that a charge is for, where its request_id is the client's.
ALTER TABLE charge ADD COLUMN run_id uuid;
CREATE INDEX charge_run ON charge (run_id) WHERE run_id IS NOT NULL;
