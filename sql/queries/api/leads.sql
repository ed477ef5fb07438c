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

-- Those of a status, and those that hold `q` (NFC) in a name, an address, a number or the company;
-- letter case aside. Looks at no more than `most` leads: where there are more, a row without body
-- comes last, and the cursor is that of the last one that was looked at.
-- name: lead_search
-- args: rows int8, before uuid, status text, q text, most int8
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN k.n <= $5::int8 AND page_has_room(sum(octet_length(concat((f.l).notes, (f.l).metadata))) OVER page, count(*) OVER page)
		THEN lead_json(f.l) END AS body,
	CASE WHEN k.n <= $5::int8 THEN k.id ELSE k.above END AS cursor
FROM (
	SELECT o.id, row_number() OVER newest AS n, lag(o.id) OVER newest AS above, ($3::text IS NULL OR o.status = $3)
		AND ($4::text IS NULL OR strpos(folded(concat_ws(' ', o.name, o.email, o.phone, o.company)), lower($4)) > 0) AS fits
	FROM lead o WHERE o.owner_id = caller_id() AND o.id < (SELECT page_before($2))
	WINDOW newest AS (ORDER BY o.id DESC)
	ORDER BY o.id DESC LIMIT $5::int8 + 1
) k CROSS JOIN LATERAL (SELECT l FROM lead l WHERE l.id = k.id OFFSET 0) f
WHERE k.fits OR k.n > $5::int8
WINDOW page AS (ORDER BY k.id DESC ROWS UNBOUNDED PRECEDING)
ORDER BY k.id DESC LIMIT $1;

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
