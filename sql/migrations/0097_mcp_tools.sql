-- What servers of tools have said they have.
ALTER TABLE mcp_server
	ADD COLUMN tools	jsonb NOT NULL DEFAULT '[]',	-- [{name, description, inputSchema, reads}]: those that are in order
	ADD COLUMN revision	text,				-- of the protocol, that it speaks; NULL: not known
	ADD COLUMN problem	text,				-- why it did not say, or what was left out
	ADD COLUMN listed_at	timestamptz,			-- when it said so
	ADD COLUMN list_after	timestamptz;			-- when it is to be asked again; NULL: at the next use
