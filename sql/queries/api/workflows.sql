-- name: workflow_create
-- args: name text, description text, definition text, interval_s int4, cron text, timezone text, body jsonb
-- row: body json
-- keep
SELECT workflow_json(w) AS body FROM workflow_create($1, $2, $3::text::json) m CROSS JOIN LATERAL workflow_change(m.id, NULL, NULL, NULL, $4, $5, $6, $7) w;

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

-- name: workflow_change
-- args: id uuid, name text, description text, definition text, interval_s int4, cron text, timezone text, body jsonb
-- row: body json
SELECT workflow_json(w) AS body FROM workflow_change($1, $2, $3, $4::text::json, $5, $6, $7, $8) w;

-- name: workflow_delete
-- args: id uuid
-- row: id uuid
DELETE FROM workflow WHERE id = $1 AND owner_id = caller_id() RETURNING id;

-- name: mcp_server_create
-- args: name text, url text, secret text, headers jsonb, queue_max int4
-- row: body json
-- keep
SELECT mcp_server_json(m) AS body FROM queue_check($5) CROSS JOIN LATERAL mcp_server_create($1, $2, $3, $4) m;

-- name: mcp_server_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(m.tools::text)) OVER page, count(*) OVER page) THEN mcp_server_json(m) END AS body, m.id AS cursor
FROM mcp_server m WHERE m.owner_id = caller_id() AND m.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY m.id DESC ROWS UNBOUNDED PRECEDING) ORDER BY m.id DESC LIMIT $1;

-- name: mcp_server_delete
-- args: id uuid
-- row: id uuid
DELETE FROM mcp_server WHERE id = $1 AND owner_id = caller_id() RETURNING id;

-- name: workflow_execute
-- args: workflow uuid, inputs json, user_name text, reply bool, queue_max int4
-- row: run_id uuid, body json
-- keep
-- wakes
SELECT run_id, body FROM workflow_execute($1, $2, $3, $4, $5);

-- name: workflow_run_list
-- args: rows int8, before uuid, workflow uuid, status text
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(coalesce(octet_length(w.outputs::text), 0)) OVER page, count(*) OVER page) THEN workflow_run_json(w, false) END AS body,
	w.id AS cursor
FROM workflow_run w JOIN run r ON r.id = w.id
WHERE w.owner_id = caller_id() AND w.id < (SELECT page_before($2)) AND ($3::uuid IS NULL OR w.workflow_id = $3)
	AND ($4::text IS NULL OR CASE r.status WHEN 'cancelled' THEN 'failed' ELSE r.status END = $4)
WINDOW page AS (ORDER BY w.id DESC ROWS UNBOUNDED PRECEDING) ORDER BY w.id DESC LIMIT $1;

-- name: workflow_run_show
-- args: id uuid
-- row: body json
-- reads
SELECT body FROM workflow_run_show($1) body WHERE body IS NOT NULL;

-- name: workflow_run_cancel
-- args: id uuid
-- row: body json
SELECT body FROM workflow_run_cancel($1) body WHERE body IS NOT NULL;

-- name: workflow_run_approve
-- args: id uuid, step text, approved bool
-- row: body json
SELECT workflow_run_approve($1, $2, $3) AS body;
