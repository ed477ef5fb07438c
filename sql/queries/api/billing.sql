-- name: usage_by_day
-- args: days int4
-- row: body json
-- reads
SELECT usage_by_day($1) AS body;

-- The cursor is an entry's id; the order is that of its seq.
-- name: credit_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT credit_json(e) AS body, e.id AS cursor FROM ledger_entry e
WHERE e.owner_id = caller_id() AND e.seq < (SELECT coalesce((SELECT b.seq FROM ledger_entry b WHERE b.id = $2), 9223372036854775807))
ORDER BY e.seq DESC LIMIT $1;

-- name: credits_grant
-- args: who uuid, amount text, reason text
-- row: body json
-- keep
SELECT credits_grant($1, $2::text::numeric, $3) AS body;

-- name: package_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT package_json(p) AS body, p.id AS cursor FROM pricing_package p
WHERE p.id < (SELECT page_before($2)) AND (p.active OR (SELECT caller_is_admin())) ORDER BY p.id DESC LIMIT $1;

-- name: package_create
-- args: name text, description text, price text, period text, credits text, features text[], stripe_price_id text, active bool
-- row: body json
-- keep
SELECT package_put(NULL, $1, $2, $3::text::numeric, $4, $5::text::numeric, $6, $7, $8) AS body;

-- name: package_change
-- args: id uuid, name text, description text, price text, period text, credits text, features text[], stripe_price_id text, active bool
-- row: body json
SELECT b AS body FROM package_put($1, $2, $3, $4::text::numeric, $5, $6::text::numeric, $7, $8, $9) b WHERE b IS NOT NULL;

-- name: package_delete
-- args: id uuid
-- row: id uuid
DELETE FROM pricing_package p WHERE p.id = $1 RETURNING p.id;

-- name: campaign_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT campaign_json(c) AS body, c.id AS cursor FROM pricing_campaign c
WHERE c.id < (SELECT page_before($2)) ORDER BY c.id DESC LIMIT $1;

-- name: campaign_create
-- args: package uuid, name text, price text, starts_at timestamptz, ends_at timestamptz
-- row: body json
-- keep
SELECT campaign_put(NULL, $1, $2, $3::text::numeric, $4, $5) AS body;

-- name: campaign_change
-- args: id uuid, package uuid, name text, price text, starts_at timestamptz, ends_at timestamptz
-- row: body json
SELECT b AS body FROM campaign_put($1, $2, $3, $4::text::numeric, $5, $6) b WHERE b IS NOT NULL;

-- name: campaign_delete
-- args: id uuid
-- row: id uuid
DELETE FROM pricing_campaign c WHERE c.id = $1 RETURNING c.id;

-- name: subscription_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT subscription_json(s) AS body, s.id AS cursor FROM user_subscription s
WHERE s.owner_id = caller_id() AND s.id < (SELECT page_before($2)) ORDER BY s.id DESC LIMIT $1;
