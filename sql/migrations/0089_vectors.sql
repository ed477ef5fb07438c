-- Vectors of passages, made by a model for embeddings.

-- The models that passages have vectors of. One that gives vectors of another size is another row.
CREATE TABLE embedding_model (
	id		int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	provider	text NOT NULL,
	model		text NOT NULL,
	size		int NOT NULL CHECK (size > 0),	-- numbers of a vector
	dimensions	int NOT NULL,			-- asked for; 0: as many as the model gives
	is_latest	boolean NOT NULL,		-- of the sizes that this model gave
	UNIQUE (provider, model, size)
);
ALTER TABLE embedding_model ENABLE ROW LEVEL SECURITY;

-- SHA-256 of what is embedded of a passage; NULL: an earlier version's, until it is embedded.
ALTER TABLE chunk ADD COLUMN hash bytea;
CREATE INDEX chunk_hash ON chunk (owner_id, hash) WHERE hash IS NOT NULL;

-- One for each text, model and owner, however many passages have that text.
CREATE TABLE passage_vector (
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	embedding_id	int NOT NULL REFERENCES embedding_model,
	hash		bytea NOT NULL CHECK (octet_length(hash) = 32),
	-- Of length 1, and the signs of its numbers; NULL: the model does not take this text
	vector		real[],
	bits		bit varying,
	PRIMARY KEY (owner_id, embedding_id, hash)
);
-- Signs are compared by the thousand, vectors fetched by the hundred: these are kept aside, as they
-- are, since they hardly compress.
ALTER TABLE passage_vector SET (toast_tuple_target = 128);
ALTER TABLE passage_vector ALTER vector SET STORAGE EXTERNAL, ALTER bits SET STORAGE PLAIN;
ALTER TABLE passage_vector ENABLE ROW LEVEL SECURITY;
CREATE TRIGGER passage_vectors_gone AFTER DELETE ON chunk REFERENCING OLD TABLE AS changed FOR EACH STATEMENT
	EXECUTE FUNCTION passage_vectors_gone();

ALTER TABLE document
	ADD COLUMN embedded_by int REFERENCES embedding_model,	-- all its passages have vectors of this one
	ADD COLUMN embed_after timestamptz;			-- not before; NULL: as soon as can be
CREATE INDEX document_embedded ON document (embedded_by, owner_id) WHERE status = 'ready' AND deleted_at IS NULL;
