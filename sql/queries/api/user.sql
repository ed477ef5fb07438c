-- name: user_show
-- row: body json
-- reads
SELECT user_json(u) AS body FROM app_user u WHERE u.id = caller_self();

-- Changes what is given; NULL leaves a column as it is.
-- name: user_change
-- args: display_name text, timezone text, assistant_name text, interests text[], sets_interests bool
-- row: body json
UPDATE app_user u SET display_name = coalesce($1, u.display_name), timezone = coalesce($2, u.timezone),
	assistant_name = coalesce($3, u.assistant_name), interests = CASE WHEN $5 THEN $4 ELSE u.interests END,
	updated_at = now()
WHERE u.id = caller_self() AND u.erased_at IS NULL RETURNING user_json(u) AS body;
