-- Workflows' definitions, and servers of tools.

CREATE TABLE workflow (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	description	text,
	definition	json NOT NULL,			-- as it was given, for people to read
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX workflow_owner ON workflow (owner_id, id);
ALTER TABLE workflow ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON workflow TO millrace_api USING (owner_id = caller_id());

CREATE TABLE mcp_server (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	url		text NOT NULL,
	secret		text,				-- the vault's key of its bearer token
	created_at	timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT mcp_server_name UNIQUE (owner_id, name)
);
CREATE INDEX mcp_server_owner ON mcp_server (owner_id, id);
ALTER TABLE mcp_server ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON mcp_server TO millrace_api USING (owner_id = caller_id());

INSERT INTO export_section (position, name, query) VALUES
(150, 'workflows', $q$SELECT id, 0::int8, workflow_json(w) FROM workflow w WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(160, 'mcp_servers', $q$SELECT id, 0::int8, mcp_server_json(m)
	FROM mcp_server m WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
