-- name: runner_relay_progress
-- args: run_id uuid
-- row: content text, ended bool, sent text, shown int8, plain bool, sending int4
SELECT content, ended, sent, shown, plain, sending FROM relay_progress($1);

-- name: runner_relay_sending
-- args: run_id uuid, runner_name text, attempt int4, n int4
-- row: kept bool
-- batched
SELECT relay_sending($1, $2, $3, $4) AS kept;

-- name: runner_relay_sent
-- args: run_id uuid, runner_name text, attempt int4, n int4, id text
-- row: kept bool
-- batched
SELECT relay_sent($1, $2, $3, $4, $5) AS kept;

-- name: runner_relay_again
-- args: run_id uuid, runner_name text, attempt int4, after int8, wait interval, shown int8, plain bool
-- row: relay_again int8
-- ends
-- batched
SELECT relay_again($1, $2, $3, $4, $5, $6, $7);

-- name: runner_telegram_bot_store
-- args: username text, secret_hash bytea, problem text
-- row: done text
SELECT telegram_bot_store($1, $2, $3)::text AS done;

-- name: runner_telegram_bot_forget
-- row: stays bool
SELECT telegram_bot_forget() AS stays;

-- name: runner_telegram_poll
-- args: runner_name text
-- row: next_update int8
SELECT next_update FROM telegram_poll($1);

-- name: runner_telegram_update
-- args: update jsonb, credits bool, queue_max int4
-- row: taken bool
SELECT taken FROM telegram_update(NULL, $1, $2, $3);

-- name: runner_telegram_polled
-- args: next_update int8
-- row: done text
SELECT telegram_polled($1)::text AS done;

-- name: runner_telegram_unlink
-- args: chat int8
-- row: done text
SELECT telegram_unlink($1)::text AS done;

-- name: runner_telegram_end_file
-- args: run_id uuid, runner_name text, attempt int4, after int8, data bytea, bytes_max int8, documents_max int8, queue_max int4
-- row: telegram_file_end int8
-- ends
SELECT telegram_file_end($1, $2, $3, $4, $5, $6, $7, $8);
