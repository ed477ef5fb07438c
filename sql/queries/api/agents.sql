-- name: agent_create
-- args: type text, name text, prompt text, model text, tools text[]
-- row: body json
-- keep
SELECT agent_json(a) AS body FROM agent_create($1, $2, $3, $4, $5) a;

-- name: agent_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(a.prompt)) OVER page, count(*) OVER page) THEN agent_json(a) END AS body, a.id AS cursor
FROM agent a WHERE a.owner_id = caller_id() AND a.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY a.id DESC ROWS UNBOUNDED PRECEDING) ORDER BY a.id DESC LIMIT $1;

-- name: agent_show
-- args: id uuid
-- row: body json
-- reads
SELECT agent_json(a) AS body FROM agent a WHERE a.id = $1 AND a.owner_id = caller_id();

-- name: agent_change
-- args: id uuid, type text, name text, prompt text, model text, tools text[], body jsonb
-- row: body json
SELECT agent_json(a) AS body FROM agent_change($1, $2, $3, $4, $5, $6, $7) a;

-- name: agent_delete
-- args: id uuid
-- row: id uuid
DELETE FROM agent WHERE id = $1 AND owner_id = caller_id() RETURNING id;

-- name: process_create
-- args: name text, description text, agent_type text, model text, emails text[], execution_mode text, interval_s int4, cron text, timezone text, body jsonb
-- row: body json
-- keep
SELECT process_json(c) AS body FROM process_create($1) p CROSS JOIN LATERAL process_change(p.id, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10) c;

-- name: process_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(concat(p.description, p.emails))) OVER page, count(*) OVER page)
	THEN process_json(p) END AS body, p.id AS cursor
FROM agent_process p WHERE p.owner_id = caller_id() AND p.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY p.id DESC ROWS UNBOUNDED PRECEDING) ORDER BY p.id DESC LIMIT $1;

-- name: process_show
-- args: id uuid
-- row: body json
-- reads
SELECT process_json(p) AS body FROM agent_process p WHERE p.id = $1 AND p.owner_id = caller_id();

-- name: process_change
-- args: id uuid, name text, description text, agent_type text, model text, emails text[], execution_mode text, interval_s int4, cron text, timezone text, body jsonb
-- row: body json
SELECT process_json(p) AS body FROM process_change($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) p;

-- name: process_delete
-- args: id uuid
-- row: id uuid
SELECT id FROM process_delete($1);

-- Without an id of the caller's first process, or of none.
-- name: agent_status
-- args: agent_id uuid
-- row: body json
-- reads
SELECT status_json(p) AS body FROM (SELECT) one LEFT JOIN process_find($1) p ON true;

-- name: agent_control
-- args: agent_id uuid, action text, execution_mode text
-- row: body json
SELECT status_json(p) AS body FROM process_control($1, $2, $3) p;

-- name: config_show
-- args: agent_id uuid
-- row: body json
-- reads
SELECT config_json(p) AS body FROM (SELECT) one LEFT JOIN process_find($1) p ON true;

-- name: config_change
-- args: agent_id uuid, model text, emails text[], execution_mode text, interval_s int4, cron text, timezone text, body jsonb
-- row: body json
SELECT config_json(p) AS body FROM config_change($1, $2, $3, $4, $5, $6, $7, $8) p;

-- name: emails_show
-- args: agent_id uuid
-- row: body json
-- reads
SELECT json_build_object('agent_id', p.id, 'emails', coalesce(p.emails, '{}')) AS body
FROM (SELECT) one LEFT JOIN process_find($1) p ON true;

-- name: emails_change
-- args: agent_id uuid, emails text[]
-- row: body json
SELECT json_build_object('agent_id', p.id, 'emails', p.emails) AS body FROM config_change($1, NULL, $2, NULL, NULL, NULL, NULL, '{"emails": []}') p;

-- name: datasource_create
-- args: given text, key_hash bytea
-- row: body json
-- keep
SELECT datasource_json(d) AS body FROM datasources_create(jsonb_build_array($1::text::jsonb), $2) d;

-- name: datasources_create
-- args: given text, key_hash bytea
-- row: body json
-- keep
SELECT json_agg(datasource_json(d)) AS body FROM datasources_create($1::text::jsonb, $2) d;

-- name: datasource_list
-- args: rows int8, before uuid, process_id uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(d.config::text)) OVER page, count(*) OVER page) THEN datasource_json(d) END AS body, d.id AS cursor
FROM datasource d WHERE d.owner_id = caller_id() AND d.id < (SELECT page_before($2)) AND ($3::uuid IS NULL OR d.process_id = $3)
WINDOW page AS (ORDER BY d.id DESC ROWS UNBOUNDED PRECEDING) ORDER BY d.id DESC LIMIT $1;

-- name: datasource_show
-- args: id uuid
-- row: body json
-- reads
SELECT datasource_json(d) AS body FROM datasource d WHERE d.id = $1 AND d.owner_id = caller_id();

-- name: datasource_change
-- args: id uuid, process_id uuid, platform text, resource_identifier text, resource_name text, config jsonb, secret text, headers jsonb, body jsonb, key_hash bytea
-- row: body json
SELECT datasource_json(d) AS body FROM datasource_change($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) d;

-- name: datasource_delete
-- args: id uuid
-- row: id uuid
DELETE FROM datasource WHERE id = $1 AND owner_id = caller_id() RETURNING id;

-- name: datasources_delete
-- args: ids uuid[]
-- row: body json
WITH gone AS (DELETE FROM datasource WHERE id = ANY ($1) AND owner_id = caller_id() RETURNING 1)
SELECT json_build_object('deleted', count(*)) AS body FROM gone;

-- name: agent_invoke
-- args: type text, input jsonb, metadata jsonb, user_name text, reply bool, queue_max int4, credits bool
-- row: run_id uuid, body json
-- keep
-- wakes
SELECT run_id, body FROM agent_invoke($1, $2, $3, $4, $5, $6, $7);

-- name: agent_request_show
-- args: id uuid
-- row: body json
-- reads
SELECT body FROM agent_request_show($1) body WHERE body IS NOT NULL;

-- name: task_create
-- args: process_id uuid, queue_max int4
-- row: body json
-- keep
SELECT task_json(t) AS body FROM task_create($1, $2) t;

-- name: task_show
-- args: id uuid
-- row: body json
-- reads
SELECT task_json(t) AS body FROM task t WHERE t.id = $1 AND t.owner_id = caller_id() AND t.process_id IS NOT NULL;

-- name: match_list
-- args: rows int8, before uuid, process_id uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(m.cells::text)) OVER page, count(*) OVER page) THEN match_json(m) END AS body, m.id AS cursor
FROM match m JOIN agent_process p ON p.matched_task = m.task_id AND ($3::uuid IS NULL OR p.id = $3) JOIN lead l ON l.id = m.lead_id
JOIN task_file f ON f.task_id = m.task_id AND f.n = m.file
WHERE m.owner_id = caller_id() AND m.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY m.id DESC ROWS UNBOUNDED PRECEDING) ORDER BY m.id DESC LIMIT $1;
