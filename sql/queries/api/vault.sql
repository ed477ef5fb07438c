-- name: vault_list
-- row: body json
-- reads
SELECT coalesce(json_agg(json_build_object('id', s.id, 'key', s.key, 'masked', s.masked, 'everybody', s.everybody,
	'createdAt', rfc3339(s.created_at), 'lastUsedAt', rfc3339(s.last_used_at)) ORDER BY s.key), '[]') AS body
FROM secret s WHERE s.owner_id = caller_id();

-- What to seal to; no row where the vault has no key yet. The key goes as hexadecimal digits.
-- name: vault_key_in_force
-- row: id uuid, public_key text
-- reads
SELECT k.id, encode(k.public_key, 'hex') AS public_key FROM vault_key k WHERE k.retired_at IS NULL;

-- No row where the key is not in force any more.
-- name: vault_put
-- args: key text, sealed bytea, key_id uuid, masked text, most int4, everybody bool
-- row: id uuid, body json
-- keep
SELECT p.id, p.body FROM vault_put($1, $2, $3, $4, $5, $6) p;

-- name: vault_delete
-- args: id uuid
-- row: body json
DELETE FROM secret s WHERE s.id = $1 AND s.owner_id = caller_id() RETURNING json_build_object('success', true) AS body;
