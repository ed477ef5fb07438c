-- name: notification_list
-- args: rows int8, before uuid, unread bool
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(concat(n.title, n.message, n.action_url, n.metadata))) OVER page, count(*) OVER page) THEN notification_json(n) END
	AS body, n.id AS cursor
FROM notification n WHERE n.owner_id = caller_id() AND n.id < (SELECT page_before($2)) AND NOT ($3 AND n.read)
WINDOW page AS (ORDER BY n.id DESC ROWS UNBOUNDED PRECEDING)
ORDER BY n.id DESC LIMIT $1;

-- name: notification_show
-- args: id uuid
-- row: body json
-- reads
SELECT notification_json(n) AS body FROM notification n WHERE n.id = $1 AND n.owner_id = caller_id();

-- name: notification_read
-- args: id uuid
-- row: body json
UPDATE notification n SET read = true WHERE n.id = $1 AND n.owner_id = caller_id() RETURNING notification_json(n) AS body;

-- name: notification_read_all
-- row: body json
WITH done AS (UPDATE notification n SET read = true WHERE n.owner_id = caller_id() AND NOT n.read RETURNING 1)
SELECT json_build_object('updated', (SELECT count(*) FROM done)) AS body;

-- name: notification_delete
-- args: id uuid
-- row: id uuid
DELETE FROM notification WHERE id = $1 AND owner_id = caller_id() RETURNING id;
