-- Passages of a user's documents for a query, best first; the same retrieval for chat and search.
-- name: runner_passages_find
-- args: owner uuid, query text, bits text, want int4
-- row: chunk int8, document_id uuid, document_name text, mark text, text text, score text
SELECT c.id AS chunk, c.document_id, d.name AS document_name, c.mark, c.text, round(s.score::numeric, 6)::text AS score
FROM chunk_search($1, $2, ('x' || $3)::bit(2048), $4) s
JOIN chunk c ON c.id = s.chunk_id JOIN document d ON d.id = c.document_id AND d.deleted_at IS NULL
ORDER BY s.score DESC, c.id;

-- name: runner_document_process
-- args: document uuid
-- row: file_name text, blob_id uuid, size int8
UPDATE document SET status = 'processing', updated_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING file_name, blob_id, size;

-- name: runner_blob_part
-- args: blob uuid, n int4
-- row: data bytea
-- scratch
SELECT data FROM blob_chunk WHERE blob_id = $1 AND n = $2;

-- name: runner_document_end_ready
-- args: run_id uuid, runner_name text, attempt int4, after int8, type text, metadata text, marks text[], texts text[], bits text[]
-- row: document_ready int8
-- ends
SELECT document_ready($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8, $9);

-- name: runner_document_end_failed
-- args: run_id uuid, runner_name text, attempt int4, after int8, error text
-- row: document_failed int8
-- ends
SELECT document_failed($1, $2, $3, $4, $5);
