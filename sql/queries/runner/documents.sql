-- name: runner_words_kept
-- args: owner uuid, words text[]
-- row: place int8, n int8, passages int8, stems int8
-- scratch
SELECT place, n, passages, stems FROM words_kept($1, $2);

-- name: runner_words_near
-- args: owner uuid, start text, most int8
-- row: word text, n int8
-- scratch
SELECT word, n FROM words_near($1, $2, $3);

-- Candidates among a user's passages for a question, those first that have more of it.
-- name: runner_passages_find
-- args: run_id uuid, owner uuid, words text[], groups text[], weights text[], common text, query text, most int8, of_chatbot bool
-- row: chunk_id int8, document_id uuid, name text, file_name text, stems text, text text, score text
-- scratch
SELECT chunk_id, document_id, name, file_name, stems, text, score::text AS score
FROM passages_among($2, $3, $4::text[]::int[], $5::text[]::float8[], $6, $7, $8, CASE WHEN $9 THEN run_documents($1) END);

-- name: runner_passages_show
-- args: ids text[]
-- row: place int8, chunk int8, document_id uuid, name text, mark text, heading text, text text
SELECT place, chunk, document_id, name, mark, heading, text FROM passages_shown($1::text[]::bigint[]);

-- name: runner_document_process
-- args: document uuid
-- row: file_name text, blob_id uuid, size int8, url text, etag text, last_modified text, sha256 text, name text, platform text, platform_file text
UPDATE document d SET status = 'processing', updated_at = now() FROM blob b WHERE d.id = $1 AND d.deleted_at IS NULL AND b.id = d.blob_id
RETURNING d.file_name, d.blob_id, d.size, d.url, CASE WHEN d.chunk_count > 0 THEN d.etag END AS etag,
	CASE WHEN d.chunk_count > 0 THEN d.last_modified END AS last_modified,
	CASE WHEN d.chunk_count > 0 THEN encode(b.sha256, 'hex') END AS sha256, d.name, d.platform, d.platform_file;

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

-- Leaves a blob that no document has taken to be deleted.
-- name: runner_blob_discard
-- args: blob uuid
-- row: id uuid
-- batched
UPDATE blob SET deleted_at = now() WHERE id = $1 AND sha256 IS NULL AND deleted_at IS NULL RETURNING id;

-- name: runner_document_end_ready
-- args: run_id uuid, runner_name text, attempt int4, after int8, type text, metadata text, marks text[], headings text[], texts text[], carried text[], words text[], stems text[], index_version int4
-- row: document_ready int8
-- ends
SELECT document_ready($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8, $9, $10::text[]::int[], $11, $12, $13);

-- name: runner_document_end_failed
-- args: run_id uuid, runner_name text, attempt int4, after int8, error text
-- row: document_failed int8
-- ends
-- batched
SELECT document_failed($1, $2, $3, $4, $5);

-- name: runner_passages_sort
-- row: passages_sort void
SELECT passages_sort();

-- A document whose passages are of a lower version of the index.
-- name: runner_index_next
-- args: version int4
-- row: id uuid, seen timestamptz, title text
SELECT d.id, d.updated_at AS seen, d.name || E'\n' || d.file_name AS title FROM document d
JOIN app_user u ON u.id = d.owner_id AND u.erased_at IS NULL
WHERE d.index_version < $1 AND d.status = 'ready' AND d.deleted_at IS NULL LIMIT 1;

-- Without what a passage has of the one before it.
-- name: runner_index_passages
-- args: document uuid
-- row: mark text, text text
SELECT c.mark, substr(c.text, c.carried + 1) AS text FROM chunk c WHERE c.document_id = $1 ORDER BY c.n;

-- name: runner_index_store
-- args: document uuid, seen timestamptz, version int4, marks text[], headings text[], texts text[], carried text[], words text[], stems text[]
-- row: stored bool
SELECT document_indexed($1, $2, $3, $4, $5, $6, $7::text[]::int[], $8, $9) AS stored;
