-- Null where it was not done: there is a key already (`first`), or none to follow (not `first`).
-- name: admin_vault_key_add
-- args: public_key bytea, canary bytea, first bool
-- row: id uuid
SELECT vault_key_add($1, $2, $3) AS id;

-- name: admin_vault_keys
-- row: id uuid, state text, created text, retired text, secrets int8, body json
SELECT k.id, CASE WHEN k.retired_at IS NULL THEN 'in force' ELSE 'retired' END AS state, rfc3339(k.created_at) AS created,
	rfc3339(k.retired_at) AS retired, n.secrets,
	json_build_object('id', k.id, 'inForce', k.retired_at IS NULL, 'createdAt', rfc3339(k.created_at),
		'retiredAt', rfc3339(k.retired_at), 'secrets', n.secrets) AS body
FROM vault_key k CROSS JOIN LATERAL (SELECT (SELECT count(*) FROM secret s WHERE s.key_id = k.id)
	+ (SELECT count(*) FROM oauth_token t WHERE t.key_id = k.id) + (SELECT count(*) FROM slack_bot b WHERE b.key_id = k.id)
	+ (SELECT count(*) FROM chain_account a WHERE a.key_id = k.id) AS secrets) n
ORDER BY k.retired_at IS NULL DESC, k.id DESC LIMIT 200;

-- Live runners, and whether the key that each holds fits: 1, or 0.
-- name: admin_vault_runners
-- row: host text, pid int4, fits text, body json
SELECT p.host, p.pid, p.stats ->> 'millrace_vault_fits' AS fits,
	json_build_object('host', p.host, 'pid', p.pid, 'fits', CASE p.stats ->> 'millrace_vault_fits' WHEN '1' THEN true
		WHEN '0' THEN false END) AS body
FROM process p
WHERE p.role = 'runner' AND p.seen_at > now() - interval '15 seconds' ORDER BY p.host, p.pid;
