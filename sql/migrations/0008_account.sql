-- What else a user keeps here: settings, notifications, leads; and the export of everything.

-- What a user has set; settings_json() puts it over the defaults.
CREATE TABLE user_settings (
	user_id		uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	settings	jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE user_settings ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON user_settings TO millrace_api USING (user_id = caller_id());

-- Notifications. Creating one publishes it to its user, however the row comes to be.
CREATE TABLE notification (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	severity	text NOT NULL DEFAULT 'info' CHECK (severity IN ('info', 'success', 'warning', 'error')),
	title		text NOT NULL,
	message		text NOT NULL,
	action_url	text,
	read		boolean NOT NULL DEFAULT false,
	metadata	jsonb NOT NULL DEFAULT '{}',
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notification_owner ON notification (owner_id, id);
CREATE INDEX notification_unread ON notification (owner_id, id) WHERE NOT read;
ALTER TABLE notification ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notification TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER publish_notification_created AFTER INSERT ON notification FOR EACH ROW
	EXECUTE FUNCTION publish_notification_created();

CREATE TABLE lead (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	email		text,
	phone		text,
	company		text,
	source		text,				-- where it came from, in its owner's words
	status		text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'contacted', 'qualified', 'converted', 'lost')),
	value		numeric,			-- what it may be worth, in US dollars
	notes		text,
	metadata	jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX lead_owner ON lead (owner_id, id);
CREATE INDEX lead_made ON lead (created_at);
CREATE INDEX lead_owner_made ON lead (owner_id, created_at);
ALTER TABLE lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON lead TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER publish_lead_created AFTER INSERT ON lead FOR EACH ROW EXECUTE FUNCTION publish_lead_created();
CREATE TRIGGER publish_lead_updated AFTER UPDATE ON lead FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
	EXECUTE FUNCTION publish_lead_updated();
CREATE TRIGGER publish_lead_deleted AFTER DELETE ON lead FOR EACH ROW EXECUTE FUNCTION publish_lead_deleted();

-- The parts of an export of everything held about a user. A section's query gives what follows ($1,
-- $2) in its order, $3 rows at most, as the caller's role sees it: (key uuid, part int8, body
-- json). A table that holds personal data has its row here.
CREATE TABLE export_section (
	position	int PRIMARY KEY,
	name		text NOT NULL UNIQUE,
	query		text NOT NULL
);
INSERT INTO export_section (position, name, query) VALUES
(10, 'sessions', $q$SELECT id, 0::int8, json_build_object('id', id, 'created_at', rfc3339(created_at),
	'expires_at', rfc3339(expires_at), 'revoked_at', rfc3339(revoked_at))
	FROM session WHERE user_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(20, 'api_keys', $q$SELECT id, 0::int8, json_build_object('id', id, 'name', name, 'shown', shown, 'scopes', scopes,
	'created_at', rfc3339(created_at), 'expires_at', rfc3339(expires_at), 'last_used_at', rfc3339(last_used_at),
	'revoked_at', rfc3339(revoked_at)) FROM api_key WHERE user_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(22, 'external_identities', $q$SELECT i.user_id, i.n, json_build_object('provider', i.provider, 'subject', i.subject, 'email', i.email,
	'created_at', rfc3339(i.created_at))
	FROM (SELECT e.*, row_number() OVER (ORDER BY e.provider, e.subject) AS n FROM external_identity e WHERE e.user_id = caller_id()) i
	WHERE i.n > $2 ORDER BY i.n LIMIT $3$q$),
(23, 'connections', $q$SELECT id, 0::int8, json_build_object('id', id, 'provider', provider, 'subject', subject, 'scope', scope,
	'connected_at', rfc3339(created_at), 'expires_at', rfc3339(expires_at), 'refreshed_at', rfc3339(refreshed_at),
	'failed_at', rfc3339(failed_at)) FROM oauth_token WHERE user_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(24, 'secrets', $q$SELECT id, 0::int8, json_build_object('id', id, 'key', key, 'masked', masked, 'createdAt', rfc3339(created_at),
	'updatedAt', rfc3339(updated_at), 'lastUsedAt', rfc3339(last_used_at))
	FROM secret WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(30, 'notifications', $q$SELECT id, 0::int8, notification_json(n)
	FROM notification n WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(40, 'conversations', $q$SELECT id, 0::int8, conversation_json(c)
	FROM conversation c WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(50, 'messages', $q$SELECT id, 0::int8, message_json(m)
	FROM message m WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(60, 'runs', $q$SELECT id, 0::int8, (run_json(r)::jsonb || jsonb_build_object('input', r.input))::json
	FROM run r WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(70, 'documents', $q$SELECT id, 0::int8, (document_json(d)::jsonb || jsonb_build_object('fileName', d.file_name, 'fileId', d.blob_id))::json
	FROM document d WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(80, 'artifacts', $q$SELECT id, 0::int8, json_build_object('id', id, 'conversationId', conversation_id, 'runId', run_id, 'name', name,
	'version', version, 'mimeType', mime_type, 'size', size, 'fileId', blob_id, 'createdAt', rfc3339(created_at))
	FROM artifact WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(90, 'usage', $q$SELECT id, 0::int8, json_build_object('id', id, 'runId', run_id, 'provider', provider, 'model', model,
	'inputTokens', input_tokens, 'outputTokens', output_tokens, 'costUsd', cost_usd, 'createdAt', rfc3339(created_at))
	FROM usage_event WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(100, 'audit', $q$SELECT subject, seq, json_build_object('seq', seq, 'at', rfc3339(at), 'actor', actor, 'type', type, 'data', data,
	'hash', encode(hash, 'hex'), 'prev', encode(prev, 'hex'))
	FROM audit_log WHERE subject = caller_id() AND seq > $2 ORDER BY seq LIMIT $3$q$),
(110, 'leads', $q$SELECT id, 0::int8, lead_json(l)
	FROM lead l WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(1000, 'files', $q$SELECT b.id, c.n::int8, json_build_object('fileId', b.id, 'part', c.n,
	'base64', translate(encode(c.data, 'base64'), E'\n', ''))
	FROM blob b JOIN blob_chunk c ON c.blob_id = b.id
	WHERE b.owner_id = caller_id() AND b.sha256 IS NOT NULL AND b.id >= $1 AND (b.id, c.n) > ($1, $2::int)
	ORDER BY b.id, c.n LIMIT $3$q$);
