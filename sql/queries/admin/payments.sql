-- The key that secrets are sealed to; no row: there is none.
-- name: admin_vault_key_in_force
-- row: id uuid, public_key text
SELECT k.id, encode(k.public_key, 'hex') AS public_key FROM vault_key k WHERE k.retired_at IS NULL;

-- name: admin_chain_account_put
-- args: network text, chain_id int8, address text, sealed bytea, key_id uuid
-- row: done bool
SELECT chain_account_put($1, $2, $3, $4, $5) AS done;

-- Accounts that pay or have paid, with what is under way.
-- name: admin_chain_accounts
-- row: network text, address text, state text, balance text, seen text, pending int8, body json
SELECT a.network, a.address, a.state, a.balance, a.seen, a.pending, json_build_object('network', a.network, 'address', a.address,
	'inForce', a.state = 'pays', 'balanceUsd', a.balance_usd, 'low', a.low, 'seenAt', a.seen, 'pending', a.pending) AS body
FROM (
	SELECT c.network, c.address, CASE WHEN c.retired_at IS NULL THEN 'pays' ELSE 'retired' END AS state, c.balance_usd, trim_scale(c.balance_usd)::text AS balance,
		c.low_since IS NOT NULL AS low, rfc3339(c.balance_at) AS seen,
		(SELECT count(*) FROM chain_transfer t WHERE t.account_id = c.id AND t.state IN ('signed', 'mined')) AS pending
	FROM chain_account c ORDER BY c.network, c.retired_at IS NOT NULL, c.id LIMIT 200
) a;
