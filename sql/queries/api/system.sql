-- For /readyz: what is missing, in words; absent where nothing is.
-- name: system_ready
-- args: version text
-- row: body json, missing text
-- reads
SELECT json_build_object('status', 'ready', 'migration', s.migration, 'queued', s.queued, 'oldestWaitSeconds', s.oldest_wait::int8,
		'behind', r.behind) AS body, r.missing
FROM system_state() s, (
	SELECT string_agg(role || CASE WHEN seen IS NULL THEN ' (never seen)' ELSE format(' (not seen for %s s)', seen) END, ', ')
			FILTER (WHERE state = 'missing') AS missing,
		coalesce(json_agg(role) FILTER (WHERE state = 'behind'), '[]') AS behind
	FROM system_roles($1)
) r;

-- name: system_roles
-- args: version text
-- row: role text, up text
-- reads
SELECT role, CASE state WHEN 'missing' THEN '0' ELSE '1' END AS up FROM system_roles($1);

-- name: system_state
-- row: migration int4, queued int8, running int8, dead int8, oldest_wait text, runs_open int8, containers int8
-- reads
SELECT migration, queued, running, dead, oldest_wait::text, runs_open, containers_running() AS containers FROM system_state();

-- name: system_processes
-- args: host text
-- row: role text, pid int4, version text, stats json
-- reads
SELECT role, pid, version, stats FROM process
WHERE host = $1 AND seen_at > now() - interval '15 seconds' ORDER BY role, pid;
