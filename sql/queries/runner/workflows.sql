-- What a run is to do, and whether some of it is done, as workflow_begin() has it.
-- name: runner_workflow
-- args: run_id uuid
-- row: begun json
SELECT json_build_object('definition', w.definition, 'inputs', w.inputs, 'begun', EXISTS (SELECT FROM workflow_step s WHERE s.workflow_run_id = w.id)) AS begun
FROM workflow_run w WHERE w.id = $1;

-- name: runner_workflow_steps
-- args: run_id uuid
-- row: id text, status text, tries int4, output json, error text, due bool, approved bool, has_child bool, child_status text, child_result json, child_error text
SELECT s.id, s.status, s.tries, s.output, s.error, s.due_at <= now() AS due, s.approved, s.child IS NOT NULL AS has_child, c.status AS child_status,
	c.outcome -> 'result' AS child_result, c.error_message AS child_error
FROM workflow_step s LEFT JOIN run c ON c.id = s.child WHERE s.workflow_run_id = $1;

-- name: runner_workflow_store
-- args: run_id uuid, runner_name text, attempt int4, steps text, progress text
-- row: held bool
-- batched
SELECT workflow_store($1, $2, $3, $4::text::json, $5::text::numeric) AS held;

-- name: runner_workflow_agent
-- args: run_id uuid, runner_name text, attempt int4, steps text, progress text, type text, queue_max int4, credits bool
-- row: held bool, refused text, later bool
SELECT held, refused, later FROM workflow_agent($1, $2, $3, $4::text::json, $5::text::numeric, $6, $7, $8);

-- name: runner_workflow_park
-- args: run_id uuid, runner_name text, attempt int4, after int8, steps text, progress text
-- row: workflow_park int8
-- ends
-- batched
SELECT workflow_park($1, $2, $3, $4, $5::text::json, $6::text::numeric);

-- name: runner_workflow_end
-- args: run_id uuid, runner_name text, attempt int4, after int8, steps text, outputs text, error text
-- row: workflow_finish int8
-- ends
-- batched
SELECT workflow_finish($1, $2, $3, $4, $5::text::json, $6::text::json, $7);

-- name: runner_workflow_wake
-- args: most int4
-- row: wait_ms int8
SELECT workflow_wake($1) AS wait_ms;
