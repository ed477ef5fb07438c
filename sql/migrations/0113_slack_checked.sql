-- Which of an integration's tokens was checked, and when: what is heard of an earlier one does not
-- count, and of two integrations with one bot the one that was checked last has its messages.
ALTER TABLE slack_bot ADD COLUMN token bigint NOT NULL DEFAULT 1,		-- counts those that were given
	ADD COLUMN checked_at timestamptz NOT NULL DEFAULT now();
UPDATE slack_bot b SET checked_at = '-infinity' FROM integration i WHERE i.id = b.integration_id AND i.status <> 'active';

-- Their arguments have changed.
DROP FUNCTION IF EXISTS slack_token(uuid, text);
DROP FUNCTION IF EXISTS slack_problem(uuid, text);
DROP FUNCTION IF EXISTS slack_checked(uuid, text, int, bigint, text, text, text);
DROP FUNCTION IF EXISTS slack_refused(uuid, text, int, bigint, int, text, text);
DROP FUNCTION IF EXISTS slack_event(uuid, jsonb, bytea, int, int, int, int, int, int);

-- One for all that lies sealed: sealed_change().
DROP FUNCTION IF EXISTS oauth_reseal(uuid[], text[], text[], uuid);
DROP FUNCTION IF EXISTS slack_reseal(uuid[], text[], text[], uuid);
DROP FUNCTION IF EXISTS chain_reseal(uuid[], text[], text[], uuid);
