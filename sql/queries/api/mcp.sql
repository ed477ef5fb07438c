-- May the caller, by the API key where one came, have what writes? Are there containers?
-- name: mcp_caller
-- args: key_hash bytea
-- row: writes bool, runs bool
-- reads
SELECT $1::bytea IS NULL OR EXISTS (SELECT FROM api_key k WHERE k.hash = $1 AND 'write' = ANY (k.scopes)) AS writes,
	EXISTS (SELECT FROM container_engine e WHERE e.active) AS runs;

-- Has a runner do what a tool does. No row: it writes, and the API key may only read.
-- name: mcp_call
-- args: key_hash bytea, writes bool, input jsonb, queue_max int4
-- row: run_id uuid
-- wakes
SELECT run_enqueue('tool', $3, $4, priority => 10) AS run_id
WHERE NOT $2 OR $1::bytea IS NULL OR EXISTS (SELECT FROM api_key k WHERE k.hash = $1 AND 'write' = ANY (k.scopes));

-- Cancels what a client has asked for under this id in its session.
-- name: mcp_cancel
-- args: session text, id text
-- row: n int8
SELECT count(run_cancel(r.id)) AS n FROM run r
WHERE r.owner_id = caller_id() AND r.kind = 'tool' AND r.ended_at IS NULL AND r.input ->> 'session' = $1 AND r.input ->> 'id' = $2;
