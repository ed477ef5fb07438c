-- name: telegram_connect
-- args: id uuid, code_hash bytea
-- row: username text
SELECT telegram_connect($1, $2) AS username;

-- name: telegram_code
-- row: id uuid, username text
-- reads
SELECT c.id, telegram_username() AS username FROM telegram_code c WHERE c.owner_id = caller_id() AND c.expires_at > now();

-- name: telegram_connected
-- row: body json
-- reads
SELECT json_build_object('connected', EXISTS (SELECT FROM telegram_link l WHERE l.owner_id = caller_id()) AND telegram_username() IS NOT NULL) AS body;

-- name: telegram_disconnect
-- row: id uuid
WITH code AS (DELETE FROM telegram_code c WHERE c.owner_id = caller_id())
DELETE FROM telegram_link l WHERE l.owner_id = caller_id() RETURNING l.owner_id AS id;

-- name: telegram_update
-- args: secret_hash bytea, update jsonb, credits bool, queue_max int4
-- row: taken bool
SELECT taken FROM telegram_update($1, $2, $3, $4);
