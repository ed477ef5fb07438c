-- What the log holds after `afters[i]` of `topics[i]`, in order; events_after says the rest.
-- name: stream_events_after
-- args: topics text[], afters text[], row_limit int8, byte_limit int8
-- row: n int8, head int8, seq int8, type text, data text, at int8
SELECT e.n, e.head, e.seq, e.type, e.data, e.at
FROM events_after($1::text[], ($2::text[])::bigint[], $3, $4) e;

-- Sent after LISTEN on the same connection: with this reply, the LISTEN has taken effect. The
-- server's clock, in Unix milliseconds.
-- name: stream_listening
-- row: at int8
SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::int8 AS at;

-- In how many seconds the processes are due that these topics tell of.
-- name: stream_countdowns
-- args: topics text[]
-- row: topic text, process_id uuid, seconds int8
SELECT topic, process_id, seconds FROM countdowns($1);
