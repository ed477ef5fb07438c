-- name: runner_money_sweep
-- args: provider text, model text, most int4
-- row: more bool
SELECT money_sweep($1, $2, $3) AS more;

-- name: runner_gateway_providers
-- args: names text[], kinds text[], models text[]
-- row: gateway_providers_note void
SELECT gateway_providers_note($1, $2, $3);

-- name: runner_choosing_note
-- args: tokens int8
-- row: choosing_note void
SELECT choosing_note($1);
