-- Bounds for what one statement reads.

-- The sums of a user's model calls up to usage_counted.upto, by usage_count(); the calls after that
-- are added by who asks (settings_json).
CREATE TABLE usage_total (
	owner_id	uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	calls		bigint NOT NULL,
	input_tokens	bigint NOT NULL,
	output_tokens	bigint NOT NULL,
	cost_usd	numeric NOT NULL
);
ALTER TABLE usage_total ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON usage_total TO millrace_api USING (owner_id = caller_id());

CREATE TABLE usage_counted (
	one		boolean PRIMARY KEY DEFAULT true CHECK (one),
	upto		uuid NOT NULL			-- of usage_event: this one and those before it
);
INSERT INTO usage_counted (upto) VALUES ('00000000-0000-0000-0000-000000000000');

-- What login_forget() looks for, among all that anybody has caused.
CREATE INDEX login_failure_account ON login_failure (split_part(subject, ' ', 2));

-- Other arguments, and another result.
DROP FUNCTION IF EXISTS account_search(text, bigint, uuid);
