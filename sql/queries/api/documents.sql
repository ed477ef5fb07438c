-- name: blob_create
-- args: len int8, bytes_max int8, documents_max int8
-- row: id uuid
SELECT blob_create($1, $2, $3) AS id;

-- Leaves an upload to be deleted, unless it is whole.
-- name: blob_give_up
-- args: blob uuid
UPDATE blob SET deleted_at = now() WHERE id = $1 AND sha256 IS NULL AND deleted_at IS NULL;

-- name: blob_chunk_add
-- args: blob uuid, n int8, data bytea
INSERT INTO blob_chunk (blob_id, n, data) VALUES ($1, $2::int8, $3);

-- name: document_create
-- args: blob uuid, sha256 bytea, size int8, name text, description text, file_name text, waits bool, bytes_max int8, documents_max int8, queue_max int4
-- row: body json, run_id uuid
-- keep
SELECT body, run_id FROM document_create($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: document_create_page
-- args: url text, name text, description text, bytes_max int8, documents_max int8, queue_max int4
-- row: body json, run_id uuid
-- keep
SELECT body, run_id FROM document_create_page($1, $2, $3, $4, $5, $6);

-- name: document_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(concat(d.name, d.description, d.error, d.notices, d.metadata))) OVER page, count(*) OVER page) THEN document_json(d) END
	AS body, d.id AS cursor
FROM document d WHERE d.owner_id = caller_id() AND d.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY d.id DESC ROWS UNBOUNDED PRECEDING)
ORDER BY d.id DESC LIMIT $1;

-- name: document_show
-- args: id uuid
-- row: body json
-- reads
SELECT document_json(d) AS body FROM document d WHERE d.id = $1 AND d.owner_id = caller_id();

-- name: document_delete
-- args: id uuid
-- row: id uuid
SELECT id FROM document_delete($1);

-- name: document_reindex
-- args: id uuid, queue_max int4
-- row: run_id uuid
-- keep
SELECT run_id FROM document_reindex($1, $2);

-- name: document_search
-- args: question text, rows int8, queue_max int4
-- row: run_id uuid
-- wakes
SELECT run_enqueue('search', jsonb_build_object('q', $1::text, 'limit', $2::int8, 'reply', 'search'), $3, priority => 10) AS run_id;
