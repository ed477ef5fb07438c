-- name: integration_list
-- args: base text, rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(concat(i.name, i.config))) OVER page, count(*) OVER page) THEN integration_json(i, $1) END AS body,
	i.id AS cursor
FROM integration i WHERE i.owner_id = caller_id() AND i.id < (SELECT page_before($3))
WINDOW page AS (ORDER BY i.id DESC ROWS UNBOUNDED PRECEDING)
ORDER BY i.id DESC LIMIT $2;

-- name: integration_create
-- args: type text, name text, chatbot uuid, status text, config jsonb, base text
-- row: body json
-- keep
SELECT integration_create($1, $2, $3, $4, $5, $6) AS body;

-- name: integration_show
-- args: id uuid, base text
-- row: body json
-- reads
SELECT integration_json(i, $2) AS body FROM integration i WHERE i.id = $1 AND i.owner_id = caller_id();

-- name: integration_change
-- args: id uuid, name text, chatbot uuid, status text, config jsonb, base text
-- row: body json
SELECT integration_change($1, $2, $3, $4, $5, $6) AS body;

-- name: integration_delete
-- args: id uuid
-- row: id uuid
DELETE FROM integration i WHERE i.id = $1 AND i.owner_id = caller_id() RETURNING i.id;
