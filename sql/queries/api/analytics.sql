-- Figures of all users. `key_hash` is NULL where the caller came by something else than an API key.
-- name: analytics_overview
-- args: key_hash bytea, days int4
-- row: body json
-- reads
SELECT analytics_overview($1, $2) AS body;

-- name: analytics_series
-- args: key_hash bytea, what text, start_date text, end_date text, aggregation text
-- row: body json
-- reads
SELECT analytics_series($1, $2, coalesce($3::text::timestamptz, now() - interval '30 days'), coalesce($4::text::timestamptz, now()), $5) AS body;

-- name: analytics_models
-- args: key_hash bytea, start_date text, end_date text
-- row: body json
-- reads
SELECT analytics_models($1, coalesce($2::text::timestamptz, now() - interval '30 days'), coalesce($3::text::timestamptz, now())) AS body;

-- name: analytics_revenue
-- args: key_hash bytea, start_date text, end_date text
-- row: body json
-- reads
SELECT analytics_revenue($1, coalesce($2::text::timestamptz, now() - interval '1 year'), coalesce($3::text::timestamptz, now())) AS body;
