-- Cancels a run whose client has gone away.
-- name: stream_run_cancel
-- args: id uuid
-- row: run_cancel_left void
SELECT run_cancel_left($1);
