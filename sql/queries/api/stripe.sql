-- name: stripe_checkout_start
-- args: price text, fallback text, mode text, success_url text, cancel_url text, problem text, email text, metadata jsonb, queue_max int4
-- row: run_id uuid
-- keep
SELECT stripe_checkout_start($1, $2, $3, stripe_page($4, $6), $5, $7, $8, NULL, $9) AS run_id;

-- name: stripe_purchase_start
-- args: success_url text, cancel_url text, amount text, queue_max int4
-- row: run_id uuid
-- keep
SELECT stripe_checkout_start(NULL, NULL, NULL, stripe_page($1, NULL), stripe_page($2, NULL), NULL, NULL, $3::text::numeric, $4) AS run_id;

-- name: stripe_portal_start
-- args: return_url text, queue_max int4
-- row: run_id uuid
SELECT run_enqueue('stripe', jsonb_build_object('task', 'portal', 'reply', 'stripe', 'success_url', stripe_page($1, NULL)), $2, priority => 10) AS run_id;

-- name: stripe_event_add
-- args: event text, type text, api_version text, object jsonb
-- row: body json
SELECT stripe_event_add($1, $2, $3, $4) AS body;
