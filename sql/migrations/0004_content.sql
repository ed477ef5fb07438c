-- What users have: files, documents, conversations, artifacts; and what using models cost.

-- A file's bytes, in chunks of 256 KiB. The SHA-256 is known, and set, when the last chunk is there; a blob without one is
-- an upload under way, or one that was broken off and is swept after an hour.
CREATE TABLE blob (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	sha256		bytea CHECK (octet_length(sha256) = 32),
	size		bigint NOT NULL DEFAULT 0,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX blob_owner ON blob (owner_id);
CREATE INDEX blob_unfinished ON blob (created_at) WHERE sha256 IS NULL;
CREATE TABLE blob_chunk (
	blob_id		uuid NOT NULL REFERENCES blob ON DELETE CASCADE,
	n		int NOT NULL,
	data		bytea NOT NULL CHECK (octet_length(data) <= 262144),
	PRIMARY KEY (blob_id, n)
);
ALTER TABLE blob_chunk ALTER data SET STORAGE EXTERNAL;
ALTER TABLE blob ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON blob TO millrace_api USING (owner_id = caller_id());
ALTER TABLE blob_chunk ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON blob_chunk TO millrace_api USING (EXISTS (SELECT FROM blob b WHERE b.id = blob_id));
GRANT SELECT, INSERT, UPDATE, DELETE ON blob, blob_chunk TO millrace_api, millrace_runner;

CREATE TABLE document (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	description	text,
	file_name	text NOT NULL,
	type		text,				-- pdf, docx, html, txt, md: what the extractor found it to be
	size		bigint NOT NULL,
	status		text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'ready', 'failed')),
	error		text,				-- why it failed, for a person
	chunk_count	int NOT NULL DEFAULT 0,
	metadata	jsonb NOT NULL DEFAULT '{}',
	blob_id		uuid NOT NULL REFERENCES blob,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX document_owner ON document (owner_id, id);
CREATE INDEX document_blob ON document (blob_id);
ALTER TABLE document ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON document TO millrace_api USING (owner_id = caller_id());
GRANT SELECT, INSERT, UPDATE, DELETE ON document TO millrace_api, millrace_runner;

-- A passage of a document: some 1,200 characters, cut at a sentence where there is one, never across a page.
CREATE TABLE chunk (
	id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	document_id	uuid NOT NULL REFERENCES document ON DELETE CASCADE,
	owner_id	uuid NOT NULL,
	n		int NOT NULL,
	mark		text NOT NULL,			-- 'page 3', 'paragraph 12'
	text		text NOT NULL,
	words		tsvector GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED,
	UNIQUE (document_id, n)
);
CREATE INDEX chunk_owner ON chunk (owner_id);
CREATE INDEX chunk_words ON chunk USING gin (words);
ALTER TABLE chunk ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON chunk TO millrace_api USING (owner_id = caller_id());
GRANT SELECT ON chunk TO millrace_api;
GRANT SELECT, INSERT, DELETE ON chunk TO millrace_runner;

-- `local` embeddings are hashed lexical vectors: one bit for each word and four-letter piece of one, so that
-- bit_count(a & b) counts what two texts share, forgiving endings and misspellings.
CREATE TABLE embedding (
	chunk_id	bigint NOT NULL REFERENCES chunk ON DELETE CASCADE,
	model		text NOT NULL,
	bits		bit(2048) NOT NULL,
	PRIMARY KEY (chunk_id, model)
);
ALTER TABLE embedding ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON embedding TO millrace_api USING (EXISTS (SELECT FROM chunk c WHERE c.id = chunk_id));
GRANT SELECT ON embedding TO millrace_api;
GRANT SELECT, INSERT, DELETE ON embedding TO millrace_runner;

