-- Users' containers: where their assistants' commands run, at the runner's container engine.

-- This installation, as the engine's labels name it, and whether a runner has an engine.
CREATE TABLE container_engine (
	one		boolean PRIMARY KEY DEFAULT true CHECK (one),
	installation	uuid NOT NULL DEFAULT uuid_v7(),
	active		boolean NOT NULL DEFAULT false
);
INSERT INTO container_engine DEFAULT VALUES;

-- A user's container, from its first use on. While it is stopped there is only its workspace.
CREATE TABLE container (
	owner_id	uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	-- Starting and stopping are one runner's, for as long as container_takes() says
	status		text NOT NULL DEFAULT 'stopped' CHECK (status IN ('starting', 'running', 'stopping', 'stopped', 'failed')),
	since		timestamptz NOT NULL DEFAULT now(),
	-- What POST /api/agent/control has asked for, until it is done
	asked		text CHECK (asked IN ('start', 'stop')),
	used_at		timestamptz NOT NULL DEFAULT now(),
	-- How often it has ended by itself since a command last came to its end
	crashes		int NOT NULL DEFAULT 0,
	-- What the workspace took up after the last command
	workspace_kib	bigint NOT NULL DEFAULT 0
);
ALTER TABLE container ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON container TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER container_told AFTER INSERT OR UPDATE OF status ON container FOR EACH ROW EXECUTE FUNCTION container_told();
CREATE TRIGGER container_gone AFTER DELETE ON container FOR EACH STATEMENT EXECUTE FUNCTION container_gone();

-- A command of a run, from before it begins: so a later attempt of the run does not do it again.
CREATE TABLE container_command (
	run_id		uuid NOT NULL REFERENCES run ON DELETE CASCADE,
	call_id		text NOT NULL,
	owner_id	uuid NOT NULL REFERENCES container ON DELETE CASCADE,
	attempt		int NOT NULL,			-- of the run, which began it
	ended_at	timestamptz,
	PRIMARY KEY (run_id, call_id)
);
-- One at a time: what a command leaves behind is ended by ending all that runs in the container.
CREATE UNIQUE INDEX container_command_open ON container_command (owner_id) WHERE ended_at IS NULL;
CREATE INDEX container_command_owner ON container_command (owner_id);
ALTER TABLE container_command ENABLE ROW LEVEL SECURITY;

INSERT INTO export_section (position, name, query) VALUES
(125, 'container', $q$SELECT owner_id, 0::int8, container_json(owner_id)
	FROM container WHERE owner_id = caller_id() AND owner_id > $1 ORDER BY owner_id LIMIT $3$q$);
