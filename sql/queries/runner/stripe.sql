-- name: runner_stripe_buyer
-- args: owner uuid, package uuid
-- row: customer text, email text, cents int8, name text, period text
SELECT customer, email, cents, name, period FROM stripe_buyer($1, $2);

-- name: runner_stripe_customer_gone
-- args: owner uuid, customer text
-- row: gone void
SELECT stripe_customer_gone($1, $2) AS gone;

-- name: runner_stripe_event
-- args: event text
-- row: kind text, object text, payment_intent text, api_version text
SELECT kind, object, payment_intent, api_version FROM stripe_event_about($1);

-- name: runner_stripe_begin
-- args: object text
-- row: version int8
SELECT stripe_begin($1) AS version;

-- name: runner_stripe_subscription
-- args: object text, version int8, o text
-- row: difference text
SELECT stripe_subscription_store($1, $2, $3::text::jsonb) AS difference;

-- name: runner_stripe_payment
-- args: object text, version int8, o text, subscription text, payment_intents text[], charges text, disputes text
-- row: difference text
SELECT stripe_payment_store($1, $2, $3::text::jsonb, $4::text::jsonb, $5, $6::text::jsonb, $7::text::jsonb) AS difference;

-- name: runner_stripe_suspects
-- args: list text
-- row: kind text, object text, payment_intent text
SELECT kind, object, payment_intent FROM stripe_suspects($1::text::jsonb);

-- name: runner_stripe_unknown
-- args: seen text
-- row: subscription text
SELECT subscription FROM stripe_unknown($1::text::jsonb);

-- name: runner_stripe_event_done
-- args: run_id uuid, runner_name text, attempt int4, after int8, event text, data text
-- row: stripe_event_done int8
-- ends
SELECT stripe_event_done($1, $2, $3, $4, $5, $6::text::json);

-- name: runner_stripe_nightly
-- row: stripe_nightly void
SELECT stripe_nightly();
