-- The heartbeat of one streamd, with its metrics.
-- name: stream_heartbeat
-- args: host text, pid int4, version text, started_at timestamptz, stats json
SELECT FROM process_heartbeat($1, 'streamd', $2, $3, $4, $5);

-- It ends.
-- name: stream_forget
-- args: host text, pid int4
SELECT FROM process_forget($1, 'streamd', $2);
