-- name: runner_oauth_accept
-- args: run_id uuid, runner_name text, attempt int4
-- row: provider text, code text, verifier text, nonce text
-- batched
SELECT provider, code, verifier, nonce FROM oauth_code_claim($1, $2, $3);

-- name: runner_oauth_exchanged
-- args: run_id uuid, runner_name text, attempt int4, after int8, outcome text, subject text, email text, email_verified bool, name text, sealed text, key_id uuid, scope text, lasts int8, refreshable bool
-- row: oauth_exchanged int8
-- ends
-- batched
SELECT oauth_exchanged($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- name: runner_oauth_token_accept
-- args: run_id uuid, runner_name text, attempt int4, token uuid
-- row: provider text, subject text, sealed text, key_id uuid, mine bool, waits bool
-- batched
SELECT provider, subject, sealed, key_id, mine, waits FROM oauth_token_claim($1, $2, $3, $4);

-- name: runner_oauth_refreshed
-- args: run_id uuid, runner_name text, attempt int4, after int8, token uuid, sealed text, key_id uuid, lasts int8
-- row: oauth_refreshed int8
-- ends
-- batched
SELECT oauth_refreshed($1, $2, $3, $4, $5, $6, $7, $8);

-- name: runner_oauth_refresh_failed
-- args: run_id uuid, runner_name text, attempt int4, after int8, token uuid, name text, for_good bool
-- row: oauth_refresh_failed int8
-- ends
-- batched
SELECT oauth_refresh_failed($1, $2, $3, $4, $5, $6, $7);

-- name: runner_oauth_revoked
-- args: run_id uuid, runner_name text, attempt int4, after int8, token uuid
-- row: oauth_revoked int8
-- ends
-- batched
SELECT oauth_revoked($1, $2, $3, $4, $5);

-- Jobs for tokens that are due, and in how many milliseconds the next one is, as of before.
-- name: runner_oauth_sweep
-- row: n int8, wait_ms int8
SELECT oauth_sweep() AS n, (SELECT ceil(extract(epoch FROM min(t.refresh_at) - now()) * 1000)::int8 FROM oauth_token t) AS wait_ms;

-- name: runner_oauth_sweep_old
-- row: oauth_sweep_old void
SELECT oauth_sweep_old();

-- As runner_vault_old, of providers' tokens.
-- name: runner_oauth_old
-- args: key_id uuid, after uuid, rows int8
-- row: id uuid, provider text, subject text, sealed text, was text
SELECT t.id, t.provider, t.subject, encode(t.sealed, 'hex') AS sealed, encode(sha256(t.sealed), 'hex') AS was
FROM oauth_token t WHERE t.key_id <> $1 AND ($2::uuid IS NULL OR t.id > $2) ORDER BY t.id LIMIT $3;
