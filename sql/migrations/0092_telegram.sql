-- Telegram: the bot, the accounts' chats with it. And what came in from any service that sends
-- events, so that each is taken once.

CREATE TABLE inbox (
	source		text NOT NULL,
	key		text NOT NULL,
	received_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (source, key)
);
CREATE INDEX inbox_received ON inbox (received_at);

-- One row: what the runner knows of the bot.
CREATE TABLE telegram_bot (
	single		boolean PRIMARY KEY DEFAULT true CHECK (single),
	username	text,
	secret_hash	bytea CHECK (octet_length(secret_hash) = 32),	-- of what its webhook shows
	problem		text,	-- why it does not work; NULL: it does
	next_update	bigint NOT NULL DEFAULT 0,
	poller		text,	-- the runner that asks for updates, until
	poller_until	timestamptz
);

CREATE TABLE telegram_link (
	owner_id	uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	chat_id		bigint NOT NULL UNIQUE,
	conversation_id	uuid REFERENCES conversation ON DELETE SET NULL,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX telegram_link_conversation ON telegram_link (conversation_id);
ALTER TABLE telegram_link ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON telegram_link TO millrace_api USING (owner_id = caller_id());

-- What a link of t.me shows the bot once; workers make it of `id` and a key of theirs.
CREATE TABLE telegram_code (
	owner_id	uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	id		uuid NOT NULL,
	code_hash	bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
	expires_at	timestamptz NOT NULL
);
ALTER TABLE telegram_code ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON telegram_code TO millrace_api USING (owner_id = caller_id());

INSERT INTO export_section (position, name, query) VALUES
(44, 'telegram', $q$SELECT owner_id, 0::int8, json_build_object('chatId', chat_id, 'conversationId', conversation_id, 'createdAt', rfc3339(created_at))
	FROM telegram_link WHERE owner_id = caller_id() AND owner_id > $1 ORDER BY owner_id LIMIT $3$q$);
