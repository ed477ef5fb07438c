-- A document's passages are sorted into the index of their words when all are stored
-- (passages_counted()), so that each word's list is written once for many of them; this is how much
-- may wait meanwhile, in kB.
ALTER INDEX chunk_keys SET (gin_pending_list_limit = 2048);

-- LZ4 takes a fraction of pglz's time, where the server has it. Stems are numbers that hardly
-- compress. What is stored stays as it is.
DO $$
BEGIN
	IF 'lz4' = ANY ((SELECT s.enumvals FROM pg_settings s WHERE s.name = 'default_toast_compression')::text[]) THEN
		ALTER TABLE chunk ALTER text SET COMPRESSION lz4, ALTER words SET COMPRESSION lz4;
	END IF;
END $$;
ALTER TABLE chunk ALTER stems SET STORAGE EXTERNAL;

-- Each document changes the counts of all its words: the new ones find room beside those of before,
-- and no index changes.
ALTER TABLE passage_word SET (fillfactor = 45);
