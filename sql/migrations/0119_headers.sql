-- What is sent with a request to an address that a user has given: a bearer token, and headers.
-- Their values are secrets of the vault, which are named here by their keys.
ALTER TABLE datasource
	ADD secret text,				-- of the platform api: the vault's key of its bearer token
	ADD headers jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(headers) = 'object');	-- {name: the vault's key of its value}
ALTER TABLE mcp_server
	ADD headers jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(headers) = 'object');	-- as above
DROP FUNCTION IF EXISTS mcp_server_create(text, text, text), datasource_change(uuid, uuid, text, text, text, jsonb, jsonb), datasources_create(jsonb),
	datasource_admit(datasource);
