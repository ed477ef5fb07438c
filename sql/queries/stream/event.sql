-- What the log holds after `afters[i]` of `topics[i]`, in order: of each topic at most row_limit
-- events and about byte_limit bytes, but always one where there is one. Each topic has at least one
-- row: `head` is its last seq, seq is NULL where nothing follows; `at` is in Unix milliseconds. One
-- snapshot, so that head and events agree.
-- name: stream_events_after
-- args: topics text[], afters text[], row_limit int8, byte_limit int8
-- row: n int8, head int8, seq int8, type text, data text, at int8
SELECT w.n, coalesce(t.seq, 0) AS head, e.seq, e.type, e.data, e.at
FROM settle() CROSS JOIN unnest($1::text[], ($2::text[])::bigint[]) WITH ORDINALITY AS w (topic, after, n)
LEFT JOIN LATERAL (SELECT o.seq FROM topic o WHERE o.name = w.topic OFFSET 0) t ON true
LEFT JOIN LATERAL (
	SELECT b.seq, b.type, b.data, floor(extract(epoch FROM b.created_at) * 1000)::int8 AS at FROM (
		SELECT a.seq, a.type, a.data, a.created_at,
			sum(octet_length(a.data)) OVER (ORDER BY a.seq) - octet_length(a.data) AS before
		FROM (
			SELECT s.seq, s.type, s.data::text AS data, s.created_at FROM stream_event s
			WHERE s.topic = w.topic AND s.seq > w.after ORDER BY s.seq LIMIT $3
		) a
	) b WHERE b.before < $4
) e ON true
ORDER BY w.n, e.seq;

-- Sent after LISTEN on the same connection: with this reply, the LISTEN has taken effect.
-- name: stream_listening
-- row: channel text
SELECT pg_listening_channels() AS channel;

-- In how many seconds the processes are due that these topics tell of.
-- name: stream_countdowns
-- args: topics text[]
-- row: topic text, process_id uuid, seconds int8
SELECT topic, process_id, seconds FROM countdowns($1);
