-- CONFLICT where the address has an account.
-- name: admin_invitation_create
-- args: email text, days int4, token_hash bytea, mails bool
-- row: id uuid, until text
SELECT i.id, rfc3339(i.expires_at) AS until FROM invitation_create($1, $2, $3, $4) i;

-- The oldest first, after the id `after` (null: from the start).
-- name: admin_invitation_list
-- args: after uuid, rows int8
-- row: id uuid, email text, state text, created text, expires text, used_by text, body json
SELECT i.id, i.email, j.body ->> 'state' AS state, rfc3339(i.created_at) AS created, rfc3339(i.expires_at) AS expires,
	(SELECT coalesce(u.email, u.username, u.id::text) FROM app_user u WHERE u.id = i.user_id) AS used_by, j.body
FROM invitation i CROSS JOIN LATERAL invitation_json(i) AS j (body)
WHERE $1::uuid IS NULL OR i.id > $1 ORDER BY i.id LIMIT $2;

-- No row where there is no such invitation.
-- name: admin_invitation_withdraw
-- args: id uuid
-- row: done bool
SELECT w.done FROM invitation_withdraw($1) AS w (done) WHERE w.done;
