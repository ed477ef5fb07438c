-- name: admin_stripe_reconcile
-- row: run_id uuid
SELECT stripe_reconcile_start() AS run_id;

-- How it came out: `ended` with the differences, NULL for one row where there are none, or with the
-- error.
-- name: admin_stripe_outcome
-- args: run_id uuid
-- row: ended bool, error text, difference text
SELECT r.ended_at IS NOT NULL AS ended, CASE e.type WHEN 'error' THEN e.data ->> 'message' END AS error, d.value AS difference
FROM run r LEFT JOIN stream_event e ON e.topic = 'run:' || r.id AND e.seq = r.last_seq
LEFT JOIN LATERAL json_array_elements_text(e.data -> 'differences') d ON true
WHERE r.id = $1;
