-- What a search reads is its owner's alone, and how many passages there are is kept, not counted.

-- A list of passages for each word of each owner (sql/functions/base.sql). In an index by owner and
-- words (btree_gin's) a word's list is all owners', and is read or skipped through by each.
CREATE INDEX chunk_keys ON chunk USING gin (passage_keys(owner_id, tsvector_to_array(words)));
DROP INDEX chunk_words;

ALTER TABLE embedding ADD COLUMN owner_id uuid;
UPDATE embedding e SET owner_id = c.owner_id FROM chunk c WHERE c.id = e.chunk_id;
ALTER TABLE embedding ALTER owner_id SET NOT NULL;
CREATE INDEX embedding_local ON embedding (owner_id) WHERE model = 'local';

-- Whose questions PostgreSQL's words are still looked up for.
CREATE INDEX document_parsed ON document (owner_id) WHERE index_version = 1;

-- Of documents that are not being deleted.
ALTER TABLE storage ADD COLUMN passages bigint NOT NULL DEFAULT 0;
DROP TRIGGER storage_counted ON document;
CREATE TRIGGER storage_counted AFTER INSERT OR DELETE OR UPDATE OF deleted_at, chunk_count ON document FOR EACH ROW
	EXECUTE FUNCTION document_counted();
UPDATE storage s SET passages = d.passages FROM (
	SELECT owner_id, sum(chunk_count) AS passages FROM document WHERE deleted_at IS NULL GROUP BY owner_id) d
WHERE d.owner_id = s.owner_id;
UPDATE export_section SET query = replace(query, '''documents'', documents', '''documents'', documents, ''passages'', passages') WHERE name = 'storage';

-- Other arguments.
DROP FUNCTION IF EXISTS storage_add(uuid, bigint, bigint);
