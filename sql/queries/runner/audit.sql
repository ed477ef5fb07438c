-- name: runner_audit_state
-- row: n int8, seq int8, hash text, kept bool, last_seq int8, last_hash text, waited_s int8, public_key text
SELECT n, seq, hash, kept, last_seq, last_hash, waited_s, public_key FROM audit_state();

-- The first row behind `after` that is not as it was written.
-- name: runner_audit_verify
-- args: after int8
-- row: seq int8, problem text
SELECT seq, problem FROM audit_verify_after($1);

-- False where another runner was faster.
-- name: runner_audit_sign
-- args: n int8, seq int8, hash bytea, at_us int8, public_key bytea, signature bytea
-- row: signed bool
SELECT audit_checkpoint_add($1, $2, $3, $4, $5, $6) AS signed;

-- name: runner_audit_verify_step
-- args: after int8, most int8
-- row: upto int8, ends bool, seq int8, problem text
SELECT upto, ends, seq, problem FROM audit_verify_step($1, $2);

-- name: runner_audit_checkpoints
-- args: after int8, rows int8
-- row: n int8, seq int8, hash text, at_us int8, public_key text, signature text, row_hash text
SELECT n, seq, hash, at_us, public_key, signature, row_hash FROM audit_checkpoints($1, $2);
