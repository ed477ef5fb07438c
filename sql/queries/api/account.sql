-- name: account_is_admin
-- row: admin bool
-- reads
SELECT caller_is_admin() AS admin;

-- `made`: another account, by an administrator; else the caller's own, completed.
-- name: account_make
-- args: username text, password_hash text, email text, display_name text, timezone text, role text, fresh bool, mails bool
-- row: body json, made bool
-- keep
SELECT account_json(m.u) AS body, m.made FROM account_create($1, $2, $3, $4, $5, $6, $7, $8) m;

-- name: account_find
-- args: id uuid
-- row: body json
-- reads
SELECT account_json(u) AS body FROM account_find($1) u;

-- No row: no other address of the caller's own.
-- name: account_address_begin
-- args: id uuid, email text
-- row: login text
SELECT b.login FROM account_address_begin($1, $2) AS b (login);

-- name: account_change
-- args: id uuid, username text, email text, display_name text, timezone text, role text, hash text, fresh bool, mails bool
-- row: body json
SELECT account_json(u) AS body FROM account_change($1, $2, $3, $4, $5, $6, $7, $8, $9) u;

-- name: account_erase
-- args: id uuid
-- row: erased bool
SELECT e.erased FROM account_erase($1) AS e (erased) WHERE e.erased;

-- name: account_search
-- args: q text, rows int8, before uuid, most int8
-- row: body json, cursor uuid
-- reads
SELECT body, cursor FROM account_search($1, $2, $3, $4);

-- name: export_begin
-- row: piece text
SELECT export_begin() AS piece;

-- name: export_page
-- args: section int4, key uuid, part int8
-- row: piece text, section int4, key uuid, part int8
-- reads
SELECT piece, section, key, part FROM export_page($1, $2, $3);
