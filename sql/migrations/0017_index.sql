-- The runner cuts passages into words, no longer PostgreSQL's parser. Those that are there keep
-- their words, and are found by them, until the runner has indexed them again
-- (runner/knowledge/passage_index.h). Nothing here rewrites a table or reads the passages.

ALTER TABLE chunk ALTER words DROP EXPRESSION;
ALTER TABLE document ADD COLUMN index_version int NOT NULL DEFAULT 1;
CREATE INDEX document_index_version ON document (index_version);

DROP FUNCTION IF EXISTS chunk_search(uuid, text, bit, int),
	document_ready(uuid, text, int, bigint, text, jsonb, text[], text[], text[]);
