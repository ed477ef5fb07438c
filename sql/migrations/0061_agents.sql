-- Agents as users define them, processes (instances of an agent, with a schedule), and what these
-- read.

CREATE TABLE agent (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	type		text NOT NULL,			-- the name that it is invoked by
	name		text NOT NULL,
	prompt		text NOT NULL,
	model		text,				-- NULL: the installation's
	tools		text[] NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT agent_type UNIQUE (owner_id, type)
);
CREATE INDEX agent_owner ON agent (owner_id, id);
ALTER TABLE agent ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON agent TO millrace_api USING (owner_id = caller_id());

-- A process is also what its clients call an agent: agent_id is its id.
CREATE TABLE agent_process (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	description	text,
	agent_type	text,
	model		text,
	status		text NOT NULL DEFAULT 'stopped' CHECK (status IN ('active', 'stopped', 'paused')),
	execution_mode	text NOT NULL DEFAULT 'manual' CHECK (execution_mode IN ('manual', 'scheduled')),
	interval_s	int,
	cron		text,
	timezone	text NOT NULL DEFAULT 'UTC',	-- of cron
	emails		text[] NOT NULL DEFAULT '{}',	-- who hears of a source that stops answering
	started_at	timestamptz,			-- when it last became active; intervals count from there
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	CHECK (interval_s IS NULL OR cron IS NULL)
);
CREATE INDEX agent_process_owner ON agent_process (owner_id, id);
ALTER TABLE agent_process ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON agent_process TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER process_topics AFTER INSERT OR DELETE ON agent_process FOR EACH ROW EXECUTE FUNCTION process_topics();
CREATE TRIGGER publish_agent_status AFTER UPDATE OF status ON agent_process FOR EACH ROW EXECUTE FUNCTION publish_agent_status();

CREATE TABLE datasource (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	process_id	uuid REFERENCES agent_process ON DELETE CASCADE,
	platform	text NOT NULL CHECK (platform IN ('google_drive', 'onedrive', 'url', 'upload', 'api')),
	resource_identifier	text NOT NULL,
	resource_name	text,
	config		jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(config) = 'array'),
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX datasource_owner ON datasource (owner_id, id);
CREATE INDEX datasource_process ON datasource (process_id) WHERE process_id IS NOT NULL;
ALTER TABLE datasource ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON datasource TO millrace_api USING (owner_id = caller_id());

INSERT INTO export_section (position, name, query) VALUES
(120, 'agents', $q$SELECT id, 0::int8, agent_json(a) FROM agent a WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(130, 'processes', $q$SELECT id, 0::int8, process_json(p)
	FROM agent_process p WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(140, 'datasources', $q$SELECT id, 0::int8, datasource_json(d)
	FROM datasource d WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
