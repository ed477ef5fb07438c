-- name: oauth_start
-- args: provider text, state_hash bytea, cookie_hash bytea, verifier text, nonce text, return_to text, session uuid, invitation bytea
-- row: oauth_start void
SELECT oauth_start($1, $2, $3, $4, $5, $6, $7, $8);

-- The exchange's run, or an error's code.
-- name: oauth_callback
-- args: provider text, state_hash bytea, cookie_hash bytea, code text, problem text, ticket_hash bytea, queue_max int4
-- row: run_id uuid, error text
SELECT run_id, error FROM oauth_callback($1, $2, $3, $4, $5, $6, $7);

-- An error's code, or an opened session.
-- name: oauth_redeem
-- args: provider text, ticket_hash bytea, cookie_hash bytea, lifetime_seconds int8, registration text
-- row: error text, return_to text, session_id uuid, issued_at int8, expires_at int8, user_id uuid
SELECT o.error, o.return_to, o.session_id, extract(epoch FROM now())::bigint AS issued_at,
	extract(epoch FROM o.expires_at)::bigint AS expires_at, o.user_id
FROM oauth_redeem($1, $2, $3, make_interval(secs => $4::int8), $5) o;

-- name: oauth_disconnect
-- args: provider text, name text
-- row: body json
SELECT oauth_disconnect($1, $2) AS body;
