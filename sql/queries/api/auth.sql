-- A new account, signed in.
-- name: auth_register
-- args: email text, password_hash text, display_name text, lifetime_seconds int8, registration text, invitation bytea
-- row: session_id uuid, issued_at int8, expires_at int8, uid uuid, email text, display_name text
-- keep
SELECT s.session_id, extract(epoch FROM now())::bigint AS issued_at,
	extract(epoch FROM s.expires_at)::bigint AS expires_at, s.uid, s.email, s.display_name
FROM user_register($1, $2, $3, $5, $6) AS u (id), session_open(u.id, make_interval(secs => $4::int8)) s;

-- One row, whether there is such an account or not. `account` and `address`: how long each has to
-- wait after wrong passwords.
-- name: auth_find
-- args: email text, client text, most int4
-- row: account int4, address int4, id uuid, password_hash text
-- reads
SELECT w.account, w.address, u.id, u.password_hash FROM login_waits($1, $2, NULL, $3) w LEFT JOIN user_for_login($1) u ON true;

-- name: auth_failed
-- args: email text, client text, device text, most int4
-- row: account int4, address int4
SELECT account, address FROM login_failed($1, $2, $3, $4);

-- A session where the password is still the one that was checked, and nobody has to wait meanwhile.
-- name: auth_session_open
-- args: user_id uuid, email text, hash text, lifetime_seconds int8, client text, device text, most int4
-- row: session_id uuid, issued_at int8, expires_at int8, uid uuid, email text, display_name text, account int4, address int4
SELECT s.session_id, extract(epoch FROM now())::bigint AS issued_at, extract(epoch FROM s.expires_at)::bigint AS expires_at,
	s.uid, s.email, s.display_name, s.account, s.address
FROM session_open_by_login($1, $2, $3, make_interval(secs => $4::int8), $5, $6, $7) s;

-- name: auth_session_close
-- args: session_id uuid
-- row: body json
UPDATE session SET revoked_at = now() WHERE id = $1 AND user_id = caller_id()
RETURNING json_build_object('message', 'Logout successful') AS body;

-- name: auth_me
-- row: body json
-- reads
SELECT json_build_object('uid', id, 'email', email, 'displayName', display_name, 'token', NULL) AS body
FROM app_user WHERE id = caller_self();

-- The account as /api/v1 shows it, and its session.
-- name: session_register
-- args: username text, password_hash text, email text, display_name text, registration text, invitation bytea
-- row: body json
-- keep
SELECT account_json(u) AS body FROM user_register_named($1, $2, $3, $4, $5, $6) u;

-- name: session_open
-- args: user_id uuid, name text, hash text, lifetime_seconds int8, client text, device text, most int4
-- row: session_id uuid, issued_at int8, expires_at int8, body json, account int4, address int4
SELECT s.session_id, extract(epoch FROM now())::bigint AS issued_at, extract(epoch FROM s.expires_at)::bigint AS expires_at,
	account_json(u) AS body, s.account, s.address
FROM session_open_by_login($1, $2, $3, make_interval(secs => $4::int8), $5, $6, $7) s, user_account($1) u;

-- name: account_show
-- row: body json
-- reads
SELECT account_json(u) AS body FROM app_user u WHERE u.id = caller_self();