-- Hybrid retrieval over one user's passages: full text (each word weighs by how rare it is among them) and local vectors,
-- joined by reciprocal rank. Words on more than half of more than twenty passages are taken for noise.
CREATE FUNCTION chunk_search(owner uuid, query text, query_bits bit(2048), want int)
RETURNS TABLE (chunk_id bigint, document_id uuid, score float8) LANGUAGE sql STABLE AS $$
	WITH total AS (
		SELECT count(*)::float8 AS n FROM chunk c WHERE c.owner_id = $1
	), word AS (
		SELECT DISTINCT lexeme FROM unnest(to_tsvector('simple', left($2, 2000))) LIMIT 64
	), hit AS (
		SELECT c.id, w.lexeme, count(*) OVER (PARTITION BY w.lexeme)::float8 AS df
		FROM word w JOIN chunk c ON c.owner_id = $1 AND c.words @@ quote_literal(w.lexeme)::tsquery
	), lexical AS (
		SELECT h.id, sum(ln(1 + (t.n - h.df + 0.5) / (h.df + 0.5))) AS weight
		FROM hit h, total t WHERE t.n <= 20 OR h.df <= t.n / 2 GROUP BY h.id
	), lexical_ranked AS (
		SELECT id, row_number() OVER (ORDER BY weight DESC, id) AS place FROM lexical ORDER BY place LIMIT 50
	), alike AS (
		SELECT c.id, bit_count(e.bits & $3)::float8 / greatest(bit_count($3), 1) AS share, bit_count(e.bits) AS filled
		FROM chunk c JOIN embedding e ON e.chunk_id = c.id AND e.model = 'local' WHERE c.owner_id = $1
	), alike_ranked AS (
		SELECT id, row_number() OVER (ORDER BY share - filled / 2048.0 DESC, id) AS place
		FROM alike WHERE share > 0.35 + 0.65 * filled / 2048.0 ORDER BY place LIMIT 50
	), joined AS (
		SELECT coalesce(l.id, a.id) AS id,
			coalesce(2.0 / (20 + l.place), 0) + coalesce(1.0 / (20 + a.place), 0) AS score
		FROM lexical_ranked l FULL JOIN alike_ranked a ON a.id = l.id
	)
	SELECT c.id, c.document_id, j.score FROM joined j JOIN chunk c ON c.id = j.id
	ORDER BY j.score DESC, c.id LIMIT $4
$$;

