-- Where a chatbot answers beside the API: pages of a site.
CREATE TABLE integration (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	chatbot_id	uuid NOT NULL REFERENCES chatbot ON DELETE CASCADE,
	type		text NOT NULL CHECK (type IN ('slack', 'website')),
	name		text NOT NULL,
	-- 'error': it cannot work as it is, and `problem` says why.
	status		text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'error')),
	problem		text,
	config		jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(config) = 'object'),
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX integration_owner ON integration (owner_id, id);
CREATE INDEX integration_chatbot ON integration (chatbot_id);
ALTER TABLE integration ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON integration TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER reply_forgotten AFTER DELETE ON integration FOR EACH ROW EXECUTE FUNCTION reply_forgotten();

INSERT INTO export_section (position, name, query) VALUES
(43, 'integrations', $q$SELECT id, 0::int8, integration_json(i, '')
	FROM integration i WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
