-- name: settings_show
-- row: body json
-- reads
SELECT settings_json(u) AS body FROM app_user u WHERE u.id = caller_self();

-- Merges what is given into the caller's own settings, one level deep; protected names are left
-- out.
-- name: settings_merge
-- args: given text
-- row: body json
SELECT settings_merge($1::text::jsonb) AS body;

-- name: settings_new_key
-- args: hash bytea, shown text, by_key bytea
-- row: id uuid
SELECT settings_new_key($1, $2, $3) AS id;

-- name: api_key_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT api_key_json(k) AS body, k.id AS cursor FROM api_key k
WHERE k.user_id = caller_id() AND k.revoked_at IS NULL AND k.id < (SELECT page_before($2)) ORDER BY k.id DESC LIMIT $1;

-- name: api_key_create
-- args: hash bytea, shown text, name text, scopes text[], expires_at text, by_key bytea
-- row: body json
SELECT api_key_json(k) AS body FROM api_key_create($1, $2, $3, $4, $5::text::timestamptz, $6) k;

-- name: api_key_revoke
-- args: id uuid
-- row: id uuid
UPDATE api_key k SET revoked_at = now() WHERE k.id = $1 AND k.user_id = caller_id() AND k.revoked_at IS NULL RETURNING k.id;
