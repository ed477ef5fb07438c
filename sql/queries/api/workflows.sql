-- name: workflow_create
-- args: name text, description text, definition text
-- row: body json
-- keep
SELECT workflow_json(w) AS body FROM workflow_create($1, $2, $3::text::json) w;

-- name: workflow_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(w.definition::text)) OVER page, count(*) OVER page) THEN workflow_json(w) END AS body, w.id AS cursor
FROM workflow w WHERE w.owner_id = caller_id() AND w.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY w.id DESC ROWS UNBOUNDED PRECEDING) ORDER BY w.id DESC LIMIT $1;

-- name: workflow_show
-- args: id uuid
-- row: body json
-- reads
SELECT workflow_json(w) AS body FROM workflow w WHERE w.id = $1 AND w.owner_id = caller_id();

-- Changes what is given (NULL leaves a column as it is); what `body`, the whole request, gives as
-- null is cleared.
-- name: workflow_change
-- args: id uuid, name text, description text, definition text, body jsonb
-- row: body json
UPDATE workflow w SET name = coalesce($2, w.name), definition = coalesce($4::text::json, w.definition), updated_at = now(),
	description = CASE WHEN $5::jsonb -> 'description' = 'null' THEN NULL ELSE coalesce($3, w.description) END
WHERE w.id = $1 AND w.owner_id = caller_id() RETURNING workflow_json(w) AS body;

-- name: workflow_delete
-- args: id uuid
-- row: id uuid
DELETE FROM workflow WHERE id = $1 AND owner_id = caller_id() RETURNING id;

-- name: mcp_server_create
-- args: name text, url text, secret text
-- row: body json
-- keep
SELECT mcp_server_json(m) AS body FROM mcp_server_create($1, $2, $3) m;

-- name: mcp_server_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT mcp_server_json(m) AS body, m.id AS cursor FROM mcp_server m
WHERE m.owner_id = caller_id() AND m.id < (SELECT page_before($2)) ORDER BY m.id DESC LIMIT $1;

-- name: mcp_server_delete
-- args: id uuid
-- row: id uuid
DELETE FROM mcp_server WHERE id = $1 AND owner_id = caller_id() RETURNING id;
