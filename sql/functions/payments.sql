-- Payments in USDC. A request stores what is wanted; a job of kind `payment`
-- (runner/jobs/payment.c) signs and sends it until a block has it; periodic work (payment_watch.c)
-- confirms it, and begins another job where a block was dropped or a job ended too early. Locks:
-- job, run, then the user, the project, the charge, the transfer, its account.

-- A transfer's state, as clients know it.
CREATE OR REPLACE FUNCTION transfer_status(state text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN $1 IN ('confirmed', 'failed') THEN $1 ELSE 'pending' END
$$;

-- The transaction that a block has, else the one that was signed last; NULL: none is signed.
CREATE OR REPLACE FUNCTION transfer_hash(t chain_transfer) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN coalesce(t.hash, (SELECT x.hash FROM chain_transaction x WHERE x.transfer_id = t.id ORDER BY x.n DESC LIMIT 1));
END $$;

-- What a payment answers once a block has it: no more than its clients know of.
CREATE OR REPLACE FUNCTION transfer_json(t chain_transfer) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('success', t.state IN ('mined', 'confirmed'), 'tx_hash', transfer_hash(t),
		'block_number', t.block_number, 'amount_paid', t.amount_usd, 'gas_used', t.gas_used, 'timestamp', rfc3339(t.mined_at))
$$;

-- As its user's export has it.
-- As the owner: what is on the chain is no role's to read.
CREATE OR REPLACE FUNCTION payment_json(p payment) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN (SELECT json_build_object('id', p.id, 'requestId', p.request_id, 'provider', p.provider, 'model', p.model, 'metadata', p.metadata,
		'network', t.network, 'recipient', t.recipient, 'amountUsd', t.amount_usd, 'txHash', transfer_hash(t), 'status', transfer_status(t.state),
		'createdAt', rfc3339(p.created_at)) FROM chain_transfer t WHERE t.id = p.id);
END $$;
GRANT EXECUTE ON FUNCTION payment_json TO millrace_api;

-- The open run that makes a transfer, or a new one, `by` whom it is queued. The transfer is locked.
CREATE OR REPLACE FUNCTION transfer_run(t chain_transfer, owner uuid, by uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	made uuid := (SELECT r.id FROM run r WHERE r.id = t.run_id AND r.ended_at IS NULL);
BEGIN
	IF made IS NULL THEN
		INSERT INTO run (owner_id, kind, input) VALUES ($2, 'payment', jsonb_build_object('payment', t.id, 'reply', true)) RETURNING id INTO made;
		UPDATE chain_transfer x SET run_id = made WHERE x.id = t.id;
		INSERT INTO job (run_id, owner_id, kind) VALUES (made, $3, 'payment');
		PERFORM notify_durable('millrace_job', '');
	END IF;
	RETURN made;
END $$;

-- Reserves what a payment costs, or finds that its request was charged before: then it may pay as
-- much as was charged. `charge` NULL with verdict NULL: charged before.
CREATE OR REPLACE FUNCTION payment_reserve(owner uuid, project text, request_id text, amount numeric, provider text, model text, credits boolean)
RETURNS TABLE (charge uuid, verdict text, message text) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	c charge;
	p project;
	why text[];
BEGIN
	SELECT * INTO c FROM charge x WHERE x.owner_id = $1 AND x.request_id = $3 AND x.state <> 'released';
	IF NOT FOUND THEN
		RETURN QUERY SELECT * FROM charge_reserve($1, $2, $3, 'payment', $5, $6, 'payment', $4, $7, NULL);
		RETURN;
	ELSIF c.state = 'reserved' THEN
		why := ARRAY['CONFLICT', 'The request with this request_id is under way; pay when it has ended.'];
	ELSIF $4 > c.amount_usd THEN
		why := ARRAY['CONFLICT', format('The request with this request_id was charged %s US dollars, which is less than the payment.', c.amount_usd)];
	ELSE
		p := project_lock($1, $2);
		why := policy_refusal(p, $5, $6, 'payment');
		IF why IS NULL AND $4 > p.require_approval_above THEN
			why := approval_request(p, $3, 'payment', $5, $6, 'payment', $4);
		END IF;
	END IF;
	verdict := why[1];
	message := why[2];
	RETURN NEXT;
END $$;

-- What a request's body says of a payment.
CREATE OR REPLACE FUNCTION payment_metadata(body jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF octet_length((body -> 'metadata')::text) > 16384 THEN
		PERFORM refuse('BAD_REQUEST', 'metadata has at most 16 KiB.');
	END IF;
	RETURN body -> 'metadata';
END $$;
GRANT EXECUTE ON FUNCTION payment_metadata TO millrace_api;

-- Asks for a payment, once a request_id. One of `run`, whose reply it is; `body`, where it was made
-- before; or `verdict` and `message`, an error's, beside which an approval that is asked for stays.
-- `recipient` NULL: the settings have none.
-- As the owner: whom a service names is another's row, and neither ledger nor chain is a role's to
-- write.
CREATE OR REPLACE FUNCTION payment_start(user_name text, project text, request_id text, amount numeric, network text, recipient text,
	provider text, model text, metadata jsonb, credits boolean, queue_max int)
RETURNS TABLE (run uuid, verdict text, message text, body json)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	who CONSTANT uuid := user_of_name($1, true);
	p payment;
	t chain_transfer;
	r record;
BEGIN
	-- It is not the user's own money that is sent.
	IF NOT EXISTS (SELECT FROM app_user u WHERE u.id = caller_id() AND u.role IN ('service', 'admin')) THEN
		PERFORM refuse('FORBIDDEN', 'Only a service key or an administrator pays.');
	ELSIF who IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such user.');
	END IF;
	PERFORM queue_check(queue_max);
	PERFORM work_require(true);
	-- Of two with one request_id the second waits here.
	PERFORM FROM app_user u WHERE u.id = who FOR NO KEY UPDATE;
	SELECT * INTO p FROM payment x WHERE x.owner_id = who AND x.request_id = $3;
	IF p.id IS NOT NULL THEN
		SELECT * INTO t FROM chain_transfer x WHERE x.id = p.id FOR UPDATE;
		IF (t.amount_usd, t.network, p.provider) IS DISTINCT FROM ($4, $5, $7) THEN
			verdict := 'CONFLICT';
			message := 'This request_id was used before, for another payment.';
		ELSIF t.state = 'failed' THEN
			verdict := 'UPSTREAM_FAILED';
			message := t.problem;
		ELSIF t.state IN ('mined', 'confirmed') THEN
			body := transfer_json(t);
		ELSE
			run := transfer_run(t, who, caller_id());
		END IF;
		RETURN NEXT;
		RETURN;
	ELSIF $6 IS NULL THEN
		PERFORM refuse('CONFLICT', format('The settings have no address at which %s is paid on %s.', $7, $5));
	ELSIF NOT EXISTS (SELECT FROM chain_account a WHERE a.network = $5 AND a.retired_at IS NULL) THEN
		PERFORM refuse('CONFLICT', format('No account is there to pay from on %s.', $5));
	END IF;
	SELECT * INTO r FROM payment_reserve(who, $2, $3, $4, $7, $8, $10);
	verdict := r.verdict;
	message := r.message;
	IF verdict IS NULL THEN
		INSERT INTO chain_transfer (network, recipient, amount_usd) VALUES ($5, $6, $4) RETURNING * INTO t;
		INSERT INTO payment (id, owner_id, request_id, provider, model, metadata, charge_id) VALUES (t.id, who, $3, $7, $8, $9, r.charge);
		run := transfer_run(t, who, caller_id());
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION payment_start TO millrace_api;

-- A payment by its id or any of its transactions: one's own, of a user that the caller's service
-- account has named, or, for an administrator, anybody's. NULL: there is none.
-- As the owner: whom a service names is another's row, and the chain no role's to read.
CREATE OR REPLACE FUNCTION payment_status_json(which text) RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN (SELECT json_build_object('tx_hash', transfer_hash(t), 'payment_id', t.id, 'status', transfer_status(t.state),
		'confirmations', CASE WHEN t.state IN ('mined', 'confirmed') THEN greatest(h.block - t.block_number + 1, 1) ELSE 0 END,
		'block_number', t.block_number, 'network', t.network, 'amount_paid', t.amount_usd, 'gas_used', t.gas_used, 'gas_price', t.gas_price,
		'problem', t.problem, 'timestamp', rfc3339(coalesce(t.mined_at, t.ended_at, t.created_at)))
	FROM chain_transfer t JOIN payment p ON p.id = t.id LEFT JOIN chain_head h ON h.network = t.network
	WHERE t.id = coalesce((SELECT x.transfer_id FROM chain_transaction x WHERE x.hash = lower($1)),
			CASE WHEN $1 ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN $1::uuid END)
		AND (p.owner_id = caller_id() OR caller_is_admin()
			OR EXISTS (SELECT FROM service_user s WHERE s.service_id = caller_id() AND s.user_id = p.owner_id)));
END $$;
GRANT EXECUTE ON FUNCTION payment_status_json TO millrace_api;

-- What a job has to make. No row where it is another's by now. Amounts are text of decimal digits;
-- `fee`, `tip` and `gas` the newest transaction's, `quiet_ms` since that was signed. The account is
-- the transfer's, or the one in force; none: there is none any more.
-- As the owner: the chain is no role's to read.
CREATE OR REPLACE FUNCTION transfer_work(run_id uuid, runner text, attempt int, transfer uuid)
RETURNS TABLE (state text, network text, recipient text, amount text, age_ms bigint, is_wanted boolean, account uuid, chain_id bigint, address text, sealed text, nonce bigint,
	fee text, tip text, gas bigint, quiet_ms bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN;
	END IF;
	RETURN QUERY
	SELECT t.state, t.network, t.recipient, t.amount_usd::text, (extract(epoch FROM now() - t.created_at) * 1000)::bigint,
		EXISTS (SELECT FROM payment p WHERE p.id = t.id), a.id, a.chain_id, a.address, encode(a.sealed, 'hex'), t.nonce,
		x.fee::text, x.tip::text, x.gas, (extract(epoch FROM now() - x.created_at) * 1000)::bigint
	FROM chain_transfer t
	LEFT JOIN chain_account a ON CASE WHEN t.account_id IS NULL THEN a.network = t.network AND a.retired_at IS NULL ELSE a.id = t.account_id END
	LEFT JOIN LATERAL (SELECT * FROM chain_transaction y WHERE y.transfer_id = t.id ORDER BY y.n DESC LIMIT 1) x ON true
	WHERE t.id = $4 AND t.run_id = $1;
END $$;
GRANT EXECUTE ON FUNCTION transfer_work TO millrace_runner;

-- Gives a transfer its nonce: the next one of the account, which is at least the network's own
-- count (something else may have paid from it). NULL where the lease is lost, or the account
-- retired.
-- As the owner: the chain is no role's to write.
CREATE OR REPLACE FUNCTION transfer_nonce(run_id uuid, runner text, attempt int, transfer uuid, account uuid, count bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t chain_transfer;
	given bigint;
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT * INTO t FROM chain_transfer x WHERE x.id = $4 FOR UPDATE;
	IF t.nonce IS NOT NULL OR t.state <> 'wanted' THEN
		RETURN t.nonce;
	END IF;
	UPDATE chain_account a SET next_nonce = greatest(a.next_nonce, $6) + 1 WHERE a.id = $5 AND a.retired_at IS NULL
	RETURNING a.next_nonce - 1 INTO given;
	UPDATE chain_transfer x SET account_id = $5, nonce = given, state = 'signed' WHERE x.id = $4 AND given IS NOT NULL;
	RETURN given;
END $$;
GRANT EXECUTE ON FUNCTION transfer_nonce TO millrace_runner;

-- Keeps what was signed, before it is sent. False where the lease is lost.
-- As the owner: the chain is no role's to write.
CREATE OR REPLACE FUNCTION transfer_signed(run_id uuid, runner text, attempt int, transfer uuid, hash text, raw bytea, fee numeric, tip numeric, gas bigint)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN false;
	END IF;
	PERFORM FROM chain_transfer t WHERE t.id = $4 FOR UPDATE;
	INSERT INTO chain_transaction (hash, transfer_id, n, raw, fee, tip, gas)
	SELECT $5, $4, count(*), $6, $7, $8, $9 FROM chain_transaction x WHERE x.transfer_id = $4
	ON CONFLICT DO NOTHING;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION transfer_signed TO millrace_runner;

-- Counts a transfer that has come to its end: confirmed, or failed. It is locked, and so is its
-- user.
CREATE OR REPLACE FUNCTION transfer_end(transfer uuid, state text, problem text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	held CONSTANT uuid := (SELECT p.charge_id FROM payment p WHERE p.id = $1);
	t chain_transfer;
BEGIN
	UPDATE chain_transfer x SET state = $2, problem = $3, ended_at = now() WHERE x.id = $1 RETURNING * INTO t;
	IF $2 = 'confirmed' THEN
		PERFORM charge_settle(held, t.amount_usd, 0);
	ELSE
		PERFORM charge_release(held);
	END IF;
END $$;

-- Locks a transfer, and before it the user whom its end is counted for.
CREATE OR REPLACE FUNCTION transfer_lock(transfer uuid) RETURNS chain_transfer LANGUAGE plpgsql AS $$
DECLARE
	t chain_transfer;
BEGIN
	PERFORM FROM app_user u WHERE u.id = (SELECT p.owner_id FROM payment p WHERE p.id = $1) FOR NO KEY UPDATE;
	SELECT * INTO t FROM chain_transfer x WHERE x.id = $1 FOR UPDATE;
	RETURN t;
END $$;

-- A job's end: a block has the transfer. The client is answered; confirmed at once where this block
-- is enough.
-- As the owner: neither ledger nor chain is a role's to write.
CREATE OR REPLACE FUNCTION transfer_mined(run_id uuid, runner text, attempt int, after bigint, transfer uuid, hash text, block_number bigint,
	block_hash text, gas_used bigint, gas_price numeric, head bigint, enough boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	t chain_transfer;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	t := transfer_lock($5);
	IF t.state = 'signed' THEN
		UPDATE chain_transfer x SET state = 'mined', hash = $6, block_number = $7, block_hash = $8, gas_used = $9, gas_price = $10, mined_at = now()
		WHERE x.id = $5;
		PERFORM chain_head_note(t.network, $11);
		IF enough THEN
			PERFORM transfer_end($5, 'confirmed', NULL);
		END IF;
	END IF;
	SELECT * INTO t FROM chain_transfer x WHERE x.id = $5;
	PERFORM run_finish($1, 'completed', 'done', transfer_json(t), data_reply($1, transfer_json(t)));
	PERFORM pg_notify('millrace_periodic', 'payments');
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION transfer_mined TO millrace_runner;

-- A job's end: the transfer was not made, and will not be: nothing was signed, or its nonce is
-- `spent`, by a transaction that the network undid, or by another one.
-- As the owner: neither ledger nor chain is a role's to write.
CREATE OR REPLACE FUNCTION transfer_failed(run_id uuid, runner text, attempt int, after bigint, transfer uuid, problem text, spent boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	t chain_transfer;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	t := transfer_lock($5);
	IF t.state = 'wanted' OR (t.state = 'signed' AND spent) THEN
		PERFORM transfer_end($5, 'failed', $6);
	END IF;
	PERFORM run_finish($1, 'failed', 'error', json_build_object('code', 'UPSTREAM_FAILED', 'message', $6),
		error_reply($1, 502, 'UPSTREAM_FAILED', $6));
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION transfer_failed TO millrace_runner;

-- Notes a network's newest block; one that is behind what was seen is a node's that lags.
-- As the owner: the chain is no role's to write.
CREATE OR REPLACE FUNCTION chain_head_note(network text, block bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	INSERT INTO chain_head AS h (network, block, seen_at) VALUES ($1, $2, now())
	ON CONFLICT ON CONSTRAINT chain_head_pkey DO UPDATE SET block = excluded.block, seen_at = excluded.seen_at
$$;
GRANT EXECUTE ON FUNCTION chain_head_note TO millrace_runner;

-- The networks where something waits for blocks, or was confirmed within ten minutes, so that
-- clients see its confirmations grow.
-- As the owner: the chain is no role's to read.
CREATE OR REPLACE FUNCTION chain_watched() RETURNS TABLE (network text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT t.network FROM chain_transfer t WHERE t.state = 'mined'
	UNION
	SELECT t.network FROM chain_transfer t WHERE t.state = 'confirmed' AND t.ended_at > now() - interval '10 minutes'
$$;
GRANT EXECUTE ON FUNCTION chain_watched TO millrace_runner;

-- Transfers of a network that blocks have and that are not confirmed, after an id.
-- As the owner: the chain is no role's to read.
CREATE OR REPLACE FUNCTION transfers_mined(network text, after uuid, most int)
RETURNS TABLE (transfer uuid, hash text, block_number bigint, block_hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT t.id, t.hash, t.block_number, t.block_hash FROM chain_transfer t
	WHERE t.state = 'mined' AND t.network = $1 AND ($2 IS NULL OR t.id > $2) ORDER BY t.id LIMIT $3
$$;
GRANT EXECUTE ON FUNCTION transfers_mined TO millrace_runner;

-- What a runner has found of a mined transfer: enough blocks have it; or the block that had it is
-- none of the chain's any more (`dropped`), and it is sent again.
-- As the owner: neither ledger nor chain is a role's to write.
CREATE OR REPLACE FUNCTION transfer_seen(transfer uuid, block_hash text, dropped boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t chain_transfer := transfer_lock($1);
	owner uuid;
BEGIN
	IF t.state IS DISTINCT FROM 'mined' OR t.block_hash <> $2 THEN
		RETURN;
	ELSIF NOT dropped THEN
		PERFORM transfer_end($1, 'confirmed', NULL);
		RETURN;
	END IF;
	UPDATE chain_transfer x SET state = 'signed', hash = NULL, block_number = NULL, block_hash = NULL, gas_used = NULL, gas_price = NULL,
		mined_at = NULL WHERE x.id = $1 RETURNING * INTO t;
	owner := (SELECT p.owner_id FROM payment p WHERE p.id = $1);
	PERFORM transfer_run(t, owner, owner);
END $$;
GRANT EXECUTE ON FUNCTION transfer_seen TO millrace_runner;

-- Begins another job for transfers whose last one ended without them (it lasts a minute), `most` at
-- most; true: there may be more. One at a time.
-- As the owner: the chain is no role's to write.
CREATE OR REPLACE FUNCTION transfers_resume(most int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t chain_transfer;
	owner uuid;
	n int := 0;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.transfers_resume')) THEN
		RETURN false;
	END IF;
	FOR t IN SELECT x.* FROM chain_transfer x WHERE x.state IN ('wanted', 'signed')
		AND NOT EXISTS (SELECT FROM run r WHERE r.id = x.run_id AND r.ended_at IS NULL) ORDER BY x.id LIMIT most FOR UPDATE OF x SKIP LOCKED LOOP
		owner := (SELECT p.owner_id FROM payment p WHERE p.id = t.id);
		PERFORM transfer_run(t, owner, owner);
		n := n + 1;
	END LOOP;
	RETURN n >= most;
END $$;
GRANT EXECUTE ON FUNCTION transfers_resume TO millrace_runner;

-- Accounts that pay, for a look at their balances.
-- As the owner: the chain is no role's to read.
CREATE OR REPLACE FUNCTION chain_accounts() RETURNS TABLE (account uuid, network text, address text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT a.id, a.network, a.address FROM chain_account a WHERE a.retired_at IS NULL ORDER BY a.network
$$;
GRANT EXECUTE ON FUNCTION chain_accounts TO millrace_runner;

-- Notes a balance. Where it has fallen below `enough`, administrators are told, once until it is
-- above again. Returns whether it is below.
-- As the owner: the chain is no role's to write, and whom to tell is everybody's rows.
CREATE OR REPLACE FUNCTION chain_balance_note(account uuid, balance numeric, enough numeric) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	was timestamptz;
	a chain_account;
BEGIN
	SELECT x.low_since INTO was FROM chain_account x WHERE x.id = $1 FOR UPDATE;
	UPDATE chain_account x SET balance_usd = $2, balance_at = now(), low_since = CASE WHEN $2 < $3 THEN coalesce(x.low_since, now()) END
	WHERE x.id = $1 RETURNING * INTO a;
	IF was IS NULL AND a.low_since IS NOT NULL THEN
		INSERT INTO notification (owner_id, severity, title, message)
		SELECT u.id, 'warning', 'The account for payments runs low',
			format('%s has %s USDC left on %s, less than %s. Payments fail when it is empty.', a.address, trim_scale($2), a.network, $3)
		FROM app_user u WHERE u.role = 'admin' AND u.disabled_at IS NULL ORDER BY u.id LIMIT 20;
	END IF;
	RETURN a.low_since IS NOT NULL;
END $$;
GRANT EXECUTE ON FUNCTION chain_balance_note TO millrace_runner;

-- Accounts whose keys are sealed to another key than this, after an id.
-- As the owner: the chain is no role's to read.
CREATE OR REPLACE FUNCTION chain_sealed_old(key_id uuid, after uuid, most bigint)
RETURNS TABLE (account uuid, network text, address text, sealed text, was text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT a.id, a.network, a.address, encode(a.sealed, 'hex'), encode(sha256(a.sealed), 'hex')
	FROM chain_account a WHERE a.key_id <> $1 AND ($2 IS NULL OR a.id > $2) ORDER BY a.id LIMIT $3
$$;
GRANT EXECUTE ON FUNCTION chain_sealed_old TO millrace_runner;

-- Puts an account's key into force on a network, for millracectl; the one before signs nothing new,
-- and still pays more for what it has signed. False where `key_id` is not the vault's in force.
CREATE OR REPLACE FUNCTION chain_account_put(network text, chain_id bigint, address text, sealed bytea, key_id uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM vault_key k WHERE k.id = $5 AND k.retired_at IS NULL FOR SHARE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE chain_account a SET retired_at = now() WHERE a.network = $1 AND a.retired_at IS NULL AND (a.chain_id, a.address) <> ($2, $3);
	INSERT INTO chain_account AS a (network, chain_id, address, sealed, key_id) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT ON CONSTRAINT chain_account_network_chain_id_address_key DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id, retired_at = NULL;
	PERFORM audit(NULL, NULL, 'payment_key_put', jsonb_build_object('network', $1, 'chain_id', $2, 'address', $3));
	PERFORM pg_notify('millrace_periodic', 'payments');
	RETURN true;
END $$;