CREATE TABLE conversation (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	title		text NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX conversation_owner ON conversation (owner_id, id);
ALTER TABLE conversation ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON conversation TO millrace_api USING (owner_id = caller_id());
GRANT SELECT, INSERT, UPDATE, DELETE ON conversation TO millrace_api;
GRANT SELECT, UPDATE ON conversation TO millrace_runner;

CREATE TABLE message (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	conversation_id	uuid NOT NULL REFERENCES conversation ON DELETE CASCADE,
	owner_id	uuid NOT NULL,
	run_id		uuid,
	role		text NOT NULL CHECK (role IN ('user', 'assistant')),
	content		text NOT NULL,
	sources		json NOT NULL DEFAULT '[]',
	status		text NOT NULL DEFAULT 'complete' CHECK (status IN ('complete', 'partial')),
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_conversation ON message (conversation_id, id);
-- One answer a run, however often it is tried.
CREATE UNIQUE INDEX message_answer ON message (run_id) WHERE role = 'assistant';
ALTER TABLE message ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON message TO millrace_api USING (owner_id = caller_id());
GRANT SELECT, INSERT ON message TO millrace_api;
GRANT SELECT, INSERT ON message TO millrace_runner;

CREATE TABLE artifact (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	conversation_id	uuid REFERENCES conversation ON DELETE CASCADE,
	run_id		uuid NOT NULL,
	name		text NOT NULL,
	version		int NOT NULL,
	mime_type	text NOT NULL,
	size		bigint NOT NULL,
	blob_id		uuid NOT NULL REFERENCES blob,
	call_id		text NOT NULL,			-- the tool call that wrote it: a call tried again writes once
	created_at	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (conversation_id, name, version),
	UNIQUE (run_id, call_id)
);
CREATE INDEX artifact_owner ON artifact (owner_id);
CREATE INDEX artifact_blob ON artifact (blob_id);
ALTER TABLE artifact ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON artifact TO millrace_api USING (owner_id = caller_id());
GRANT SELECT ON artifact TO millrace_api;
GRANT SELECT, INSERT ON artifact TO millrace_runner;

-- Files go with what they belong to.
CREATE FUNCTION blob_unused() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	DELETE FROM blob WHERE id = OLD.blob_id;
	RETURN NULL;
END $$;
CREATE TRIGGER document_blob_unused AFTER DELETE ON document FOR EACH ROW EXECUTE FUNCTION blob_unused();
CREATE TRIGGER artifact_blob_unused AFTER DELETE ON artifact FOR EACH ROW EXECUTE FUNCTION blob_unused();

-- US dollars a million tokens, with their history: the price in force is the newest that has begun. `*` stands for every
-- model of a provider without a price of its own.
CREATE TABLE provider_price (
	id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	provider	text NOT NULL,
	model		text NOT NULL,
	input_usd	numeric NOT NULL CHECK (input_usd >= 0),
	output_usd	numeric NOT NULL CHECK (output_usd >= 0),
	valid_from	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (provider, model, valid_from)
);
GRANT SELECT ON provider_price TO millrace_api, millrace_runner;
INSERT INTO provider_price (provider, model, input_usd, output_usd, valid_from) VALUES
	('local', '*', 0, 0, '2024-01-01'),
	('openai', 'gpt-4o', 2.50, 10.00, '2024-01-01'),
	('openai', 'gpt-4o-mini', 0.15, 0.60, '2024-01-01'),
	('openai', 'gpt-4.1', 2.00, 8.00, '2024-01-01'),
	('openai', 'gpt-4.1-mini', 0.40, 1.60, '2024-01-01'),
	('openai', 'gpt-4.1-nano', 0.10, 0.40, '2024-01-01');

-- One model call's use, kept exactly: tokens, the price in force, and their product. Written once per (run, call).
CREATE TABLE usage_event (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL,
	run_id		uuid NOT NULL,
	call		int NOT NULL,			-- attempt * 1000 + the call's place in the attempt
	provider	text NOT NULL,
	model		text NOT NULL,
	input_tokens	bigint NOT NULL CHECK (input_tokens >= 0),
	output_tokens	bigint NOT NULL CHECK (output_tokens >= 0),
	estimated	boolean NOT NULL,		-- counted by us, where the provider did not say
	price_id	bigint REFERENCES provider_price,	-- NULL: no price was known, the cost is 0
	input_usd	numeric NOT NULL,
	output_usd	numeric NOT NULL,
	cost_usd	numeric NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (run_id, call)
);
CREATE INDEX usage_event_owner ON usage_event (owner_id, created_at);
ALTER TABLE usage_event ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON usage_event TO millrace_api USING (owner_id = caller_id());
GRANT SELECT ON usage_event TO millrace_api;
GRANT SELECT, INSERT ON usage_event TO millrace_runner;

-- Stores a call's use at the price in force; again with the same (run, call) changes nothing. Returns the cost.
CREATE FUNCTION usage_record(run_id uuid, call int, provider text, model text, input_tokens bigint, output_tokens bigint,
	estimated boolean) RETURNS numeric LANGUAGE sql AS $$
	WITH price AS (
		SELECT p.* FROM provider_price p
		WHERE p.provider = $3 AND p.model IN ($4, '*') AND p.valid_from <= now()
		ORDER BY p.model = '*', p.valid_from DESC LIMIT 1
	), stored AS (
		INSERT INTO usage_event (owner_id, run_id, call, provider, model, input_tokens, output_tokens, estimated,
			price_id, input_usd, output_usd, cost_usd)
		SELECT r.owner_id, $1, $2, $3, $4, $5, $6, $7, p.id, coalesce(p.input_usd, 0), coalesce(p.output_usd, 0),
			($5 * coalesce(p.input_usd, 0) + $6 * coalesce(p.output_usd, 0)) * 0.000001
		FROM run r LEFT JOIN price p ON true WHERE r.id = $1
		ON CONFLICT ON CONSTRAINT usage_event_run_id_call_key DO NOTHING RETURNING cost_usd
	)
	SELECT coalesce((SELECT cost_usd FROM stored),
		(SELECT u.cost_usd FROM usage_event u WHERE u.run_id = $1 AND u.call = $2))
$$;
