-- name: runner_jwks_claim
-- args: issuer text, every int4, again int4
-- row: mine bool
SELECT jwks_claim($1, $2, $3) AS mine;

-- name: runner_jwks_store
-- args: issuer text, keys text
-- row: differs bool
SELECT jwks_store($1, $2::text::jsonb) AS differs;

-- name: runner_denied_sweep
-- args:
-- row:
DELETE FROM token_denied WHERE expires_at < now();
