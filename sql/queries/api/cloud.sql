-- A page of a platform's folder, or of its top.
-- name: cloud_ask_folder
-- args: platform text, folder text, cursor text, rows int8, queue_max int4
-- row: run_id uuid
SELECT cloud_enqueue('list', $1, $2, $3, $4, $5) AS run_id;

-- name: cloud_ask_file
-- args: platform text, id text, queue_max int4
-- row: run_id uuid
SELECT cloud_enqueue('file', $1, $2, NULL, NULL, $3) AS run_id;

-- name: cloud_ask_all
-- args: rows int8, queue_max int4
-- row: run_id uuid
SELECT cloud_enqueue('all', NULL, NULL, NULL, $1, $2) AS run_id;

-- name: cloud_saved_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(concat(d.name, d.error, d.metadata))) OVER page, count(*) OVER page)
	THEN cloud_file_json(d) END AS body, d.id AS cursor
FROM document d WHERE d.owner_id = caller_id() AND d.platform IS NOT NULL AND d.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY d.id DESC ROWS UNBOUNDED PRECEDING) ORDER BY d.id DESC LIMIT $1;

-- name: cloud_save
-- args: given text, bytes_max int8, documents_max int8, queue_max int4
-- row: body json
-- keep
SELECT cloud_file_json(d) AS body FROM cloud_files_save(jsonb_build_array($1::text::jsonb), $2, $3, $4) d;

-- name: cloud_save_many
-- args: given text, bytes_max int8, documents_max int8, queue_max int4
-- row: body json
-- keep
SELECT json_agg(cloud_file_json(d)) AS body FROM cloud_files_save($1::text::jsonb, $2, $3, $4) d;
