-- Figures of all users: found by time, in tables that only grow at their end.

CREATE INDEX message_made ON message USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX usage_event_made ON usage_event USING brin (created_at) WITH (autosummarize = on);

ALTER TABLE usage_event
	ADD COLUMN ms int,				-- how long the call took; NULL: not known
	ADD COLUMN failed boolean NOT NULL DEFAULT false;	-- it broke off

-- Calls of a model of which nothing came.
CREATE TABLE model_failure (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	provider	text NOT NULL,
	model		text NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX model_failure_made ON model_failure USING brin (created_at) WITH (autosummarize = on);
ALTER TABLE model_failure ENABLE ROW LEVEL SECURITY;
