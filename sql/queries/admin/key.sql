-- A key of a user; with `service` of an account with the role service, which is made where there is
-- none of this address. No row where there is no such user, or a disabled one, or (with `service`)
-- one with another role; nor for a scope that keys of the user's role do not have.
-- name: admin_key_create
-- args: login text, hash bytea, shown text, name text, scopes text[], days int4, service bool
-- row: id uuid, login text, until text
WITH made AS (
	INSERT INTO app_user (email, display_name, role) SELECT $1, $1, 'service' WHERE $7
	ON CONFLICT (lower(email)) DO NOTHING RETURNING id, email AS login, role, disabled_at
), u AS (
	SELECT * FROM made UNION ALL
	SELECT id, coalesce(email, username, id::text), role, disabled_at FROM user_named($1)
), k AS (
	INSERT INTO api_key (user_id, hash, shown, name, scopes, expires_at)
	SELECT u.id, $2, $3, $4, $5, now() + make_interval(days => $6)
	FROM u WHERE u.disabled_at IS NULL AND (u.role = 'service' OR NOT $7) AND (u.role <> 'user' OR 'analytics:read' <> ALL ($5))
	RETURNING id, user_id, expires_at
)
SELECT k.id, u.login, rfc3339(k.expires_at) AS until FROM k JOIN u ON u.id = k.user_id;

-- name: admin_key_list
-- args: after uuid, rows int8
-- row: id uuid, login text, name text, shown text, scopes text, created text, expires text, used text, state text, body json
SELECT k.id, coalesce(u.email, u.username, u.id::text) AS login, k.name, k.shown, array_to_string(k.scopes, ' ') AS scopes, rfc3339(k.created_at) AS created,
	rfc3339(k.expires_at) AS expires, rfc3339(k.last_used_at) AS used, s.state,
	json_build_object('id', k.id, 'userId', u.id, 'email', u.email, 'username', u.username, 'role', u.role, 'name', k.name, 'shown', k.shown,
		'scopes', k.scopes, 'state', s.state, 'createdAt', rfc3339(k.created_at), 'expiresAt', rfc3339(k.expires_at),
		'lastUsedAt', rfc3339(k.last_used_at), 'revokedAt', rfc3339(k.revoked_at)) AS body
FROM api_key k JOIN app_user u ON u.id = k.user_id CROSS JOIN LATERAL (
	SELECT CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired'
		WHEN u.disabled_at IS NOT NULL THEN 'disabled' ELSE 'active' END AS state
) s
WHERE u.erased_at IS NULL AND ($1::uuid IS NULL OR k.id > $1) ORDER BY k.id LIMIT $2;

-- No row where there is no such key. `was`: when it was revoked before.
-- name: admin_key_revoke
-- args: id uuid
-- row: login text, was bool
WITH old AS (
	SELECT id, revoked_at FROM api_key WHERE id = $1 FOR UPDATE
), done AS (
	UPDATE api_key k SET revoked_at = coalesce(k.revoked_at, now()) FROM old WHERE k.id = old.id
	RETURNING k.user_id, old.revoked_at IS NOT NULL AS was
)
SELECT coalesce(u.email, u.username, u.id::text) AS login, done.was FROM done JOIN app_user u ON u.id = done.user_id;
