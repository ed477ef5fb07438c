-- name: runner_task_turn
-- args: run_id uuid, runner_name text, attempt int4
-- row: turn bool
SELECT task_turn($1, $2, $3) AS turn;

-- No row where the lease is lost, or the process was deleted.
-- name: runner_task_claim
-- args: run_id uuid, runner_name text, attempt int4
-- row: process_id uuid, step text, at int4, rows int4, compared int4
SELECT process_id, step, at, rows, compared FROM task_claim($1, $2, $3);

-- name: runner_task_clear
-- args: run_id uuid, runner_name text, attempt int4, most int4
-- row: more bool
SELECT task_clear($1, $2, $3, $4) AS more;

-- name: runner_task_sources
-- args: process uuid
-- row: id uuid, platform text, resource_identifier text, resource_name text, config text, secret text, headers text
SELECT d.id, d.platform, d.resource_identifier, d.resource_name, d.config::text, d.secret, d.headers::text FROM datasource d WHERE d.process_id = $1 ORDER BY d.id;

-- A document of an owner's that was uploaded, or fetched.
-- name: runner_task_document
-- args: owner uuid, document uuid
-- row: file_name text, name text, blob_id uuid, size int8
SELECT d.file_name, d.name, d.blob_id, b.size FROM document d JOIN blob b ON b.id = d.blob_id
WHERE d.id = $2 AND d.owner_id = $1 AND d.deleted_at IS NULL;

-- name: runner_task_file
-- args: run_id uuid, runner_name text, attempt int4, file int4, source uuid, document uuid, name text, columns text[]
-- row: done bool
SELECT task_file_add($1, $2, $3, $4, $5, $6, $7, $8) AS done;

-- name: runner_task_load
-- args: run_id uuid, runner_name text, attempt int4, before int4, file int4, numbers text[], cells text[], e164 text[], phone_keys text[], email_keys text[], mailbox_keys text[], name_keys text[], read int4, progress int4
-- row: done bool
-- scratch
SELECT task_load($1, $2, $3, $4, $5, $6::text[]::int[], $7, $8, $9, $10, $11, $12, $13, $14) AS done;

-- name: runner_task_source_answered
-- args: run_id uuid, runner_name text, attempt int4, source uuid, error text
-- row: done bool
SELECT datasource_answered($1, $2, $3, $4, $5) AS done;

-- name: runner_task_step
-- args: run_id uuid, runner_name text, attempt int4, step text, error text
-- row: done bool
SELECT task_step($1, $2, $3, $4, $5) AS done;

-- name: runner_leads_without_keys
-- args: owner uuid, region text, after uuid, most int4
-- row: id uuid, changed_at text, name text, email text, phone text
-- scratch
SELECT id, changed_at, name, email, phone FROM leads_without_keys($1, $2, $3, $4);

-- name: runner_lead_keys_store
-- args: owner uuid, region text, leads uuid[], changed text[], e164 text[], phone_keys text[], email_keys text[], mailbox_keys text[], name_keys text[]
-- row: stored int8
-- scratch
SELECT lead_keys_store($1, $2, $3, $4, $5, $6, $7, $8, $9) AS stored;

-- name: runner_lead_keys_stored
-- args: run_id uuid, runner_name text, attempt int4
-- row: done bool
SELECT lead_keys_stored($1, $2, $3) AS done;

-- name: runner_task_match
-- args: run_id uuid, runner_name text, attempt int4, after int4, upto int4
-- row: done bool
SELECT task_match($1, $2, $3, $4, $5) AS done;

-- name: runner_task_compare
-- args: run_id uuid, runner_name text, attempt int4, after int4, upto int4, names int4
-- row: at int4, compared int4
SELECT at, compared FROM task_compare($1, $2, $3, $4, $5, $6);

-- name: runner_task_sweep
-- args: most int4
-- row: more bool
SELECT task_sweep($1) AS more;

-- In how many milliseconds the next is due; NULL: nothing has a schedule.
-- name: runner_schedule_fire
-- args: most int4, queue_max int4
-- row: wait_ms int8
SELECT schedule_fire(now(), $1, $2) AS wait_ms;
