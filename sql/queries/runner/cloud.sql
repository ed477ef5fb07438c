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
SELECT oauth_refresh_request($1, $2, $3) AS state;

-- What a run does next that keeps a folder in step.
-- name: runner_folder_step
-- args: run_id uuid, runner_name text, attempt int4
-- row: platform text, folder text, root text, token text, item text, cursor text
SELECT platform, folder, root, token, item, cursor FROM folder_step($1, $2, $3);

-- name: runner_folder_looked
-- args: run_id uuid, runner_name text, attempt int4, root text, name text, web_url text, mark text
-- row: kept bool
SELECT folder_looked($1, $2, $3, $4, $5, $6, $7) AS kept;

-- name: runner_folder_anew
-- args: run_id uuid, runner_name text, attempt int4, item text
-- row: kept bool
SELECT folder_anew($1, $2, $3, $4) AS kept;

-- name: runner_folder_page
-- args: run_id uuid, runner_name text, attempt int4, listed text, was text, next text, is_last bool, page text, files_max int8, bytes_max int8, documents_max int8
-- row: kept bool
SELECT folder_page($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10, $11) AS kept;

-- name: runner_folder_end
-- args: run_id uuid, runner_name text, attempt int4, after int8, error text, lost bool, wait_ms int8, every_s int4, files_max int8, bytes_max int8, documents_max int8
-- row: folder_end int8
-- ends
SELECT folder_end($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);
