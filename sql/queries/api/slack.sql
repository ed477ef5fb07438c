-- name: slack_credentials
-- args: integration uuid, sealed bytea, key_id uuid, signing bytea, base text, queue_max int4
-- row: run_id uuid
SELECT slack_credentials($1, $2, $3, $4, $5, $6) AS run_id;

-- Bytes go as hexadecimal digits.
-- name: slack_signing
-- args: integration uuid
-- row: signing text, before text
-- reads
SELECT encode(s.signing, 'hex') AS signing, encode(s.before, 'hex') AS before FROM slack_signing($1) s;

-- name: slack_event
-- args: integration uuid, event jsonb, was bytea, signing bytea, user_minute int4, user_day int4, session_minute int4, session_day int4, chatbot_minute int4, queue_max int4, credits bool
-- row: taken bool
SELECT taken FROM slack_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);
