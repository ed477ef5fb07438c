-- The first statement by a token of Clerk's or Supabase's: its user, made at first sight.
-- name: caller_external
-- args: provider text, subject text, email text, email_verified bool, name text, token_hash bytea, needs_admin bool
-- row: user_id uuid
SELECT caller_external($1, $2, $3, $4, $5, $6, $7) AS user_id;

-- Signing out: the token is denied until it ends, leeway and all.
-- name: external_deny
-- args: token_hash bytea, expires_at int8
-- row: body json
WITH denied AS (
	INSERT INTO token_denied (hash, user_id, expires_at)
	VALUES ($1, caller_id(), to_timestamp(least($2::int8, 253402214400)) + interval '1 minute') ON CONFLICT DO NOTHING
)
SELECT json_build_object('message', 'Logout successful') AS body;

-- name: jwks_keys
-- args: issuers text[]
-- row: issuer text, kid text, jwk text
-- reads
SELECT issuer, kid, jwk::text AS jwk FROM jwks WHERE issuer = ANY ($1);

-- name: jwks_refresh
-- args: issuer text, pause int4
-- row: jwks_request void
SELECT jwks_request($1, $2);
