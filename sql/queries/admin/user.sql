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
-- the address, else the name; the id of those who have neither.
-- name: admin_user_list
-- args: after uuid, rows int8
-- row: id uuid, login text, display_name text, role text, created text, disabled bool, body json
SELECT u.id, coalesce(u.email, u.username, u.id::text) AS login, u.display_name, u.role, rfc3339(u.created_at) AS created,
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
	SELECT id, role FROM app_user WHERE id = (SELECT n.id FROM user_named($1) n) FOR UPDATE
)
UPDATE app_user u SET role = $2, updated_at = now() FROM old WHERE u.id = old.id
RETURNING coalesce(u.email, u.username, u.id::text) AS login, old.role AS was;

-- No row where there is no such user. `sessions`: how many have ended.
-- name: admin_user_password
-- args: id uuid, password_hash text
-- row: sessions int8, disabled bool
SELECT password_set(u, $2) AS sessions, u.disabled_at IS NOT NULL AS disabled FROM app_user u WHERE u.id = $1 FOR UPDATE;

-- Shuts a user out, or lets them in again. No row where there is no such user. `was`: they were
-- shut out before.
-- name: admin_user_disable
-- args: id uuid, disable bool
-- row: was bool
WITH old AS (
	SELECT id, disabled_at FROM app_user WHERE id = $1 FOR UPDATE
)
UPDATE app_user u SET disabled_at = CASE WHEN $2 THEN coalesce(old.disabled_at, now()) END, updated_at = now()
FROM old WHERE u.id = old.id
RETURNING old.disabled_at IS NOT NULL AS was;

-- No row where there is no such user.
-- name: admin_user_find
-- args: login text
-- row: id uuid, login text
SELECT u.id, coalesce(u.email, u.username, u.id::text) AS login FROM user_named($1) u;

-- No row where there is no such user.
-- name: admin_user_erase
-- args: id uuid
-- row: erased bool
SELECT account_shut(u.id) AS erased
FROM app_user u WHERE u.id = $1;

-- A user's open sessions, the oldest first, after the id `after` (null: from the start).
-- name: admin_session_list
-- args: user_id uuid, after uuid, rows int8
-- row: id uuid, created text, expires text, body json
SELECT s.id, rfc3339(s.created_at) AS created, rfc3339(s.expires_at) AS expires,
	json_build_object('id', s.id, 'createdAt', rfc3339(s.created_at), 'expiresAt', rfc3339(s.expires_at)) AS body
FROM session s
WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at > now() AND ($2::uuid IS NULL OR s.id > $2)
ORDER BY s.id LIMIT $3;

-- name: admin_session_end
-- args: user_id uuid
-- row: n int8
WITH s AS (
	UPDATE session x SET revoked_at = now() WHERE x.user_id = $1 AND x.revoked_at IS NULL RETURNING x.expires_at
)
SELECT count(*) AS n FROM s WHERE s.expires_at > now();

-- Opens a session; no row where there is no such user, or a disabled one. Times are Unix seconds.
-- name: admin_session_open
-- args: login text, lifetime interval
-- row: user_id uuid, session_id uuid, issued int8, expires int8, until text
SELECT u.id AS user_id, s.session_id, extract(epoch FROM now())::int8 AS issued,
	extract(epoch FROM s.expires_at)::int8 AS expires, rfc3339(s.expires_at) AS until
FROM user_named($1) u CROSS JOIN LATERAL session_open(u.id, $2) s
WHERE u.disabled_at IS NULL;
