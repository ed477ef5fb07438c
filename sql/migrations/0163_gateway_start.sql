-- Who has the model is looked for within, where the plan is kept.
DROP FUNCTION IF EXISTS gateway_start(text, text, text, text, text, text, jsonb, bigint, bigint, boolean, int);
