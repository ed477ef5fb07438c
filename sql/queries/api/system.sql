-- name: system_state
-- row: migration int4, queued int8, running int8, dead int8, oldest_wait text, runs_open int8
SELECT migration, queued, running, dead, oldest_wait::text, runs_open FROM system_state();

-- name: system_processes
-- args: host text
-- row: role text, pid int4, version text, stats json
SELECT role, pid, version, stats FROM process
WHERE host = $1 AND seen_at > now() - interval '20 seconds' ORDER BY role, pid;
