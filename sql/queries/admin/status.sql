-- name: admin_system_state
-- row: server text, migration int4, queued int8, running int8, dead int8, oldest_wait int8, runs_open int8
SELECT current_setting('server_version') AS server, s.migration, s.queued, s.running, s.dead, s.oldest_wait::int8 AS oldest_wait,
	s.runs_open
FROM system_state() s;

-- What has given a sign of life within a day. `stats` is the process's own JSON object of counters.
-- name: admin_process_list
-- row: role text, host text, pid int4, version text, age int8, seen int8, stats json
SELECT p.role, p.host, p.pid, p.version, extract(epoch FROM now() - p.started_at)::int8 AS age,
	extract(epoch FROM now() - p.seen_at)::int8 AS seen, p.stats::json AS stats
FROM process p
WHERE p.seen_at > now() - interval '1 day'
ORDER BY p.role, p.host, p.pid LIMIT 500;
