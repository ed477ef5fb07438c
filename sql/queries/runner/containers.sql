-- Whether this runner has an engine, and how many containers may run there; its labels name the
-- installation.
-- name: runner_container_engine
-- args: active bool, most int4
-- row: installation uuid
WITH told AS (UPDATE container_engine e SET active = $1, most = $2 WHERE (e.active, e.most) <> ($1, $2))
SELECT installation FROM container_engine;

-- name: runner_container_sweep
-- args: run uuid[], there uuid[], volumes uuid[], ago interval, idle interval
-- row: owner uuid, action text, more bool
SELECT owner, action, more FROM container_sweep($1, $2, $3, $4, $5);

-- name: runner_container_want
-- args: owner uuid, is_down bool
-- row: verdict text
SELECT container_want($1, $2) AS verdict;

-- name: runner_container_is
-- args: owner uuid, status text
-- row: container_is void
SELECT container_is($1, $2);

-- name: runner_container_ended
-- args: owner uuid
-- row: container_ended void
SELECT container_ended($1);

-- name: runner_command_begin
-- args: run_id uuid, runner_name text, attempt int4, call text, workspace_max int8
-- row: verdict text, over bool
SELECT verdict, over FROM command_begin($1, $2, $3, $4, $5);

-- name: runner_command_end
-- args: run_id uuid, attempt int4, call text, workspace_kib int8
-- row: command_end void
SELECT command_end($1, $2, $3, $4);

-- name: runner_command_clear
-- args: owner uuid, run uuid
-- row: command_clear void
SELECT command_clear($1, $2);
