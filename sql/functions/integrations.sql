-- Integrations: where a chatbot answers beside the API.

-- `base`: this server's address from outside.
CREATE OR REPLACE FUNCTION integration_json(i integration, base text) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', i.id, 'userId', i.owner_id, 'type', i.type, 'name', i.name, 'chatbotId', i.chatbot_id,
		'status', i.status, 'problem', i.problem,
		'config', CASE i.type WHEN 'slack' THEN i.config || slack_config_json(i.id, $2)
			ELSE '{"allowedOrigins": []}'::jsonb || i.config || jsonb_build_object('snippet',
				format('<script src="%s/widget.js" data-chatbot="%s" async></script>', $2, i.chatbot_id)) END,
		'createdAt', rfc3339(i.created_at), 'updatedAt', rfc3339(i.updated_at))
$$;
GRANT EXECUTE ON FUNCTION integration_json TO millrace_api;

-- May pages of this origin embed the chatbot? By its settings, or as a site that it is integrated
-- into.
CREATE OR REPLACE FUNCTION chatbot_allows(b chatbot, origin text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN coalesce(b.settings -> 'allowedOrigins' ? $2, false) OR EXISTS (SELECT FROM integration i
		WHERE i.chatbot_id = b.id AND i.type = 'website' AND i.status = 'active' AND i.config -> 'allowedOrigins' ? $2);
END $$;

CREATE OR REPLACE FUNCTION integration_create(type text, name text, chatbot uuid, status text, config jsonb, base text) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
	made integration;
BEGIN
	PERFORM room_for('integration', 1, 200);
	INSERT INTO integration (owner_id, chatbot_id, type, name, status, config)
	SELECT b.owner_id, b.id, $1, $2, coalesce($4, 'active'), $5 FROM chatbot b WHERE b.id = $3 AND b.owner_id = caller_id()
	RETURNING * INTO made;
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such chatbot.');
	ELSIF made.type = 'slack' AND made.status = 'active' THEN
		made := slack_start(made);
	END IF;
	RETURN integration_json(made, $6);
END $$;
GRANT EXECUTE ON FUNCTION integration_create TO millrace_api;

-- Changes what is given (NULL leaves a column as it is); what is given of the configuration
-- replaces that part.
CREATE OR REPLACE FUNCTION integration_change(integration uuid, name text, chatbot uuid, status text, config jsonb, base text) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
	made integration;
BEGIN
	IF $3 IS NOT NULL AND NOT EXISTS (SELECT FROM chatbot b WHERE b.id = $3 AND b.owner_id = caller_id()) THEN
		PERFORM refuse('NOT_FOUND', 'There is no such chatbot.');
	END IF;
	UPDATE integration i SET name = coalesce($2, i.name), chatbot_id = coalesce($3, i.chatbot_id), status = coalesce($4, i.status),
		problem = CASE WHEN $4 IS NULL THEN i.problem END, config = i.config || $5, updated_at = now()
	WHERE i.id = $1 AND i.owner_id = caller_id() RETURNING * INTO made;
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such integration.');
	ELSIF made.type = 'slack' AND $4 = 'active' THEN
		made := slack_start(made);
	END IF;
	RETURN integration_json(made, $6);
END $$;
GRANT EXECUTE ON FUNCTION integration_change TO millrace_api;
