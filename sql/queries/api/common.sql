-- First statement of every signed-in request: makes the session's user the transaction's caller, or
-- raises 401.
-- name: caller_session
-- args: session uuid
-- row: user_id text
-- reads
SELECT coalesce((SELECT set_config('millrace.caller', s.user_id::text, true) FROM session_live s WHERE s.id = $1), session_refuse($1)) AS user_id;

-- The same where the route wants an administrator; else 403. (A function that a statement names
-- costs each execution, called or not.)
-- name: caller_admin
-- args: session uuid
-- row: user_id text
-- reads
SELECT coalesce((SELECT set_config('millrace.caller', s.user_id::text, true) FROM session_live s
	WHERE s.id = $1 AND user_is_admin(s.user_id)), session_refuse($1)) AS user_id;

-- The same by an API key's SHA-256; `ends` is in Unix seconds, NULL: never. (OFFSET 0: the key is
-- the caller's to see once the function has said who that is. Marked as reading, though it stores
-- that the key was used: a crash may undo that.)
-- name: caller_key
-- args: key_hash bytea, needs_admin bool, scope text
-- row: user_id uuid, key_id uuid, ends int8
-- reads
SELECT c.user_id, k.id AS key_id, extract(epoch FROM k.expires_at)::bigint AS ends
FROM caller_key($1, $2, $3) AS c (user_id)
LEFT JOIN LATERAL (SELECT a.id, a.expires_at FROM api_key a WHERE a.hash = $1 AND a.user_id = c.user_id OFFSET 0) k ON true;

-- Claims an Idempotency-Key; raises MRIDM where there is a reply to repeat.
-- name: idempotency_claim
-- args: key text, body_mac bytea, old_mac bytea
-- row: idempotency_claim void
SELECT idempotency_claim($1, $2, $3);

-- The row that the first request of this key was answered from.
-- name: idempotency_reply
-- args: key text
-- row: reply json
-- reads
SELECT to_json(reply) AS reply FROM idempotency CROSS JOIN settle()
WHERE owner_id = coalesce(caller_id(), '00000000-0000-0000-0000-000000000000') AND key = $1;

-- name: process_store
-- args: host text, role text, pid int8, version text, started_at text, stats text
-- row: process_heartbeat void
SELECT process_heartbeat($1, $2, $3::int8::int, $4, $5::text::timestamptz, $6::text::json);

-- name: role_expect
-- args: roles text[]
-- row: role_expect void
SELECT role_expect($1);

-- name: process_pids
-- args: host text, role text
-- row: pid int4
-- reads
SELECT pid FROM process WHERE host = $1 AND role = $2;

-- name: process_forget
-- args: host text, role text, pid int8
-- row: process_forget void
SELECT process_forget($1, $2, $3::int8::int);

-- As migration_current.
-- name: system_current
-- args: version int4, functions text
-- row: current bool
-- reads
SELECT coalesce(max(version), 0) >= $1 AND EXISTS (SELECT FROM function_set f WHERE f.sha256 = $2) AS current FROM migration;

-- A worker's connection from its beginning: commits wait for the disk only where a flush, or one
-- writer alone, takes the server's own setting (millrace.durable); notifications are collected
-- (notify_durable).
-- name: batch_begin
-- row: durable text
SELECT set_config('millrace.durable', current_setting('synchronous_commit'), false) || set_config('synchronous_commit', 'off', false)
	|| set_config('millrace.collect', 'millrace.pending', false) || set_config('millrace.pending', '', false)
	|| set_config('millrace.flushed', '', false) AS durable;

-- What a writer runs under: for its transaction, or from here on. One that shares a flush: as
-- batch_begin says.
-- name: batch_shared
-- args: is_local bool
-- row: set text
SELECT set_config('synchronous_commit', 'off', $1) || set_config('millrace.collect', 'millrace.pending', $1)
	|| set_config('millrace.wake', '', $1) AS set;

-- One alone: its commit waits for the disk, and after that its notifications may go.
-- name: batch_alone
-- args: is_local bool
-- row: set text
SELECT set_config('synchronous_commit', current_setting('millrace.durable'), $1)
	|| set_config('millrace.collect', 'millrace.flushed', $1) || set_config('millrace.wake', '', $1) AS set;

-- One alone on a connection whose notifications go with its commit.
-- name: batch_direct
-- args: is_local bool
-- row: set text
SELECT set_config('synchronous_commit', current_setting('millrace.durable'), $1)
	|| set_config('millrace.collect', '', $1) || set_config('millrace.wake', '', $1) AS set;

-- One that has nobody beside it and makes a job: runners are woken at its commit, which does not
-- wait for the disk.
-- name: batch_waker
-- args: is_local bool
-- row: set text
SELECT set_config('synchronous_commit', 'off', $1) || set_config('millrace.collect', 'millrace.pending', $1)
	|| set_config('millrace.wake', 'now', $1) AS set;

-- Everything that was committed before is on disk with this, and may be notified.
-- name: batch_flush
-- row: settled bool, flushed int4, pending int4
SELECT settle() AS settled,
	octet_length(set_config('millrace.flushed', current_setting('millrace.flushed') || current_setting('millrace.pending'), false)) AS flushed,
	octet_length(set_config('millrace.pending', '', false)) AS pending;

-- Sends what was collected and is on disk.
-- name: batch_notify
-- row: sent int8, waits text
SELECT notify_collected('millrace.flushed') AS sent, set_config('synchronous_commit', 'off', true) AS waits;

-- What somebody has committed may never be notified: whoever waits for it looks again, and what was
-- collected goes, since that says no more.
-- name: batch_doubt
-- row: flushed text, streams void, jobs void, periodic void
SELECT set_config('millrace.flushed', '', false) || set_config('millrace.collect', 'millrace.flushed', true) AS flushed,
	notify_durable('millrace_doubt', '') AS streams, notify_durable('millrace_job', 'doubt') AS jobs,
	notify_durable('millrace_periodic', 'analytics', 'workflows') AS periodic;
