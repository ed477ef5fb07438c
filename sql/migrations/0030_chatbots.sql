-- Chatbots: what a user lets others ask about some of the user's documents.

CREATE TABLE chatbot (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	description	text,
	-- What differs from chatbot_defaults()
	settings	jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	deleted_at	timestamptz
);
CREATE INDEX chatbot_owner ON chatbot (owner_id, id);
CREATE INDEX chatbot_deleted ON chatbot (id) WHERE deleted_at IS NOT NULL;
ALTER TABLE chatbot ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON chatbot TO millrace_api USING (owner_id = caller_id() AND deleted_at IS NULL);
CREATE TRIGGER deletion_due AFTER UPDATE OF deleted_at ON chatbot FOR EACH ROW
	WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION deletion_due();
CREATE TRIGGER reply_forgotten AFTER DELETE OR UPDATE OF deleted_at ON chatbot FOR EACH ROW EXECUTE FUNCTION reply_forgotten();

-- What it may answer from.
CREATE TABLE chatbot_document (
	chatbot_id	uuid NOT NULL REFERENCES chatbot ON DELETE CASCADE,
	document_id	uuid NOT NULL REFERENCES document ON DELETE CASCADE,
	owner_id	uuid NOT NULL,
	PRIMARY KEY (chatbot_id, document_id)
);
CREATE INDEX chatbot_document_document ON chatbot_document (document_id);
CREATE INDEX chatbot_document_owner ON chatbot_document (owner_id);
ALTER TABLE chatbot_document ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON chatbot_document TO millrace_api USING (owner_id = caller_id());

-- A conversation with a chatbot is a session: its owner's, or a visitor's of a site, who has the
-- secret that visitor_hash is the SHA-256 of.
ALTER TABLE conversation ADD COLUMN chatbot_id uuid REFERENCES chatbot ON DELETE CASCADE,
	ADD COLUMN visitor_hash bytea CHECK (octet_length(visitor_hash) = 32);
CREATE UNIQUE INDEX conversation_visitor ON conversation (visitor_hash) WHERE visitor_hash IS NOT NULL;
CREATE INDEX conversation_chatbot ON conversation (chatbot_id, id) WHERE chatbot_id IS NOT NULL;
CREATE INDEX conversation_session ON conversation (owner_id, id) WHERE chatbot_id IS NOT NULL;
CREATE INDEX conversation_plain ON conversation (owner_id, id) WHERE chatbot_id IS NULL;
-- Of visitors who never asked.
CREATE INDEX conversation_unused ON conversation (created_at) WHERE visitor_hash IS NOT NULL AND updated_at = created_at;

-- How much visitors use a chatbot: in the minute and on the day (UTC) of the last count. `subject`
-- is empty for all of them together, a session's id, or the MAC of an address.
CREATE TABLE chatbot_use (
	chatbot_id	uuid NOT NULL REFERENCES chatbot ON DELETE CASCADE,
	subject		bytea NOT NULL,
	owner_id	uuid NOT NULL,
	minute		timestamptz NOT NULL,
	in_minute	int NOT NULL,
	day		date NOT NULL,
	in_day		int NOT NULL,
	tokens		bigint NOT NULL DEFAULT 0,	-- of the day: used, and reserved by what runs
	PRIMARY KEY (chatbot_id, subject)
) WITH (fillfactor = 50);
CREATE INDEX chatbot_use_day ON chatbot_use (day);
CREATE INDEX chatbot_use_owner ON chatbot_use (owner_id);
ALTER TABLE chatbot_use ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON chatbot_use TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER chatbot_run_ended AFTER UPDATE OF ended_at ON run FOR EACH ROW
	WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.input ? 'reserved') EXECUTE FUNCTION chatbot_run_ended();

-- What people think of an answer.
CREATE TABLE message_feedback (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	message_id	uuid NOT NULL UNIQUE REFERENCES message ON DELETE CASCADE,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	chatbot_id	uuid REFERENCES chatbot ON DELETE CASCADE,
	rating		text NOT NULL CHECK (rating IN ('up', 'down')),
	comment		text,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_feedback_owner ON message_feedback (owner_id, id);
CREATE INDEX message_feedback_chatbot ON message_feedback (chatbot_id, id);
ALTER TABLE message_feedback ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON message_feedback TO millrace_api USING (owner_id = caller_id());

-- A preview's run is kept until its reply was sent.
CREATE INDEX run_preview ON run (ended_at) WHERE kind = 'preview';

INSERT INTO export_section (position, name, query) VALUES
(42, 'chatbots', $q$SELECT id, 0::int8, chatbot_json(b)
	FROM chatbot b WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(52, 'feedback', $q$SELECT id, 0::int8, feedback_json(f)
	FROM message_feedback f WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
