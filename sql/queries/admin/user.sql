-- No row where the address is taken.
-- name: admin_user_create
-- args: email text, password_hash text, display_name text, role text
-- row: id uuid
WITH u AS (
	INSERT INTO app_user (email, display_name, role) VALUES ($1, $3, $4)
	ON CONFLICT (lower(email)) DO NOTHING RETURNING id
), p AS (
	INSERT INTO password (user_id, hash) SELECT id, $2 FROM u
)
SELECT id FROM u;

-- The oldest first, after the id `after` (null: from the start). `login` is what they sign in by:
-- the address, else the name.
-- name: admin_user_list
-- args: after uuid, rows int8
-- row: id uuid, login text, display_name text, role text, created text, disabled bool, body json
SELECT u.id, coalesce(u.email, u.username) AS login, u.display_name, u.role, rfc3339(u.created_at) AS created,
	u.disabled_at IS NOT NULL AS disabled,
	json_build_object('id', u.id, 'email', u.email, 'username', u.username, 'name', u.display_name, 'role', u.role,
		'createdAt', rfc3339(u.created_at), 'disabledAt', rfc3339(u.disabled_at)) AS body
FROM app_user u
WHERE u.erased_at IS NULL AND ($1::uuid IS NULL OR u.id > $1)
ORDER BY u.id LIMIT $2;

-- No row where there is no such user.
-- name: admin_user_role
-- args: login text, role text
-- row: login text, was text
WITH old AS (
	SELECT id, role FROM app_user WHERE lower($1) IN (lower(email), lower(username)) FOR UPDATE
)
UPDATE app_user u SET role = $2, updated_at = now() FROM old WHERE u.id = old.id
RETURNING coalesce(u.email, u.username) AS login, old.role AS was;

-- Opens a session; no row where there is no such user, or a disabled one. Times are Unix seconds.
-- name: admin_session_open
-- args: login text, lifetime interval
-- row: user_id uuid, session_id uuid, issued int8, expires int8, until text
SELECT u.id AS user_id, s.session_id, extract(epoch FROM now())::int8 AS issued,
	extract(epoch FROM s.expires_at)::int8 AS expires, rfc3339(s.expires_at) AS until
FROM app_user u CROSS JOIN LATERAL session_open(u.id, $2) s
WHERE lower($1) IN (lower(u.email), lower(u.username)) AND u.disabled_at IS NULL;
