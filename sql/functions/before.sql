-- What only programs of the version before call: an upgrade migrates first and restarts then, and
-- until the restart they go on working. A function whose arguments change stays here in its earlier
-- form, and the grants of both name their arguments. The version after the next removes it again:
-- these serve trees of 0.1.0 whose database stood at migration 15.

-- Passages are found by the words alone.
CREATE OR REPLACE FUNCTION chunk_search(owner uuid, words text, query text, query_bits bit(2048), want int)
RETURNS TABLE (chunk_id bigint, document_id uuid, score float8) LANGUAGE sql STABLE AS $$
	SELECT s.chunk_id, s.document_id, s.score FROM (
		SELECT array_agg(w.word ORDER BY w.n) AS words, array_agg(w.n::int ORDER BY w.n) AS groups,
			array_agg(1.0 / (1 + coalesce(k.n, 0)) ORDER BY w.n) AS weights
		FROM unnest(string_to_array($2, ' ')) WITH ORDINALITY w (word, n)
		LEFT JOIN passage_word k ON k.owner_id = $1 AND k.word = w.word WHERE w.n <= 64
	) a CROSS JOIN LATERAL passages_among($1, a.words, a.groups, a.weights::float8[], '', $3, $5, NULL) s
$$;
GRANT EXECUTE ON FUNCTION chunk_search(uuid, text, text, bit, int) TO millrace_runner;
CREATE OR REPLACE FUNCTION chunk_search(owner uuid, query text, query_bits bit(2048), want int)
RETURNS TABLE (chunk_id bigint, document_id uuid, score float8) LANGUAGE sql STABLE AS $$
	SELECT s.chunk_id, s.document_id, s.score FROM chunk_search($1,
		array_to_string(tsvector_to_array(to_tsvector('simple', left($2, 2000))), ' '), $2, $3, $4) s
$$;
GRANT EXECUTE ON FUNCTION chunk_search(uuid, text, bit, int) TO millrace_runner;

-- The passages have an earlier version of the index; the runner of this version indexes them again.
CREATE OR REPLACE FUNCTION document_ready(run_id uuid, runner text, attempt int, after bigint, type text, metadata jsonb, marks text[],
	texts text[], words text[], bits text[], index_version int) RETURNS bigint LANGUAGE sql AS $$
	SELECT document_ready($1, $2, $3, $4, $5, $6, $7, array_fill(''::text, ARRAY[cardinality($7)]), $8,
		array_fill(0, ARRAY[cardinality($7)]), $9, NULL, $11)
$$;
GRANT EXECUTE ON FUNCTION document_ready(uuid, text, int, bigint, text, jsonb, text[], text[], text[], text[], int) TO millrace_runner;
CREATE OR REPLACE FUNCTION document_ready(run_id uuid, runner text, attempt int, after bigint, type text, metadata jsonb, marks text[],
	texts text[], bits text[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT document_ready($1, $2, $3, $4, $5, $6, $7, $8,
		ARRAY(SELECT array_to_string(tsvector_to_array(to_tsvector('simple', t.text)), ' ')
			FROM unnest($8) WITH ORDINALITY t (text, n) ORDER BY t.n), $9, 1)
$$;
GRANT EXECUTE ON FUNCTION document_ready(uuid, text, int, bigint, text, jsonb, text[], text[], text[]) TO millrace_runner;

-- Indexing again waits for the runner of this version.
CREATE OR REPLACE FUNCTION document_indexed(document uuid, seen timestamptz, version int, ids bigint[], words text[], bits text[],
	whole boolean) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
GRANT EXECUTE ON FUNCTION document_indexed(uuid, timestamptz, int, bigint[], text[], text[], boolean) TO millrace_runner;

-- As the owner: an administrator's accounts are others' rows.
CREATE OR REPLACE FUNCTION account_search(q text, rows bigint, before uuid) RETURNS SETOF app_user
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT * FROM app_user u
	WHERE caller_is_admin() AND u.erased_at IS NULL AND ($3 IS NULL OR u.id < $3)
		AND ($1 IS NULL OR strpos(lower(normalize(concat_ws(' ', u.username, u.email, u.display_name))), lower($1)) > 0)
	ORDER BY u.id DESC LIMIT $2
$$;
GRANT EXECUTE ON FUNCTION account_search(text, bigint, uuid) TO millrace_api;

-- Before credits could be required.
CREATE OR REPLACE FUNCTION chat_start(message text, conversation uuid, queue_max int)
RETURNS TABLE (run_id uuid, conversation_id uuid) LANGUAGE sql AS $$
	SELECT s.run_id, s.conversation_id FROM chat_start($1, $2, $3, false) s
$$;
GRANT EXECUTE ON FUNCTION chat_start(text, uuid, int) TO millrace_api;

-- Workers deleted their own row without process_forget().
GRANT DELETE ON process TO millrace_api;

-- How long a call took was not told, nor what was read from a cache.
CREATE OR REPLACE FUNCTION usage_record(run_id uuid, call int, provider text, model text, input_tokens bigint, output_tokens bigint,
	estimated boolean) RETURNS numeric LANGUAGE sql AS $$
	SELECT usage_record($1, $2, $3, $4, $5, $6, 0, 0, 0, 0, $7, NULL, false)
$$;
GRANT EXECUTE ON FUNCTION usage_record(uuid, int, text, text, bigint, bigint, boolean) TO millrace_runner;

-- Before files of assistants were refused for want of room.
CREATE OR REPLACE FUNCTION artifact_write(run_id uuid, runner text, attempt int, call_id text, name text, mime_type text, content bytea)
RETURNS TABLE (id uuid, version int, told boolean) LANGUAGE sql AS $$
	SELECT * FROM artifact_write($1, $2, $3, $4, $5, $6, $7, 0)
$$;
GRANT EXECUTE ON FUNCTION artifact_write(uuid, text, int, text, text, text, bytea) TO millrace_runner;

-- Only secrets were sealed.
CREATE OR REPLACE FUNCTION vault_reseal(ids uuid[], was text[], sealed text[], key_id uuid) RETURNS bigint LANGUAGE sql AS $$
	SELECT sealed_change('secret', $1, $2, $3, $4)
$$;
GRANT EXECUTE ON FUNCTION vault_reseal(uuid[], text[], text[], uuid) TO millrace_runner;

-- A user's container was joined.
CREATE OR REPLACE FUNCTION user_json(u app_user, c container) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT user_json(u)
$$;
GRANT EXECUTE ON FUNCTION user_json(app_user, container) TO millrace_api;
