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

-- Folders that are kept, and files.
-- name: cloud_saved_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(s.bytes) OVER page, count(*) OVER page) THEN CASE WHEN s.is_folder
	THEN (SELECT cloud_folder_json(f) FROM cloud_folder f WHERE f.id = s.id) ELSE (SELECT cloud_file_json(d) FROM document d WHERE d.id = s.id) END END AS body,
	s.id AS cursor
FROM (
	(SELECT d.id, false AS is_folder, octet_length(concat(d.name, d.error, d.notices, d.metadata)) AS bytes FROM document d
	WHERE d.owner_id = caller_id() AND d.platform IS NOT NULL AND d.id < (SELECT page_before($2)) ORDER BY d.id DESC LIMIT $1)
	UNION ALL
	(SELECT f.id, true, octet_length(concat(f.name, f.error, f.web_url)) + 500 FROM cloud_folder f
	WHERE f.owner_id = caller_id() AND f.id < (SELECT page_before($2)) ORDER BY f.id DESC LIMIT $1)
) s
WINDOW page AS (ORDER BY s.id DESC ROWS UNBOUNDED PRECEDING) ORDER BY s.id DESC LIMIT $1;

-- name: cloud_save
-- args: given text, bytes_max int8, documents_max int8, every_s int4, queue_max int4
-- row: body json
-- keep
SELECT s AS body FROM cloud_files_save(jsonb_build_array($1::text::jsonb), $2, $3, $4, $5) s;

-- name: cloud_save_many
-- args: given text, bytes_max int8, documents_max int8, every_s int4, queue_max int4
-- row: body json
-- keep
SELECT json_agg(s) AS body FROM cloud_files_save($1::text::jsonb, $2, $3, $4, $5) s;

-- Lets go of a folder that is kept, or of a file.
-- name: cloud_saved_delete
-- args: id uuid
-- row: gone bool
SELECT true AS gone WHERE cloud_saved_delete($1);
