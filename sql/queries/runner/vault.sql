-- Every key, the one in force first. Bytes go as hexadecimal digits.
-- name: runner_vault_keys
-- row: id uuid, canary text, created text, in_force bool
SELECT k.id, encode(k.canary, 'hex') AS canary, rfc3339(k.created_at) AS created, k.retired_at IS NULL AS in_force
FROM vault_key k ORDER BY k.retired_at IS NULL DESC, k.id DESC LIMIT 50;

-- name: runner_vault_use
-- args: owner_id uuid, key text, purpose text
-- row: sealed text, key_id uuid
SELECT encode(u.sealed, 'hex') AS sealed, u.key_id FROM vault_use($1, $2, $3) u;

-- name: runner_shared_keys
-- args: names text[]
-- row: key text, owner_id uuid, put text
SELECT key, owner_id, put FROM shared_keys($1);

-- Secrets under another key than this, after an id (null: from the start).
-- name: runner_vault_old
-- args: key_id uuid, after uuid, rows int8
-- row: id uuid, owner_id uuid, key text, sealed text, was text
SELECT s.id, s.owner_id, s.key, encode(s.sealed, 'hex') AS sealed, encode(sha256(s.sealed), 'hex') AS was
FROM secret s WHERE s.key_id <> $1 AND ($2::uuid IS NULL OR s.id > $2) ORDER BY s.id LIMIT $3;

-- `sealed` in base64.
-- name: runner_sealed_change
-- args: of text, ids uuid[], was text[], sealed text[], key_id uuid
-- row: done int8
SELECT sealed_change($1, $2, $3, $4, $5) AS done;
