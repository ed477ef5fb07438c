-- Streams and lag are the streamd processes' own figures; null where none has reported any.
-- name: admin_system_state
-- args: functions text
-- row: server text, migration int4, queued int8, running int8, dead int8, oldest_wait int8, runs_open int8, streams int8, lag_ms int8, functions bool
SELECT split_part(current_setting('server_version'), ' ', 1) AS server, s.migration, s.queued, s.running, s.dead,
	s.oldest_wait::int8 AS oldest_wait, s.runs_open, p.streams, p.lag_ms,
	EXISTS (SELECT FROM function_set f WHERE f.sha256 = $1) AS functions
FROM system_state() s, (
	SELECT sum((stats ->> 'millrace_streams')::numeric)::int8 AS streams,
		max((stats ->> 'millrace_event_lag_seconds')::numeric * 1000)::int8 AS lag_ms
	FROM process WHERE role = 'streamd' AND seen_at > now() - interval '15 seconds'
) p;

-- name: admin_role_list
-- args: version text
-- row: role text, missing bool
SELECT role, state = 'missing' AS missing FROM system_roles($1);

-- Documents whose passages are of a lower version of the index.
-- name: admin_index_state
-- args: version int4
-- row: outdated int8
SELECT count(*) AS outdated FROM document d WHERE d.index_version < $1 AND d.status = 'ready' AND d.deleted_at IS NULL;

-- Processes with a heartbeat within a day, and their most telling counters, where they are not
-- zero. disk_full: seconds since it met a full disk; certificate: days until that of
-- MILLRACE_PUBLIC_URL ends, and certificate_fault: what else is wrong with it (certificate.h); null
-- where there is none of it.
-- name: admin_process_list
-- row: role text, host text, pid int4, version text, age int8, seen int8, doing text, body json, disk_full int8, provider_unset bool, certificate int8, certificate_fault int8
SELECT p.role, p.host, p.pid, p.version, extract(epoch FROM now() - p.started_at)::int8 AS age,
	extract(epoch FROM now() - p.seen_at)::int8 AS seen, c.doing,
	json_build_object('role', p.role, 'host', p.host, 'pid', p.pid, 'version', p.version,
		'startedAt', rfc3339(p.started_at), 'seenAt', rfc3339(p.seen_at), 'stats', p.stats::jsonb - 'families') AS body,
	(extract(epoch FROM now()) - nullif((p.stats ->> 'millrace_disk_full_timestamp_seconds')::numeric, 0))::int8 AS disk_full,
	coalesce((p.stats ->> 'millrace_provider_unset')::numeric = 1, false) AS provider_unset,
	floor((nullif((p.stats ->> 'millrace_certificate_end_timestamp_seconds')::numeric, 0) - extract(epoch FROM now())) / 86400)::int8 AS certificate,
	(p.stats ->> 'millrace_certificate_fault')::numeric::int8 AS certificate_fault
FROM process p CROSS JOIN LATERAL (
	SELECT string_agg(s.total || ' ' || s.label, ', ' ORDER BY s.place) AS doing
	FROM (
		SELECT l.place, l.label, sum(e.value::text::numeric)::int8 AS total
		FROM (VALUES
			(1, 'millrace_connections', 'connections'),
			(2, 'millrace_requests_total', 'requests'),
			(3, 'millrace_requests_total{status="5xx"}', 'failed with 5xx'),
			(4, 'millrace_rate_limited_total', 'rate-limited'),
			(5, 'millrace_streams', 'streams'),
			(6, 'millrace_stream_events_out_total', 'events sent'),
			(7, 'millrace_stream_slow_readers_closed_total', 'slow readers closed'),
			(8, 'millrace_jobs_running', 'jobs running'),
			(9, 'millrace_jobs_done_total', 'done'),
			(10, 'millrace_jobs_failed_total', 'failed'),
			(11, 'millrace_jobs_dead_total', 'dead'),
			(12, 'millrace_provider_calls_total', 'model calls'),
			(13, 'millrace_provider_errors_total', 'of them failed')
		) AS l (place, counter, label)
		JOIN json_each(p.stats) e ON e.key = l.counter OR starts_with(e.key, l.counter || '{')
		WHERE json_typeof(e.value) = 'number'
		GROUP BY l.place, l.label
	) s
	WHERE s.total > 0
) c
WHERE p.seen_at > now() - interval '1 day'
ORDER BY p.role, p.host, p.pid LIMIT 500;
