-- Streams and lag are what the streamd processes said of themselves; null where none of them speaks of it.
-- name: admin_system_state
-- row: server text, migration int4, queued int8, running int8, dead int8, oldest_wait int8, runs_open int8, streams int8, lag_ms int8
SELECT split_part(current_setting('server_version'), ' ', 1) AS server, s.migration, s.queued, s.running, s.dead,
	s.oldest_wait::int8 AS oldest_wait, s.runs_open, p.streams, p.lag_ms
FROM system_state() s, (
	SELECT sum((stats ->> 'millrace_streams')::numeric)::int8 AS streams,
		max((stats ->> 'millrace_event_lag_seconds')::numeric * 1000)::int8 AS lag_ms
	FROM process WHERE role = 'streamd' AND seen_at > now() - interval '15 seconds'
) p;

-- What has given a sign of life within a day, with the counters that are not zero in one line.
-- name: admin_process_list
-- row: role text, host text, pid int4, version text, age int8, seen int8, doing text, body json
SELECT p.role, p.host, p.pid, p.version, extract(epoch FROM now() - p.started_at)::int8 AS age,
	extract(epoch FROM now() - p.seen_at)::int8 AS seen, c.doing,
	json_build_object('role', p.role, 'host', p.host, 'pid', p.pid, 'version', p.version,
		'startedAt', rfc3339(p.started_at), 'seenAt', rfc3339(p.seen_at), 'stats', p.stats) AS body
FROM process p CROSS JOIN LATERAL (
	SELECT string_agg(format('%s %s', regexp_replace(e.key, '^millrace_', ''), e.value), ', ' ORDER BY e.key) AS doing
	FROM jsonb_each(p.stats) e WHERE jsonb_typeof(e.value) = 'number' AND e.value <> '0'
) c
WHERE p.seen_at > now() - interval '1 day'
ORDER BY p.role, p.host, p.pid LIMIT 500;
