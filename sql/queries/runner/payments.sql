-- name: runner_payment_work
-- args: run_id uuid, runner_name text, attempt int4, payment uuid
-- row: state text, network text, recipient text, amount text, age_ms int8, is_wanted bool, account uuid, chain_id int8, address text, sealed text, nonce int8, fee text, tip text, gas int8, quiet_ms int8
SELECT state, network, recipient, amount, age_ms, is_wanted, account, chain_id, address, sealed, nonce, fee, tip, gas, quiet_ms FROM transfer_work($1, $2, $3, $4);

-- name: runner_payment_nonce
-- args: run_id uuid, runner_name text, attempt int4, payment uuid, account uuid, count int8
-- row: nonce int8
SELECT transfer_nonce($1, $2, $3, $4, $5, $6) AS nonce;

-- name: runner_payment_signed
-- args: run_id uuid, runner_name text, attempt int4, payment uuid, hash text, raw bytea, fee text, tip text, gas int8
-- row: kept bool
SELECT transfer_signed($1, $2, $3, $4, $5, $6, $7::text::numeric, $8::text::numeric, $9) AS kept;

-- What was signed for a payment, the newest first: all of it (MILLRACE_PAYMENT_FEE_MAX is reached
-- after some 350), since any may be the one that a block has.
-- name: runner_payment_transactions
-- args: payment uuid
-- row: hash text, raw text
SELECT x.hash, '0x' || encode(x.raw, 'hex') AS raw FROM chain_transaction x WHERE x.transfer_id = $1 ORDER BY x.n DESC LIMIT 1000;

-- name: runner_payment_end_mined
-- args: run_id uuid, runner_name text, attempt int4, after int8, payment uuid, hash text, block_number int8, block_hash text, gas_used int8, gas_price text, head int8, enough bool
-- row: transfer_mined int8
-- ends
SELECT transfer_mined($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::numeric, $11, $12);

-- name: runner_payment_end_failed
-- args: run_id uuid, runner_name text, attempt int4, after int8, payment uuid, problem text, spent bool
-- row: transfer_failed int8
-- ends
SELECT transfer_failed($1, $2, $3, $4, $5, $6, $7);

-- name: runner_payments_resume
-- args: most int4
-- row: more bool
SELECT transfers_resume($1) AS more;

-- name: runner_chain_watched
-- row: network text
SELECT network FROM chain_watched();

-- name: runner_chain_head
-- args: network text, block int8
-- row: chain_head_note void
SELECT chain_head_note($1, $2);

-- name: runner_payments_mined
-- args: network text, after uuid, most int4
-- row: transfer uuid, hash text, block_number int8, block_hash text
SELECT transfer, hash, block_number, block_hash FROM transfers_mined($1, $2, $3);

-- name: runner_payment_seen
-- args: payment uuid, block_hash text, dropped bool
-- row: transfer_seen void
SELECT transfer_seen($1, $2, $3);

-- name: runner_chain_accounts
-- row: account uuid, network text, address text
SELECT account, network, address FROM chain_accounts();

-- name: runner_chain_balance
-- args: account uuid, balance text, enough int8
-- row: low bool
SELECT chain_balance_note($1, $2::text::numeric, $3::int8::numeric) AS low;

-- name: runner_chain_old
-- args: key_id uuid, after uuid, rows int8
-- row: account uuid, network text, address text, sealed text, was text
SELECT account, network, address, sealed, was FROM chain_sealed_old($1, $2, $3);
