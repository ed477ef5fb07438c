-- Figures of all users. `key_hash` is NULL where the caller came by something else than an API key.
-- name: analytics_overview
-- args: key_hash bytea, days int4, currency text
-- row: body json
-- reads
SELECT analytics_overview($1, $2, $3) AS body;

-- name: analytics_series
-- args: key_hash bytea, what text, start_date text, end_date text, aggregation text, zone text, currency text
-- row: body json
-- reads
SELECT analytics_series($1, $2, coalesce(instant_in($3, $6), now() - interval '30 days'), coalesce(instant_in($4, $6), now()), $5, $6, $7) AS body;

-- name: analytics_models
-- args: key_hash bytea, start_date text, end_date text, zone text
-- row: body json
-- reads
SELECT analytics_models($1, coalesce(instant_in($2, $4), now() - interval '30 days'), coalesce(instant_in($3, $4), now())) AS body;

-- name: analytics_revenue
-- args: key_hash bytea, start_date text, end_date text, zone text
-- row: body json
-- reads
SELECT analytics_revenue($1, coalesce(instant_in($2, $4), now() - interval '1 year'), coalesce(instant_in($3, $4), now()), $4) AS body;
