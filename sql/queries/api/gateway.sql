-- name: user_money
-- args: user_name text
-- row: body json
-- reads
SELECT b AS body FROM user_money_json($1) b WHERE b IS NOT NULL;

-- name: budget_show
-- args: user_name text, project text, reserved bool
-- row: body json
-- reads
SELECT CASE WHEN $3 THEN (budget_json(p)::jsonb || jsonb_build_object('reserved', p.reserved_usd))::json ELSE budget_json(p) END AS body
FROM project_named($1, $2, false) p;

-- name: budget_set
-- args: user_name text, project text, daily text, monthly text, per_request text
-- row: body json
SELECT b AS body FROM budget_set($1, $2, $3::text::numeric, $4::text::numeric, $5::text::numeric) b WHERE b IS NOT NULL;

-- name: policies_show
-- args: user_name text, project text
-- row: body json
-- reads
SELECT policies_json(p) AS body FROM project_named($1, $2, false) p;

-- name: policies_set
-- args: user_name text, project text, providers text[], models jsonb, per_minute int8, per_hour int8, forbidden text[], above text, any_provider bool
-- row: body json
SELECT b AS body FROM policies_set($1, $2, CASE WHEN NOT $9 THEN $3::text[] END, $4, nullif($5::int8, 0), nullif($6::int8, 0), $7, $8::text::numeric) b WHERE b IS NOT NULL;

-- name: spending_add
-- args: user_name text, project text, amount text, request_id text, client_at timestamptz
-- row: body json
-- keep
SELECT b AS body FROM spending_add($1, $2, $3::text::numeric, $4, $5) b WHERE b IS NOT NULL;

-- name: provider_list
-- row: body json
-- reads
SELECT coalesce(json_agg(json_build_object('provider', p.provider, 'models', p.models) ORDER BY p.provider), '[]') AS body
FROM (SELECT provider, array_agg(DISTINCT model ORDER BY model) AS models FROM provider_price GROUP BY provider) p;

-- name: price_show
-- args: provider text, model text
-- row: body json
-- reads
SELECT json_build_object('provider', p.provider, 'model', $2, 'input_cost_per_1k', trim_scale(p.input_usd * 0.001),
	'output_cost_per_1k', trim_scale(p.output_usd * 0.001), 'updated_at', rfc3339(p.valid_from)) AS body
FROM price_in_force($1, $2) p;

-- name: price_list
-- args: provider text, model text, rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT price_json(p, p.model) AS body, p.uid AS cursor FROM provider_price p
WHERE p.provider = $1 AND p.model IN ($2, model_base($2), '*')
	AND ($4::uuid IS NULL OR (p.valid_from, p.id) < (SELECT b.valid_from, b.id FROM provider_price b WHERE b.uid = $4))
ORDER BY p.valid_from DESC, p.id DESC LIMIT $3;

-- name: price_set
-- args: provider text, model text, input text, output text, cached text, written text, reasoning text, unit text, source text
-- row: body json
SELECT price_set($1, $2, $3::text::numeric, $4::text::numeric, $5::text::numeric, $6::text::numeric, $7::text::numeric, $8::text::numeric, $9) AS body;

-- name: approval_list
-- args: status text, rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT body, cursor FROM approval_list($1, $2, $3);

-- name: approval_decide
-- args: approval uuid, status text
-- row: body json
SELECT approval_decide($1, $2) AS body;

-- name: model_list
-- row: body json
-- reads
SELECT json_build_object('object', 'list', 'data', coalesce(json_agg(m.body ORDER BY m.id), '[]'), 'has_more', false,
	'first_id', min(m.id), 'last_id', max(m.id)) AS body FROM model_list() m;

-- name: model_show
-- args: model text
-- row: body json
-- reads
SELECT m.body FROM model_list() m WHERE m.id = $1;

-- A call of a model in one of the wire formats that clients speak. No row: nobody has the model.
-- name: face_start
-- args: user_name text, project text, request_id text, model text, operation text, input jsonb, input_tokens int8, output_tokens int8, credits bool, queue_max int4
-- row: run uuid, verdict text, message text, wait_s int8
-- keep
-- many face_starts
SELECT s.run, s.verdict, s.message, s.wait_s FROM gateway_start($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) s;

-- The same for many, in one transaction with finding out who calls (fcgi/together.c). No run: it is
-- to be asked alone.
-- name: face_starts
-- args: sessions text[], keys text[], scopes text[], users text[], projects text[], request_ids text[], models text[], operations text[], inputs text[], input_tokens text[], output_tokens text[], credits text[], queue_max text[]
-- row: user_id uuid, key_id uuid, ends int8, run uuid, verdict text, message text, wait_s int8
SELECT s.user_id, s.key_id, s.ends, s.run, NULL::text AS verdict, NULL::text AS message, NULL::int8 AS wait_s
FROM gateway_starts($1, $2, $3, $5, $6, $7, $8, $9, $10::text[]::bigint[], $11::text[]::bigint[], ($12::text[])[1]::boolean) s
WHERE cardinality($4::text[]) > 0 AND cardinality($13::text[]) > 0;

-- About how many tokens a request has.
-- name: face_count
-- args: model text, tokens int8
-- row: body json
-- reads
SELECT json_build_object('input_tokens', $2::int8) AS body FROM model_find($1) m;

-- A call that is passed on to a provider. No row: there is no such provider.
-- name: provider_call
-- args: user_name text, project text, request_id text, provider text, model text, operation text, input jsonb, streams bool, input_tokens int8, output_tokens int8, images int8, seconds int8, problem text, credits bool, queue_max int4
-- row: run uuid, verdict text, message text, wait_s int8
-- keep
SELECT c.run, c.verdict, c.message, c.wait_s FROM provider_call($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) c;
