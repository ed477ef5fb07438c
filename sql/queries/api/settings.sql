-- name: settings_show
-- row: body json
SELECT settings_json(u) AS body FROM app_user u WHERE u.id = caller_id();

-- Merges what is given into the caller's own settings, one level deep; protected names are left
-- out.
-- name: settings_merge
-- args: given text
-- row: body json
SELECT settings_merge($1::text::jsonb) AS body;

-- name: settings_new_key
-- args: hash bytea, shown text
-- row: id uuid
SELECT settings_new_key($1, $2) AS id;
