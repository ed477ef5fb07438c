-- A new account, signed in.
-- name: auth_register
-- args: email text, password_hash text, display_name text, lifetime_seconds int8
-- row: session_id uuid, issued_at int8, expires_at int8, uid uuid, email text, display_name text
-- keep
SELECT s.session_id, extract(epoch FROM now())::bigint AS issued_at,
	extract(epoch FROM s.expires_at)::bigint AS expires_at, s.uid, s.email, s.display_name
FROM user_register($1, $2, $3) AS u (id), session_open(u.id, make_interval(secs => $4::int8)) s;

-- One row, whether there is such an account or not.
-- name: auth_find
-- args: email text
-- row: wait int4, id uuid, password_hash text
SELECT login_wait($1) AS wait, u.id, u.password_hash FROM (VALUES (1)) one LEFT JOIN user_for_login($1) u ON true;

-- name: auth_failed
-- args: email text
-- row: login_failed void
SELECT login_failed($1);

-- A session where the password is still the one that was checked.
-- name: auth_session_open
-- args: user_id uuid, email text, hash text, lifetime_seconds int8
-- row: session_id uuid, issued_at int8, expires_at int8, uid uuid, email text, display_name text
SELECT s.session_id, extract(epoch FROM now())::bigint AS issued_at, extract(epoch FROM s.expires_at)::bigint AS expires_at,
	s.uid, s.email, s.display_name
FROM session_open_by_password($1, $3, make_interval(secs => $4::int8)) s, LATERAL login_succeeded($2) AS forgiven;

-- name: auth_session_close
-- args: session_id uuid
-- row: body json
UPDATE session SET revoked_at = now() WHERE id = $1 AND user_id = caller_id()
RETURNING json_build_object('message', 'Logout successful') AS body;

-- name: auth_me
-- row: body json
SELECT json_build_object('uid', id, 'email', email, 'displayName', display_name, 'token', NULL) AS body
FROM app_user WHERE id = caller_id();

-- Contract 4's account, and its session.
-- name: session_register
-- args: username text, password_hash text, email text, display_name text
-- row: body json
-- keep
SELECT account_json(u) AS body FROM user_register_named($1, $2, $3, $4) u;

-- name: session_open
-- args: user_id uuid, name text, hash text, lifetime_seconds int8
-- row: session_id uuid, issued_at int8, expires_at int8, body json
SELECT s.session_id, extract(epoch FROM now())::bigint AS issued_at, extract(epoch FROM s.expires_at)::bigint AS expires_at,
	account_json(u) AS body
FROM session_open_by_password($1, $3, make_interval(secs => $4::int8)) s, LATERAL login_succeeded($2) AS forgiven,
	user_account($1) u;

-- name: account_show
-- row: body json
SELECT account_json(u) AS body FROM app_user u WHERE u.id = caller_id();
