-- May a user listen to a topic, what is its last seq, and is everything after `after` (-1: not of
-- interest) still kept?
-- name: stream_topic_allowed
-- args: who uuid, analytics bool, topic text, after int8
-- row: allowed bool, head int8, kept bool
SELECT topic_allowed($1, $2, $3) AS allowed, t.head, $4::int8 < 0 OR $4 >= t.head
	OR EXISTS (SELECT FROM stream_event e WHERE e.topic = $3 AND e.seq = $4 + 1) AS kept
FROM settle() CROSS JOIN (SELECT coalesce((SELECT seq FROM topic WHERE name = $3), 0) AS head) t;

-- The user whose token it is. Raises 401.
-- name: stream_caller
-- args: session uuid, key_hash bytea, provider text, subject text, email text, email_verified bool, name text, token_hash bytea
-- row: user_id uuid, key_id uuid, analytics bool, key_ends int8
SELECT user_id, key_id, analytics, key_ends FROM stream_caller($1, $2, $3, $4, $5, $6, $7, $8);

-- Are principals' accounts and credentials still valid, and may they see what is about everybody? A
-- row for each, in their order. An absent session or key is '', a token's hash base64url.
-- name: stream_principals
-- args: users uuid[], sessions text[], keys text[], token_hashes text[]
-- row: alive bool, analytics bool
SELECT p.alive, p.analytics FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS w (who, session, key, hash, n)
CROSS JOIN LATERAL stream_principal(w.who, nullif(w.session, '')::uuid, nullif(w.key, '')::uuid,
	decode(translate(nullif(w.hash, ''), '-_', '+/') || '=', 'base64')) p
ORDER BY w.n;

-- The present series of a trend.
-- name: stream_trend
-- args: who uuid, everybody bool, what text, start_date text, end_date text, aggregation text
-- row: series json
SELECT trend_series($1, $2, $3, $4::text::timestamptz, $5::text::timestamptz, $6) AS series;
