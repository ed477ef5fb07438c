-- How long the chain is, and its first broken row; seq is NULL where it holds.
-- name: admin_audit_verify
-- row: rows int8, seq int8, problem text
SELECT (SELECT count(*) FROM audit_log) AS rows, v.seq, v.problem FROM (VALUES (1)) one LEFT JOIN audit_verify() v ON true;

-- Checkpoints after the `after`-th, each with the row that it names as that is now (row_hash NULL:
-- it is gone).
-- name: admin_audit_checkpoints
-- args: after int8, rows int8
-- row: n int8, seq int8, hash text, at_us int8, public_key text, signature text, row_hash text, at text
SELECT n, seq, hash, at_us, public_key, signature, row_hash, at FROM audit_checkpoints($1, $2);

-- Null where it was not done: there is a key already (`first`), or none to follow (not `first`).
-- name: admin_audit_key_add
-- args: public_key bytea, first bool
-- row: id uuid
SELECT audit_key_add($1, $2) AS id;

-- The one in force first.
-- name: admin_audit_keys
-- row: public_key text, in_force bool
SELECT encode(public_key, 'base64') AS public_key, retired_at IS NULL AS in_force FROM audit_key
ORDER BY retired_at IS NULL DESC, id DESC LIMIT 200;
