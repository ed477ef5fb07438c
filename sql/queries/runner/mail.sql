-- Enqueues the mails that were requested.
-- name: runner_resets_accept
-- row: n int8
SELECT reset_enqueue() AS n;

-- name: runner_resets_sweep
-- row: reset_sweep void
SELECT reset_sweep();

-- name: runner_reset_prepare
-- args: run_id uuid, runner_name text, attempt int4, token_hash bytea
-- row: email text
-- batched
SELECT email FROM reset_prepare($1, $2, $3, $4);

-- name: runner_invitation_prepare
-- args: run_id uuid, runner_name text, attempt int4, id uuid, token_hash bytea
-- row: email text, days int8
-- batched
SELECT email, days FROM invitation_prepare($1, $2, $3, $4, $5);

-- name: runner_invitations_sweep
-- row: invitation_sweep void
SELECT invitation_sweep();
