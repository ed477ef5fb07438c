-- Slack: the app of an integration, as its credentials and auth.test have shown it.

CREATE TABLE slack_bot (
	integration_id	uuid PRIMARY KEY REFERENCES integration ON DELETE CASCADE,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	team_id		text NOT NULL,
	team		text NOT NULL,		-- the workspace's name
	bot_user_id	text NOT NULL,
	sealed		bytea NOT NULL,		-- the bot token, for the runner
	key_id		uuid NOT NULL REFERENCES vault_key,
	-- The signing secret, which workers alone open; NULL: the server's. And the one before.
	signing		bytea,
	signing_before	bytea,
	before_until	timestamptz,
	has_signing	boolean NOT NULL GENERATED ALWAYS AS (signing IS NOT NULL) STORED,
	holds		jsonb NOT NULL DEFAULT '{}'	-- channels that Slack wants nothing said in, and until when
);
CREATE INDEX slack_bot_owner ON slack_bot (owner_id);
CREATE INDEX slack_bot_team ON slack_bot (team_id, bot_user_id);
CREATE INDEX slack_bot_key ON slack_bot (key_id, integration_id);
ALTER TABLE slack_bot ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON slack_bot TO millrace_api USING (owner_id = caller_id());

INSERT INTO export_section (position, name, query) VALUES
(45, 'slack', $q$SELECT integration_id, 0::int8, json_build_object('integrationId', integration_id, 'teamId', team_id, 'team', team, 'botUserId', bot_user_id)
	FROM slack_bot WHERE owner_id = caller_id() AND integration_id > $1 ORDER BY integration_id LIMIT $3$q$);

-- It shows one column more.
DROP FUNCTION IF EXISTS relay_progress(uuid);
