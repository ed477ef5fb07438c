-- The same work for every address, whether there is an account or not.
-- name: reset_request
-- args: email text
-- row: body json
SELECT json_build_object('message', 'Password reset email sent') AS body FROM reset_request($1) AS asked;

-- name: reset_is_valid
-- args: token_hash bytea
-- row: valid bool
-- reads
SELECT reset_is_valid($1) AS valid;

-- name: reset_confirm
-- args: token_hash bytea, password_hash text
-- row: body json
SELECT json_build_object('message', 'Password reset successful') AS body FROM reset_confirm($1, $2) AS done;

-- name: password_rehash
-- args: user_id uuid, old text, new text
-- row: hash text
SELECT hash FROM password_rehash($1, $2, $3) AS hash;
