-- name: chatbot_create
-- args: name text, description text, settings jsonb, documents uuid[]
-- row: body json
-- keep
SELECT chatbot_create($1, $2, $3, $4) AS body;

-- name: chatbot_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(concat(b.description, b.settings)) + 40 * (SELECT count(*)::int FROM chatbot_document x WHERE x.chatbot_id = b.id))
		OVER page, count(*) OVER page) THEN chatbot_json(b) END AS body, b.id AS cursor
FROM chatbot b WHERE b.owner_id = caller_id() AND b.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY b.id DESC ROWS UNBOUNDED PRECEDING)
ORDER BY b.id DESC LIMIT $1;

-- name: chatbot_show
-- args: id uuid
-- row: body json
-- reads
SELECT chatbot_json(b) AS body FROM chatbot b WHERE b.id = $1 AND b.owner_id = caller_id();

-- name: chatbot_change
-- args: id uuid, name text, description text, settings jsonb, documents uuid[], body jsonb
-- row: body json
SELECT body FROM chatbot_change($1, $2, $3, $4, $5, $6) body;

-- name: chatbot_document_remove
-- args: id uuid, document uuid
-- row: body json
SELECT chatbot_documents_change($1, NULL, $2) AS body;

-- name: chatbot_documents_add
-- args: id uuid, added uuid[]
-- row: body json
-- keep
SELECT chatbot_documents_change($1, $2, NULL) AS body;

-- name: chatbot_delete
-- args: id uuid
-- row: id uuid
SELECT id FROM chatbot_delete($1);

-- name: chatbot_preview
-- args: settings jsonb, message text, documents uuid[], history jsonb, queue_max int4, credits bool
-- row: run_id uuid
SELECT chatbot_preview($1, $2, $3, $4, $5, $6) AS run_id;

-- name: widget_config
-- args: chatbot uuid, origin text
-- row: body json, allowed text
-- reads
SELECT body, allowed FROM widget_config($1, $2);

-- name: feedback_list
-- args: chatbot uuid, rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(f.comment)) OVER page, count(*) OVER page) THEN feedback_json(f) END AS body, f.id AS cursor
FROM message_feedback f WHERE f.chatbot_id = $1 AND f.owner_id = caller_id() AND f.id < (SELECT page_before($3))
WINDOW page AS (ORDER BY f.id DESC ROWS UNBOUNDED PRECEDING)
ORDER BY f.id DESC LIMIT $2;
