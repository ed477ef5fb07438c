-- `sealed` in hexadecimal digits.
-- name: runner_slack_token
-- args: integration uuid, channel text
-- row: sealed text, status text, wait_ms int8, token int8
SELECT encode(t.sealed, 'hex') AS sealed, t.status, t.wait_ms, t.token FROM slack_token($1, $2) t;

-- name: runner_slack_hold
-- args: integration uuid, channel text, wait interval
-- row: done text
SELECT slack_hold($1, $2, $3)::text AS done;

-- name: runner_slack_problem
-- args: integration uuid, problem text, token int8
-- row: done text
SELECT slack_problem($1, $2, $3)::text AS done;

-- name: runner_slack_checked
-- args: run_id uuid, runner_name text, attempt int4, after int8, team_id text, team text, bot_user_id text, token int8
-- row: slack_checked int8
-- ends
SELECT slack_checked($1, $2, $3, $4, $5, $6, $7, $8);

-- name: runner_slack_refused
-- args: run_id uuid, runner_name text, attempt int4, after int8, status int4, code text, message text, token int8
-- row: slack_refused int8
-- ends
SELECT slack_refused($1, $2, $3, $4, $5, $6, $7, $8);

-- As runner_vault_old, of bot tokens.
-- name: runner_slack_old
-- args: key_id uuid, after uuid, rows int8
-- row: id uuid, owner_id uuid, key text, sealed text, was text
SELECT b.integration_id AS id, b.owner_id, 'slack/' || b.integration_id AS key, encode(b.sealed, 'hex') AS sealed,
	encode(sha256(b.sealed), 'hex') AS was
FROM slack_bot b WHERE b.key_id <> $1 AND ($2::uuid IS NULL OR b.integration_id > $2) ORDER BY b.integration_id LIMIT $3;
