-- Figures of tables that grow: hours that are over are counted once, by figures_roll(), and who
-- asks adds what has come since. Hours are UTC's.

-- Leads, of those up to figure_upto.lead, by the hour in which they were made.
CREATE TABLE lead_hour (
	hour		timestamptz PRIMARY KEY,
	n		bigint NOT NULL
);
ALTER TABLE lead_hour ENABLE ROW LEVEL SECURITY;

-- Leads that were deleted, and are in lead_hour all the same until figures_roll() takes both out.
CREATE TABLE lead_gone (
	lead_id		uuid PRIMARY KEY,
	hour		timestamptz NOT NULL
);
ALTER TABLE lead_gone ENABLE ROW LEVEL SECURITY;
CREATE TRIGGER lead_gone_note AFTER DELETE ON lead REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION lead_gone_note();

-- In which hours a conversation had messages, of those up to figure_upto.message.
CREATE TABLE talk_hour (
	conversation_id	uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
	hour		timestamptz NOT NULL,
	PRIMARY KEY (conversation_id, hour)
);
CREATE INDEX talk_hour_hour ON talk_hour USING brin (hour) WITH (autosummarize = on);
ALTER TABLE talk_hour ENABLE ROW LEVEL SECURITY;

CREATE TABLE figure_upto (
	one		boolean PRIMARY KEY DEFAULT true CHECK (one),
	lead		uuid NOT NULL,			-- this one and those before it are counted
	message		uuid NOT NULL
);
ALTER TABLE figure_upto ENABLE ROW LEVEL SECURITY;
INSERT INTO figure_upto (lead, message) VALUES ('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000');

-- Whether a lead has been won changes at any time: these are counted when somebody asks.
CREATE INDEX lead_won ON lead (created_at) WHERE status = 'converted';

-- A process's tasks are done one after the other.
CREATE INDEX task_open ON task (process_id, id) WHERE ended_at IS NULL;

-- Other arguments.
DROP FUNCTION IF EXISTS trend_series(uuid, boolean, text, timestamptz, timestamptz, text);
DROP FUNCTION IF EXISTS analytics_series(bytea, text, timestamptz, timestamptz, text);
DROP FUNCTION IF EXISTS analytics_revenue(bytea, timestamptz, timestamptz);
DROP FUNCTION IF EXISTS workflow_step_json(workflow_step);
DROP FUNCTION IF EXISTS task_compare(uuid, text, int, int, int, int);
