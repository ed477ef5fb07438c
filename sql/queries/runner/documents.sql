-- Passages of a user's documents for a query, best first; the same retrieval for chat and search.
-- name: runner_passages_find
-- args: run_id uuid, owner uuid, words text, query text, bits text, want int4, of_chatbot bool
-- row: chunk int8, document_id uuid, document_name text, mark text, text text, score text
SELECT c.id AS chunk, c.document_id, d.name AS document_name, c.mark, c.text, round(s.score::numeric, 6)::text AS score
FROM chunk_search($2, $3, $4, ('x' || $5)::bit(2048), $6, CASE WHEN $7 THEN run_documents($1) END) s
JOIN chunk c ON c.id = s.chunk_id JOIN document d ON d.id = c.document_id AND d.deleted_at IS NULL
ORDER BY s.score DESC, c.id;

-- name: runner_document_process
-- args: document uuid
-- row: file_name text, blob_id uuid, size int8, url text, etag text, last_modified text, sha256 text
UPDATE document d SET status = 'processing', updated_at = now() FROM blob b WHERE d.id = $1 AND d.deleted_at IS NULL AND b.id = d.blob_id
RETURNING d.file_name, d.blob_id, d.size, d.url, CASE WHEN d.chunk_count > 0 THEN d.etag END AS etag,
	CASE WHEN d.chunk_count > 0 THEN d.last_modified END AS last_modified,
	CASE WHEN d.chunk_count > 0 THEN encode(b.sha256, 'hex') END AS sha256;

-- name: runner_page_begin
-- args: run_id uuid, runner_name text, attempt int4, size int8, bytes_max int8
-- row: blob uuid
SELECT blob FROM page_begin($1, $2, $3, $4, $5);

-- name: runner_page_part
-- args: blob uuid, n int4, data bytea
INSERT INTO blob_chunk (blob_id, n, data) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: runner_document_end_kept
-- args: run_id uuid, runner_name text, attempt int4, after int8, error text
-- row: document_kept int8
-- ends
SELECT document_kept($1, $2, $3, $4, $5);

-- name: runner_blob_part
-- args: blob uuid, n int4
-- row: data bytea
-- scratch
SELECT data FROM blob_chunk WHERE blob_id = $1 AND n = $2;

-- name: runner_document_end_ready
-- args: run_id uuid, runner_name text, attempt int4, after int8, type text, metadata text, marks text[], texts text[], words text[], bits text[], index_version int4
-- row: document_ready int8
-- ends
SELECT document_ready($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8, $9, $10, $11);

-- name: runner_document_end_failed
-- args: run_id uuid, runner_name text, attempt int4, after int8, error text
-- row: document_failed int8
-- ends
SELECT document_failed($1, $2, $3, $4, $5);

-- A document whose passages are of a lower version of the index.
-- name: runner_index_next
-- args: version int4
-- row: id uuid, seen timestamptz
SELECT d.id, d.updated_at AS seen FROM document d JOIN app_user u ON u.id = d.owner_id AND u.erased_at IS NULL
WHERE d.index_version < $1 AND d.status = 'ready' AND d.deleted_at IS NULL LIMIT 1;

-- name: runner_index_passages
-- args: document uuid, after int4, rows int8
-- row: id int8, n int4, text text
SELECT c.id, c.n, c.text FROM chunk c WHERE c.document_id = $1 AND c.n > $2 ORDER BY c.n LIMIT $3;

-- The array of numbers travels as text[].
-- name: runner_index_store
-- args: document uuid, seen timestamptz, version int4, ids text[], words text[], bits text[], whole bool
-- row: stored bool
SELECT document_indexed($1, $2, $3, $4::text[]::bigint[], $5, $6, $7) AS stored;
