-- name: audit_add
-- args: user_name text, request_id text, type text, data jsonb, client_at timestamptz
-- row: body json
-- keep
SELECT audit_entry_add($1, $2, $3, $4, $5) AS body;

-- A row without a body: the page ends before it.
-- name: audit_list
-- args: user_name text, request_id text, type text, from_time timestamptz, to_time timestamptz, rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT body, cursor FROM audit_entry_list($1, $2, $3, $4, $5, $6, $7);

-- name: audit_verify_start
-- args: queue_max int4
-- row: run_id uuid
SELECT run_enqueue('audit_verify', '{"reply": "audit_verify"}', $1, priority => 10) AS run_id;
