-- Files, documents, and the passages and vectors that retrieval searches.

-- A file's bytes, in chunks of 256 KiB. The SHA-256 is known, and set, when the last chunk is
-- there; a blob without one is an upload under way, or one that was broken off and is swept after
-- an hour.
CREATE TABLE blob (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	sha256		bytea CHECK (octet_length(sha256) = 32),
	size		bigint NOT NULL DEFAULT 0,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX blob_unfinished ON blob (created_at) WHERE sha256 IS NULL;
ALTER TABLE blob ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON blob TO millrace_api USING (owner_id = caller_id());
CREATE INDEX blob_owner ON blob (owner_id, id);

CREATE TABLE blob_chunk (
	blob_id		uuid NOT NULL REFERENCES blob ON DELETE CASCADE,
	n		int NOT NULL,
	data		bytea NOT NULL CHECK (octet_length(data) <= 262144),
	PRIMARY KEY (blob_id, n)
);
ALTER TABLE blob_chunk ALTER data SET STORAGE EXTERNAL;
ALTER TABLE blob_chunk ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON blob_chunk TO millrace_api USING (EXISTS (SELECT FROM blob b WHERE b.id = blob_id));

CREATE TABLE document (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	description	text,
	file_name	text NOT NULL,
	-- Pdf, docx, html, txt, md: what the extractor found it to be
	type		text,
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
CREATE TRIGGER document_ingest_ended AFTER UPDATE OF ended_at ON run FOR EACH ROW
	WHEN (NEW.kind = 'ingest' AND NEW.ended_at IS NOT NULL AND NEW.status <> 'completed') EXECUTE FUNCTION document_ingest_ended();
CREATE TRIGGER document_blob_unused AFTER DELETE ON document FOR EACH ROW EXECUTE FUNCTION blob_unused();

-- A passage of a document: some 1,200 characters, cut at a sentence where there is one, never
-- across a page.
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

-- `local` embeddings are hashed lexical vectors: one bit for each word and four-letter piece of
-- one, so that bit_count(a & b) counts what two texts share, forgiving endings and misspellings.
CREATE TABLE embedding (
	chunk_id	bigint NOT NULL REFERENCES chunk ON DELETE CASCADE,
	model		text NOT NULL,
	bits		bit(2048) NOT NULL,
	PRIMARY KEY (chunk_id, model)
);
ALTER TABLE embedding ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON embedding TO millrace_api USING (EXISTS (SELECT FROM chunk c WHERE c.id = chunk_id));
