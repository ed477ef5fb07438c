-- name: runner_money_sweep
-- args: provider text, model text, most int4
-- row: more bool
SELECT money_sweep($1, $2, $3) AS more;
