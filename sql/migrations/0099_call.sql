-- Calls that are passed on to providers as they are, and prices of what is not input or output.

-- What providers of a kind are asked for, by the name of the vendor's endpoint, and what it is
-- charged by. Another endpoint is refused.
CREATE TABLE gateway_endpoint (
	kind		text NOT NULL,			-- openai, anthropic, google, local
	name		text NOT NULL,			-- an operation, in the sense of policies
	-- tokens; images that are made, or seconds of sound (and tokens, where a model is priced by
	-- these); free
	meter		text NOT NULL CHECK (meter IN ('tokens', 'images', 'seconds', 'free')),
	streams		boolean NOT NULL DEFAULT false,
	PRIMARY KEY (kind, name)
);
INSERT INTO gateway_endpoint (kind, name, meter, streams) VALUES
	('openai', 'chat/completions', 'tokens', true),
	('openai', 'completions', 'tokens', true),
	('openai', 'responses', 'tokens', true),
	('openai', 'embeddings', 'tokens', false),
	('openai', 'images/generations', 'images', false),
	('openai', 'audio/transcriptions', 'seconds', false),
	('anthropic', 'messages', 'tokens', true),
	('anthropic', 'messages/count_tokens', 'free', false),
	('google', 'generateContent', 'tokens', false),
	('google', 'streamGenerateContent', 'tokens', true),
	('google', 'embedContent', 'tokens', false),
	('google', 'batchEmbedContents', 'tokens', false),
	('google', 'countTokens', 'free', false),
	('google', 'predict', 'images', false),
	('local', 'chat/completions', 'tokens', true);

ALTER TABLE provider_price
	ADD COLUMN cache_write_usd numeric CHECK (cache_write_usd >= 0),	-- NULL: as input
	ADD COLUMN unit_usd numeric CHECK (unit_usd >= 0);		-- an image, or a second of sound
DROP FUNCTION IF EXISTS price_set(text, text, numeric, numeric, numeric, numeric, text);

-- Parts of the tokens beside them: read from a cache and written there, of the input; thought, of
-- the output. Units are images, or seconds.
ALTER TABLE usage_event
	ADD COLUMN cached_tokens bigint NOT NULL DEFAULT 0,
	ADD COLUMN cache_write_tokens bigint NOT NULL DEFAULT 0,
	ADD COLUMN reasoning_tokens bigint NOT NULL DEFAULT 0,
	ADD COLUMN units bigint NOT NULL DEFAULT 0;
DROP FUNCTION IF EXISTS usage_record(uuid, int, text, text, bigint, bigint, boolean, int, boolean);

UPDATE export_section SET query = $q$SELECT id, 0::int8, json_build_object('id', id, 'runId', run_id, 'provider', provider, 'model', model,
	'inputTokens', input_tokens, 'cachedTokens', cached_tokens, 'cacheWriteTokens', cache_write_tokens, 'outputTokens', output_tokens,
	'reasoningTokens', reasoning_tokens, 'units', units, 'costUsd', cost_usd, 'createdAt', rfc3339(created_at))
	FROM usage_event WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$ WHERE name = 'usage';
