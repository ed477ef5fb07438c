-- Passages have their headings and their stems, and how many of a user's passages have a word is
-- kept. Those that are there are found by their words until the runner has indexed their documents
-- again. Nothing here rewrites a table or reads the passages.

ALTER TABLE chunk ADD COLUMN heading text NOT NULL DEFAULT '',
	ADD COLUMN carried int NOT NULL DEFAULT 0,	-- characters that the passage before ends with, too
	ADD COLUMN stems bytea;				-- runner/knowledge/stems.h; NULL: an earlier version's
-- A search reads many rows, and of few their texts, which are kept aside.
ALTER TABLE chunk SET (toast_tuple_target = 128);
-- Every lookup reads what waits to be sorted into the index, of whomever it is.
ALTER INDEX chunk_keys SET (gin_pending_list_limit = 256);
-- Nobody compares vectors of words any more.
DROP TABLE embedding;

-- How many passages have a word, of those with stems; of the empty word how many stems these have
-- together. Its rows are changed by the triggers alone.
CREATE TABLE passage_word (
	owner_id	uuid NOT NULL,
	word		text COLLATE "C" NOT NULL,
	n		bigint NOT NULL,
	PRIMARY KEY (owner_id, word)
) WITH (fillfactor = 80);
ALTER TABLE passage_word ENABLE ROW LEVEL SECURITY;

CREATE TRIGGER passages_added AFTER INSERT ON chunk REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION passages_counted();
CREATE TRIGGER passages_gone AFTER DELETE ON chunk REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION passages_counted();

DROP FUNCTION IF EXISTS chunk_search(uuid, text, text, bit, int, uuid[]);
