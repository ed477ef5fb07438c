-- The newest token of an owner's sign-ins by a provider. `was` is by what it is known again.
-- name: runner_cloud_token
-- args: owner uuid, provider text
-- row: id uuid, subject text, sealed text, was text, expired bool
SELECT t.id, t.subject, encode(t.sealed, 'hex') AS sealed, encode(sha256(t.sealed), 'hex') AS was,
	coalesce(t.expires_at < now() + interval '10 seconds', false) AS expired
FROM oauth_token t WHERE t.user_id = $1 AND t.provider = $2 AND t.failed_at IS NULL ORDER BY t.created_at DESC, t.id LIMIT 1;

-- name: runner_cloud_refresh
-- args: token uuid, was text, first bool
-- row: state text
SELECT oauth_refresh_ask($1, $2, $3) AS state;
