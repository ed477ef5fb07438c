-- name: lead_create
-- args: name text, email text, phone text, company text, source text, status text, value text, notes text, metadata jsonb
-- row: body json
-- keep
INSERT INTO lead AS l (owner_id, name, email, phone, company, source, status, value, notes, metadata)
VALUES (caller_id(), $1, $2, $3, $4, $5, coalesce($6, 'new'), $7::text::numeric, $8, coalesce($9::jsonb, '{}'))
RETURNING lead_json(l) AS body;

-- name: lead_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(concat(l.notes, l.metadata))) OVER page, count(*) OVER page) THEN lead_json(l) END AS body,
	l.id AS cursor
FROM lead l WHERE l.owner_id = caller_id() AND l.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY l.id DESC ROWS UNBOUNDED PRECEDING)
ORDER BY l.id DESC LIMIT $1;

-- name: lead_search
-- args: rows int8, before uuid, status text, q text, most int8
-- row: body json, cursor uuid
-- reads
SELECT body, cursor FROM lead_search($1, $2, $3, $4, $5);

-- name: lead_show
-- args: id uuid
-- row: body json
-- reads
SELECT lead_json(l) AS body FROM lead l WHERE l.id = $1 AND l.owner_id = caller_id();

-- Changes what is given (NULL leaves a column as it is); what `body`, the whole request, gives as
-- null is cleared.
-- name: lead_change
-- args: id uuid, name text, email text, phone text, company text, source text, status text, value text, notes text, metadata jsonb, body jsonb
-- row: body json
UPDATE lead l SET name = coalesce($2, l.name), status = coalesce($7, l.status), metadata = coalesce($10, l.metadata),
	email = CASE WHEN $11::jsonb -> 'email' = 'null' THEN NULL ELSE coalesce($3, l.email) END,
	phone = CASE WHEN $11::jsonb -> 'phone' = 'null' THEN NULL ELSE coalesce($4, l.phone) END,
	company = CASE WHEN $11::jsonb -> 'company' = 'null' THEN NULL ELSE coalesce($5, l.company) END,
	source = CASE WHEN $11::jsonb -> 'source' = 'null' THEN NULL ELSE coalesce($6, l.source) END,
	value = CASE WHEN $11::jsonb -> 'value' = 'null' THEN NULL ELSE coalesce($8::text::numeric, l.value) END,
	notes = CASE WHEN $11::jsonb -> 'notes' = 'null' THEN NULL ELSE coalesce($9, l.notes) END,
	updated_at = now()
WHERE l.id = $1 AND l.owner_id = caller_id() RETURNING lead_json(l) AS body;

-- name: lead_delete
-- args: id uuid
-- row: id uuid
DELETE FROM lead WHERE id = $1 AND owner_id = caller_id() RETURNING id;

-- name: lead_analyze
-- args: id uuid, queue_max int4, credits bool
-- row: run_id uuid
-- keep
SELECT lead_analyze($1, $2, $3) AS run_id;
