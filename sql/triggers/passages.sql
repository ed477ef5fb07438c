-- The advisory lock of whoever counts an owner's words.
CREATE OR REPLACE FUNCTION passage_word_lock(owner uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT hashtextextended('passage_word ' || $1::text, 0)
$$;

-- Keeps how many passages have each word (passage_word), those that no passage has left out. One
-- transaction at a time does so for an owner, until its end, so that a row stays where it was
-- found. Word by word, by the index, whatever the plan: one that was made while there were hardly
-- any words joins all of an owner's with all that go, which takes hours. ts_stat() counts in a
-- third of the time, and reads the table: what is there, and not what is gone.
-- As the owner: the counts are no role's to write.
CREATE OR REPLACE FUNCTION passages_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
	sign CONSTANT int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
	words text[];
	counts bigint[];
	c record;
BEGIN
	FOR c IN SELECT x.owner_id AS owner, array_agg(x.id) AS ids, sum(octet_length(x.stems) / 4)::bigint AS stems
		FROM changed x WHERE x.stems IS NOT NULL GROUP BY 1 ORDER BY 1 LOOP
		IF sign > 0 THEN
			SELECT array_agg(w.word), array_agg(w.ndoc) INTO words, counts
			FROM ts_stat(format('SELECT k.words FROM chunk k WHERE k.id = ANY (%L)', c.ids)) w;
		ELSE
			SELECT array_agg(w.word), array_agg(w.n) INTO words, counts FROM (
				SELECT l.lexeme AS word, count(*) AS n FROM changed x CROSS JOIN LATERAL unnest(tsvector_to_array(x.words)) l (lexeme)
				WHERE x.owner_id = c.owner AND x.stems IS NOT NULL GROUP BY 1 ORDER BY l.lexeme COLLATE "C") w;
		END IF;
		words := words || ''::text;     -- the empty word has the stems
		counts := counts || c.stems;
		PERFORM pg_advisory_xact_lock(passage_word_lock(c.owner));
		INSERT INTO passage_word AS k (owner_id, word, n) SELECT c.owner, u.word, sign * u.n FROM unnest(words, counts) u (word, n)
		ON CONFLICT (owner_id, word) DO UPDATE SET n = k.n + excluded.n;
		DELETE FROM passage_word k WHERE sign < 0 AND k.ctid = ANY (ARRAY(SELECT x.ctid FROM unnest(words) u (word)
			CROSS JOIN LATERAL (SELECT p.ctid FROM passage_word p WHERE p.owner_id = c.owner AND p.word = u.word AND p.n <= 0 OFFSET 0) x));
	END LOOP;
	RETURN NULL;
END $$;

-- Takes along the vectors of texts that no passage has any more. After the whole statement: one
-- that puts the same passages anew keeps them.
-- As the owner: whoever deletes a passage may not know of vectors.
CREATE OR REPLACE FUNCTION passage_vectors_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
	DELETE FROM passage_vector v USING (SELECT DISTINCT x.owner_id, x.hash FROM changed x WHERE x.hash IS NOT NULL) g
	WHERE v.owner_id = g.owner_id AND v.hash = g.hash
		AND v.embedding_id = ANY (ARRAY(SELECT m.id FROM embedding_model m))
		AND NOT EXISTS (SELECT FROM chunk c WHERE c.owner_id = g.owner_id AND c.hash = g.hash);
	RETURN NULL;
END $$;
