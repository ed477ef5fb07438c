-- name: payment_start
-- args: user_name text, project text, request_id text, amount text, network text, recipient text, provider text, model text, body jsonb, credits bool, queue_max int4
-- row: run uuid, verdict text, message text, body json
-- keep
SELECT s.run, s.verdict, s.message, s.body FROM payment_start($1, $2, $3, $4::text::numeric, $5, $6, $7, $8, payment_metadata($9), $10, $11) s;

-- name: payment_status
-- args: which text
-- row: body json
-- reads
SELECT b AS body FROM payment_status_json($1) b WHERE b IS NOT NULL;
