-- An invoice may be paid in parts, each by a payment of its own; what reserved for runs alone goes
-- into embed_reserve().
ALTER TABLE stripe_payment ADD COLUMN payment_intents text[] NOT NULL DEFAULT '{}';
UPDATE stripe_payment SET payment_intents = ARRAY[payment_intent] WHERE payment_intent IS NOT NULL;
DROP FUNCTION IF EXISTS stripe_payment_store(text, bigint, jsonb, jsonb, text, jsonb, jsonb);
DROP FUNCTION IF EXISTS stripe_payment_row(jsonb, jsonb, text, jsonb, jsonb);
ALTER TABLE stripe_payment DROP COLUMN payment_intent;
CREATE INDEX stripe_payment_intents ON stripe_payment USING gin (payment_intents);
DROP FUNCTION IF EXISTS run_reserve(uuid, text, text, text, text, numeric, boolean);
