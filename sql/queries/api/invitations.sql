-- name: invitation_create
-- args: email text, days int4, token_hash bytea, mails bool
-- row: body json
SELECT invitation_json(i) AS body FROM invitation_create($1, $2, $3, $4) i;

-- name: invitation_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT invitation_json(i) AS body, i.id AS cursor FROM invitation_list($1, $2) i;

-- name: invitation_withdraw
-- args: id uuid
-- row: done bool
SELECT w.done FROM invitation_withdraw($1) AS w (done) WHERE w.done;
