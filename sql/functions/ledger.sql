-- The ledger: what a request reserves, then costs; what is granted. The locks of each: the user's
-- row, then the project's; a charge changes under both alone. Sequential scans are off in what runs
-- for each request: its plans are kept, and may have been made while the tables were empty. What a
-- request calls first has its plans made once in a session, as events.sql says.

-- Moves `amount` onto (or, negative, from) a user's credits, `against` being the other side.
-- Returns the transfer; NULL where the amount is zero: there is nothing to write. Takes the user's
-- lock.
CREATE OR REPLACE FUNCTION ledger_move(owner uuid, amount numeric, kind text, against text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	moved CONSTANT uuid := uuid_v7();
BEGIN
	WITH u AS (
		UPDATE app_user x SET balance_usd = x.balance_usd + $2 WHERE x.id = $1 AND $2 <> 0 RETURNING x.balance_usd
	)
	INSERT INTO ledger_entry (transfer, owner_id, account, kind, amount_usd, balance_usd)
	SELECT moved, e.owner_id, e.account, $3, e.amount, e.balance FROM u CROSS JOIN LATERAL
		(VALUES ($1, 'credits', $2, u.balance_usd), (NULL, $4, -$2, NULL)) e (owner_id, account, amount, balance);
	RETURN CASE WHEN FOUND THEN moved END;
END $$;

-- The project's row, locked, made where there is none yet. The caller holds the user's lock, so
-- that one name is one project.
CREATE OR REPLACE FUNCTION project_lock(owner uuid, name text) RETURNS project
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	projects_max CONSTANT int := 1000;
	p project;
BEGIN
	SELECT * INTO p FROM project x WHERE x.owner_id = $1 AND x.name = $2 FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		IF (SELECT count(*) FROM project x WHERE x.owner_id = $1) >= projects_max THEN
			PERFORM refuse('CONFLICT', format('A user has at most %s projects.', projects_max));
		END IF;
		INSERT INTO project (owner_id, name) VALUES ($1, $2) RETURNING * INTO p;
	END IF;
	RETURN p;
END $$;

-- What was spent today, and this month.
CREATE OR REPLACE FUNCTION project_day_usd(p project) RETURNS numeric LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN p.day >= (now() AT TIME ZONE 'UTC')::date THEN p.day_usd ELSE 0 END
$$;
GRANT EXECUTE ON FUNCTION project_day_usd TO millrace_api;

CREATE OR REPLACE FUNCTION project_month_usd(p project) RETURNS numeric LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN p.day >= date_trunc('month', now() AT TIME ZONE 'UTC')::date THEN p.month_usd ELSE 0 END
$$;
GRANT EXECUTE ON FUNCTION project_month_usd TO millrace_api;

-- Which limit of the budget `amount` more would pass; NULL: none.
CREATE OR REPLACE FUNCTION budget_passed(p project, amount numeric) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN $2 > p.per_request_limit THEN 'per_request_limit'
		WHEN project_day_usd(p) + p.reserved_usd + $2 > p.daily_limit THEN 'daily_limit'
		WHEN project_month_usd(p) + p.reserved_usd + $2 > p.monthly_limit THEN 'monthly_limit' END
$$;

-- Why the project's policies never let such a call through; NULL: they may. What is not given is
-- not asked for.
CREATE OR REPLACE FUNCTION policy_forbids(p project, provider text, model text, operation text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF $2 <> ALL (p.allowed_providers) THEN
		RETURN format('The project''s policies do not allow the provider %s.', $2);
	ELSIF p.allowed_models ? $2 AND NOT (p.allowed_models -> $2) ? $3 THEN
		RETURN format('The project''s policies do not allow the model %s of %s.', $3, $2);
	ELSIF p.forbidden_operations <> '{}' THEN
		RETURN (SELECT format('The project''s policies forbid the operation %s.', $4)
			FROM unnest(p.forbidden_operations) o WHERE regexp_replace(o, '^/?(v1/)?', '') = $4 LIMIT 1);
	END IF;
	RETURN NULL;
END $$;

-- Seconds until then, at least one.
CREATE OR REPLACE FUNCTION seconds_until(at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT greatest(ceil(extract(epoch FROM $1 - now())), 1)::text
$$;

-- Why the project's policies do not let a call through now, as (code, message), and for how many
-- seconds where that passes; NULL: they do. What has no limit is not counted.
CREATE OR REPLACE FUNCTION policy_refusal(p project, provider text, model text, operation text) RETURNS text[]
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
	forbidden CONSTANT text := policy_forbids(p, $2, $3, $4);
	until timestamptz;
BEGIN
	IF forbidden IS NOT NULL THEN
		RETURN ARRAY['FORBIDDEN', forbidden];
	END IF;
	IF p.requests_per_minute IS NOT NULL THEN
		-- The oldest of as many as there may be.
		SELECT c.created_at + interval '1 minute' INTO until FROM charge c WHERE c.project_id = p.id AND c.created_at > now() - interval '1 minute'
		ORDER BY c.created_at DESC OFFSET p.requests_per_minute - 1 LIMIT 1;
		IF FOUND THEN
			RETURN ARRAY['RATE_LIMITED', 'The project has had as many requests as its policies allow in a minute.', seconds_until(until)];
		END IF;
	END IF;
	IF p.tokens_per_hour IS NOT NULL THEN
		-- The newest that, with those after it, has used as many as there may be.
		SELECT max(x.created_at) + interval '1 hour' INTO until FROM (
			SELECT c.created_at, sum(c.tokens) OVER (ORDER BY c.created_at DESC, c.id) AS used FROM charge c
			WHERE c.project_id = p.id AND c.created_at > now() - interval '1 hour'
		) x WHERE x.used >= p.tokens_per_hour;
		IF until IS NOT NULL THEN
			RETURN ARRAY['RATE_LIMITED', 'The project has used as many tokens as its policies allow in an hour.', seconds_until(until)];
		END IF;
	END IF;
	RETURN NULL;
END $$;

-- Looks for the approval of a request above the threshold, and uses one that there is: it lets the
-- same request, of at most that amount, through once. Else what is to be answered, (code, message);
-- the first time the request is queued for the administrators, who are told; a user has 100 in the
-- queue at most, since a client may ask in a loop. One that was changed since has another id: what
-- an administrator has read is what their word is for.
CREATE OR REPLACE FUNCTION approval_request(p project, request_id text, kind text, provider text, model text, operation text, amount numeric)
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	a approval;
	covers boolean;
BEGIN
	SELECT * INTO a FROM approval x WHERE x.owner_id = p.owner_id AND x.request_id = $2 FOR UPDATE;
	covers := (a.project_id, a.kind, a.provider, a.model, a.operation) IS NOT DISTINCT FROM (p.id, $3, $4, $5, $6) AND a.expires_at > now()
		AND $7 <= a.amount_usd;
	IF a.status = 'rejected' THEN
		RETURN ARRAY['FORBIDDEN', 'An administrator has rejected this request.'];
	ELSIF covers AND a.status = 'approved' THEN
		UPDATE approval x SET status = 'used' WHERE x.id = a.id;
		RETURN NULL;
	ELSIF NOT covers OR a.status IS DISTINCT FROM 'pending' THEN
		IF (SELECT count(*) FROM approval x WHERE x.owner_id = p.owner_id AND x.status = 'pending' AND x.expires_at > now()) >= 100 THEN
			RETURN ARRAY['APPROVAL_REQUIRED', 'The request would have to wait for an approval, and 100 of the user''s wait already: no more are queued.'];
		END IF;
		INSERT INTO approval AS x (owner_id, project_id, request_id, kind, provider, model, operation, amount_usd, expires_at)
		VALUES (p.owner_id, p.id, $2, $3, $4, $5, $6, $7, now() + interval '1 day')
		ON CONFLICT ON CONSTRAINT approval_owner_id_request_id_key DO UPDATE SET id = excluded.id, status = 'pending', project_id = excluded.project_id,
			kind = excluded.kind, provider = excluded.provider, model = excluded.model, operation = excluded.operation,
			amount_usd = excluded.amount_usd, created_at = now(), expires_at = excluded.expires_at, decided_at = NULL, decided_by = NULL;
		INSERT INTO notification (owner_id, severity, title, message, action_url)
		SELECT u.id, 'warning', 'A request waits for approval', format('Request %s for %s US dollars.', $2, trim_scale($7)), '/api/v1/approvals'
		FROM app_user u WHERE u.role = 'admin' AND u.disabled_at IS NULL ORDER BY u.id LIMIT 20;
	END IF;
	RETURN ARRAY['APPROVAL_REQUIRED', 'The request costs more than the project''s policies allow without an approval; it waits for one.'];
END $$;

-- Does a request_id begin with the id of a run of the user's? Runs are charged by their own ids
-- when they end: nothing that a client says is counted in their place.
CREATE OR REPLACE FUNCTION request_is_runs(owner uuid, request_id text) RETURNS boolean LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
	IF $2 ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/|$)' THEN
		RETURN EXISTS (SELECT FROM run r WHERE r.owner_id = $1 AND r.id = left($2, 36)::uuid);
	END IF;
	RETURN false;
END $$;

-- charge_reserve() for a run, whose charge has its id, where `run` is not NULL; called as the
-- owner. What is needed of the two rows is looked at as they are locked.
CREATE OR REPLACE FUNCTION charge_make(owner uuid, project text, request_id text, kind text, provider text, model text, operation text,
	estimate numeric, credits boolean, lasts interval, run uuid, OUT charge uuid, OUT verdict text, OUT message text,
	OUT wait_s bigint) RETURNS record
LANGUAGE plpgsql AS $$
DECLARE
	r record;
	p project;
	why text[];
	asks boolean;
BEGIN
	LOOP
		-- Locked in the order in which the clause names them.
		SELECT q.id, u.disabled_at IS NOT NULL AS is_disabled, $9 AND u.balance_usd - u.reserved_usd < $8 AS is_short,
			budget_passed(q, $8) AS passed, $8 > q.require_approval_above AND $4 NOT IN ('chat', 'embed') AS asks,
			num_nonnulls(q.allowed_providers, q.allowed_models, q.requests_per_minute, q.tokens_per_hour) > 0
				OR q.forbidden_operations <> '{}' AS has_policies
		INTO r FROM app_user u JOIN project q ON q.owner_id = u.id WHERE u.id = $1 AND q.name = $2 FOR NO KEY UPDATE OF u, q;
		EXIT WHEN FOUND;
		PERFORM FROM app_user u WHERE u.id = $1 FOR NO KEY UPDATE;
		PERFORM project_lock($1, $2);
	END LOOP;
	IF r.has_policies OR r.asks THEN
		SELECT * INTO p FROM project x WHERE x.id = r.id;
	END IF;
	IF octet_length($3) >= 36 AND $4 IN ('call', 'payment') AND request_is_runs($1, $3) THEN
		why := ARRAY['CONFLICT', 'This request_id is that of a run, which is charged by itself.'];
	ELSIF r.is_disabled THEN
		why := ARRAY['FORBIDDEN', 'The user is suspended.'];
	ELSIF r.has_policies THEN
		why := policy_refusal(p, $5, $6, $7);
	END IF;
	IF why IS NULL AND r.passed IS NOT NULL THEN
		why := ARRAY['BUDGET_EXCEEDED', format('This would pass the project''s %s.', r.passed)];
	ELSIF why IS NULL AND r.is_short THEN
		why := ARRAY['INSUFFICIENT_CREDITS', 'The credits do not cover this.'];
	END IF;
	asks := why IS NULL AND r.asks IS TRUE;
	IF (asks OR why IS NOT NULL)
		AND EXISTS (SELECT FROM charge x WHERE x.owner_id = $1 AND x.request_id = $3 AND x.state <> 'released') THEN
		why := ARRAY['REPEATED', 'This request_id was used before.'];
	ELSIF asks THEN
		why := approval_request(p, $3, $4, $5, $6, $7, $8);
	END IF;
	IF why IS NULL THEN
		INSERT INTO charge AS x (id, owner_id, project_id, request_id, kind, state, reserved_usd, provider, model, operation, expires_at, run_id)
		VALUES (coalesce($11, uuid_v7()), $1, r.id, $3, $4, 'reserved', $8, $5, $6, $7, now() + $10, $11)
		ON CONFLICT ON CONSTRAINT charge_owner_id_request_id_key DO NOTHING RETURNING x.id INTO charge;
		IF NOT FOUND THEN
			UPDATE charge x SET id = coalesce($11, x.id), state = 'reserved', project_id = r.id, kind = $4, reserved_usd = $8, provider = $5,
				model = $6, operation = $7, expires_at = now() + $10, created_at = now(), ended_at = NULL, run_id = coalesce($11, x.run_id)
			WHERE x.owner_id = $1 AND x.request_id = $3 AND x.state = 'released' RETURNING x.id INTO charge;
		END IF;
		IF NOT FOUND THEN
			why := ARRAY['REPEATED', 'This request_id was used before.'];
		ELSIF $8 <> 0 THEN
			UPDATE project x SET reserved_usd = x.reserved_usd + $8 WHERE x.id = r.id;
			UPDATE app_user x SET reserved_usd = x.reserved_usd + $8 WHERE x.id = $1;
		END IF;
	END IF;
	verdict := why[1];
	message := why[2];
	wait_s := why[3];
END $$;

-- Reserves `estimate` for a request before its work begins. `verdict` NULL: it is reserved, as
-- `charge`. Else nothing is, and the verdict is an error's code (lib/err.c), or 'REPEATED': this
-- request_id has a charge already, under way or settled. `credits`: the balance has to cover it;
-- `lasts` NULL: until its run ends. An approval that is asked for is stored, so commit.
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION charge_reserve(owner uuid, project text, request_id text, kind text, provider text, model text, operation text,
	estimate numeric, credits boolean, lasts interval) RETURNS TABLE (charge uuid, verdict text, message text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	RETURN QUERY SELECT m.charge, m.verdict, m.message FROM charge_make($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL) m;
END $$;
GRANT EXECUTE ON FUNCTION charge_reserve TO millrace_runner;

-- Settles a charge that is reserved: counts it in its project and takes it from the credits, in one
-- statement, which takes the locks in their order. Returns whether it passed a limit of its
-- project; NULL, and nothing is done, where it has ended already: whoever may settle it beside
-- others has locked it before.
CREATE OR REPLACE FUNCTION charge_pay(charge uuid, amount numeric, tokens bigint, client_at timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	passes boolean;
BEGIN
	WITH of_user AS (
		UPDATE app_user x SET balance_usd = x.balance_usd - $2, reserved_usd = x.reserved_usd - c.reserved_usd
		FROM charge c WHERE c.id = $1 AND c.state = 'reserved' AND x.id = c.owner_id
		RETURNING x.id, x.balance_usd, c.project_id, c.reserved_usd, uuid_v7() AS transfer,
			CASE c.kind WHEN 'payment' THEN 'payment' ELSE 'usage' END AS kind,
			CASE c.kind WHEN 'payment' THEN 'payments' ELSE 'usage' END AS account
	), of_project AS (
		-- A day never goes back: a clock that does would open yesterday's budget again.
		UPDATE project x SET reserved_usd = x.reserved_usd - u.reserved_usd, total_usd = x.total_usd + $2,
			day = greatest(x.day, (now() AT TIME ZONE 'UTC')::date), day_usd = project_day_usd(x) + $2, month_usd = project_month_usd(x) + $2,
			requests = x.requests + 1, last_request_at = now()
		FROM of_user u WHERE x.id = u.project_id
		RETURNING x.day, ($2 > x.per_request_limit OR x.day_usd + x.reserved_usd > x.daily_limit
			OR x.month_usd + x.reserved_usd > x.monthly_limit) IS TRUE AS flagged
	), entries AS (
		INSERT INTO ledger_entry (transfer, owner_id, account, kind, amount_usd, balance_usd, charge_id)
		SELECT u.transfer, e.owner_id, e.account, u.kind, e.amount, e.balance, $1 FROM of_user u CROSS JOIN LATERAL
			(VALUES (u.id, 'credits', -$2, u.balance_usd), (NULL, u.account, $2, NULL)) e (owner_id, account, amount, balance) WHERE $2 <> 0
	), of_charge AS (
		UPDATE charge x SET state = 'settled', reserved_usd = 0, amount_usd = $2, tokens = $3, flagged = p.flagged, client_at = $4, day = p.day,
			expires_at = NULL, ended_at = now()
		FROM of_project p WHERE x.id = $1 RETURNING x.flagged
	)
	SELECT c.flagged INTO passes FROM of_charge c;
	RETURN passes;
END $$;

-- The same for many charges of calls at once, whose runs have these ids, by what their uses have
-- come to; each as if it were alone, in the order given. Returns how many. (Whatever the plan, `=
-- ANY` keeps it to these rows, in the order of their ids where its caller forbids bitmaps, which go
-- by the place of a row.)
CREATE OR REPLACE FUNCTION charges_pay(runs uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	paid bigint;
BEGIN
	WITH c AS MATERIALIZED (
		SELECT g.n, x.id, x.owner_id, x.project_id, x.reserved_usd, e.cost, e.tokens, uuid_v7() AS transfer,
			sum(e.cost) OVER of_user AS user_cost, sum(e.cost) OVER of_project AS project_cost, sum(x.reserved_usd) OVER of_project AS project_freed
		FROM unnest(runs) WITH ORDINALITY g (run_id, n)
		CROSS JOIN LATERAL (SELECT o.* FROM charge o WHERE o.id = g.run_id OFFSET 0) x
		CROSS JOIN LATERAL (SELECT sum(u.cost_usd) AS cost, sum(u.input_tokens + u.output_tokens)::bigint AS tokens FROM usage_event u
			WHERE u.run_id = g.run_id) e
		WHERE x.state = 'reserved' AND e.cost IS NOT NULL
		WINDOW of_user AS (PARTITION BY x.owner_id ORDER BY g.n), of_project AS (PARTITION BY x.project_id ORDER BY g.n)
	), of_user AS (
		UPDATE app_user x SET balance_usd = x.balance_usd - g.cost, reserved_usd = x.reserved_usd - g.reserved
		FROM (SELECT c.owner_id, sum(c.cost) AS cost, sum(c.reserved_usd) AS reserved FROM c GROUP BY c.owner_id ORDER BY c.owner_id) g
		WHERE x.id = g.owner_id AND x.id = ANY (ARRAY(SELECT c.owner_id FROM c)) RETURNING x.id, x.balance_usd + g.cost AS balance
	), of_project AS (
		UPDATE project x SET reserved_usd = x.reserved_usd - g.reserved, total_usd = x.total_usd + g.cost,
			day = greatest(x.day, (now() AT TIME ZONE 'UTC')::date), day_usd = project_day_usd(x) + g.cost, month_usd = project_month_usd(x) + g.cost,
			requests = x.requests + g.requests, last_request_at = now()
		FROM (SELECT c.project_id, sum(c.cost) AS cost, sum(c.reserved_usd) AS reserved, count(*) AS requests FROM c JOIN of_user u ON u.id = c.owner_id
			GROUP BY c.project_id ORDER BY c.project_id) g
		WHERE x.id = g.project_id AND x.id = ANY (ARRAY(SELECT c.project_id FROM c))
		RETURNING x.id, x.day, x.per_request_limit, x.daily_limit - x.day_usd + g.cost - x.reserved_usd - g.reserved AS day_left,
			x.monthly_limit - x.month_usd + g.cost - x.reserved_usd - g.reserved AS month_left
	), entries AS (
		INSERT INTO ledger_entry (transfer, owner_id, account, kind, amount_usd, balance_usd, charge_id)
		SELECT c.transfer, e.owner_id, e.account, 'usage', e.amount, e.balance, c.id FROM c JOIN of_user u ON u.id = c.owner_id CROSS JOIN LATERAL
			(VALUES (u.id, 'credits', -c.cost, u.balance - c.user_cost), (NULL, 'usage', c.cost, NULL)) e (owner_id, account, amount, balance)
		WHERE c.cost <> 0 ORDER BY c.n
	), of_charge AS (
		UPDATE charge x SET state = 'settled', reserved_usd = 0, amount_usd = c.cost, tokens = c.tokens, day = p.day, expires_at = NULL, ended_at = now(),
			flagged = (c.cost > p.per_request_limit OR c.project_cost - c.project_freed > least(p.day_left, p.month_left)) IS TRUE
		FROM c JOIN of_project p ON p.id = c.project_id WHERE x.id = c.id AND x.id = ANY (runs) RETURNING 1
	)
	SELECT count(*) INTO paid FROM of_charge;
	RETURN paid;
END $$;

-- Locks a charge's user, project and the charge, in the order in which the clause names them.
CREATE OR REPLACE FUNCTION charge_lock(charge uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM charge x JOIN app_user u ON u.id = x.owner_id JOIN project q ON q.id = x.project_id
	WHERE x.id = $1 FOR NO KEY UPDATE OF u, q, x;
END $$;

-- Ends a reservation with what was used in the end, which may be more; false where it has ended
-- already, and nothing is counted.
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION charge_settle(charge uuid, amount numeric, tokens bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
	PERFORM charge_lock($1);
	RETURN charge_pay($1, $2, $3, NULL) IS NOT NULL;
END $$;
GRANT EXECUTE ON FUNCTION charge_settle TO millrace_runner;

-- Ends a reservation without a cost; false where it has ended already.
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION charge_release(charge uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
	c charge;
BEGIN
	PERFORM charge_lock($1);
	SELECT * INTO c FROM charge x WHERE x.id = $1;
	IF c.state <> 'reserved' OR c.id IS NULL THEN
		RETURN false;
	END IF;
	UPDATE charge x SET state = 'released', reserved_usd = 0, expires_at = NULL, ended_at = now() WHERE x.id = $1;
	UPDATE project x SET reserved_usd = x.reserved_usd - c.reserved_usd WHERE x.id = c.project_id;
	UPDATE app_user x SET reserved_usd = x.reserved_usd - c.reserved_usd WHERE x.id = c.owner_id;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION charge_release TO millrace_runner;

-- Counts what was spent already, without a reservation: it is never refused, and flagged where it
-- passes a limit. A request_id that has a charge, under way or settled, is not counted again.
-- Returns whether that charge is flagged.
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION charge_spend(owner uuid, project text, request_id text, kind text, amount numeric, provider text, model text,
	tokens bigint, client_at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	p project;
	c charge;
BEGIN
	PERFORM FROM app_user u WHERE u.id = $1 FOR NO KEY UPDATE;
	p := project_lock($1, $2);
	SELECT * INTO c FROM charge x WHERE x.owner_id = $1 AND x.request_id = $3;
	IF c.state <> 'released' THEN
		RETURN c.flagged;
	END IF;
	INSERT INTO charge AS x (owner_id, project_id, request_id, kind, state, provider, model)
	VALUES ($1, p.id, $3, $4, 'reserved', $6, $7)
	ON CONFLICT ON CONSTRAINT charge_owner_id_request_id_key DO UPDATE SET state = 'reserved', project_id = excluded.project_id, kind = excluded.kind
	RETURNING * INTO c;
	RETURN charge_pay(c.id, $5, $8, $9);
END $$;

-- A run's end: settles what it reserved by what its model calls cost, or charges what they cost
-- without a reservation.
CREATE OR REPLACE FUNCTION run_settle(owner uuid, run_id uuid, kind text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	held CONSTANT uuid := (SELECT c.id FROM charge c WHERE c.owner_id = $1 AND c.request_id = $2::text AND c.state = 'reserved'
			AND c.kind <> 'payment'
		UNION ALL SELECT c.id FROM charge c WHERE c.id = $2 AND c.state = 'reserved' LIMIT 1);
	used record;
BEGIN
	SELECT coalesce(sum(e.cost_usd), 0) AS cost, coalesce(sum(e.input_tokens + e.output_tokens), 0) AS tokens,
		max(e.provider) AS provider, max(e.model) AS model
	INTO used FROM usage_event e WHERE e.run_id = $2;
	IF held IS NOT NULL AND used.provider IS NULL THEN
		PERFORM charge_release(held);
	ELSIF held IS NOT NULL THEN
		PERFORM charge_settle(held, used.cost, used.tokens::bigint);
	ELSIF used.cost > 0 THEN
		PERFORM charge_spend($1, 'default', $2::text, $3, used.cost, used.provider, used.model, used.tokens::bigint, NULL);
	END IF;
END $$;

-- Adds to a user's credits, or takes from them where the amount is negative; the user is told.
-- NULL: there is no such user.
CREATE OR REPLACE FUNCTION credit_move(owner uuid, amount numeric, kind text, against text, description text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	transfer uuid;
BEGIN
	PERFORM FROM app_user u WHERE u.id = $1 AND u.erased_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	transfer := ledger_move($1, $2, $3, $4);
	INSERT INTO ledger_note (transfer, owner_id, description) VALUES (transfer, $1, $5);
	RETURN transfer;
END $$;

-- Notes what chats are answered with, and ends what has expired: reservations without a run, and
-- approvals, `most` at most of each; true: there may be more.
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION money_sweep(provider text, model text, most int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	c uuid;
	n int := 0;
BEGIN
	INSERT INTO chat_model AS m (provider, model) VALUES ($1, $2) ON CONFLICT ON CONSTRAINT chat_model_pkey
	DO UPDATE SET provider = $1, model = $2 WHERE (m.provider, m.model) IS DISTINCT FROM ($1, $2);
	-- Users in one order: each is locked until the end.
	FOR c IN SELECT x.id FROM (SELECT y.id, y.owner_id FROM charge y WHERE y.state = 'reserved' AND y.expires_at < now() LIMIT most) x
		ORDER BY x.owner_id LOOP
		PERFORM charge_release(c);
		n := n + 1;
	END LOOP;
	UPDATE approval a SET status = 'expired' WHERE a.id = ANY (ARRAY(SELECT x.id FROM approval x
		WHERE x.status IN ('pending', 'approved') AND x.expires_at < now() LIMIT most FOR UPDATE SKIP LOCKED));
	RETURN n >= most;
END $$;
GRANT EXECUTE ON FUNCTION money_sweep TO millrace_runner;

-- What is wrong in the ledger, for millracectl; no row: nothing. Of one snapshot, so it may be
-- asked at any time.
CREATE OR REPLACE FUNCTION ledger_verify() RETURNS TABLE (problem text) LANGUAGE sql STABLE AS $$
	SELECT format('the transfer %s does not sum up to zero: %s in %s entries', e.transfer, sum(e.amount_usd), count(*))
	FROM ledger_entry e GROUP BY e.transfer HAVING sum(e.amount_usd) <> 0 OR count(*) <> 2
	UNION ALL
	SELECT format('the entry %s says that its user''s balance was %s, and not %s', e.id, e.balance_usd, e.sum) FROM (
		SELECT x.id, x.balance_usd, sum(x.amount_usd) OVER (PARTITION BY x.owner_id ORDER BY x.seq) AS sum
		FROM ledger_entry x WHERE x.owner_id IS NOT NULL
	) e WHERE e.balance_usd <> e.sum
	UNION ALL
	SELECT format('the user %s has a balance of %s, and entries of %s', u.id, u.balance_usd, coalesce(s.sum, 0)) FROM app_user u
	LEFT JOIN (SELECT x.owner_id, sum(x.amount_usd) AS sum FROM ledger_entry x WHERE x.owner_id IS NOT NULL GROUP BY x.owner_id) s
		ON s.owner_id = u.id
	WHERE u.balance_usd <> coalesce(s.sum, 0)
	UNION ALL
	SELECT format('the user %s has reserved %s, by charges of %s', u.id, u.reserved_usd, coalesce(s.sum, 0)) FROM app_user u
	LEFT JOIN (SELECT x.owner_id, sum(x.reserved_usd) AS sum FROM charge x GROUP BY x.owner_id) s ON s.owner_id = u.id
	WHERE u.erased_at IS NULL AND u.reserved_usd <> coalesce(s.sum, 0)
	UNION ALL
	SELECT format('the project %s has %s reserved, %s spent, %s on its day and %s in its month, by charges of %s, %s, %s and %s', p.id,
		p.reserved_usd, p.total_usd, p.day_usd, p.month_usd, s.reserved, s.total, s.day, s.month)
	FROM project p JOIN app_user u ON u.id = p.owner_id AND u.erased_at IS NULL CROSS JOIN LATERAL (
		SELECT coalesce(sum(c.reserved_usd), 0) AS reserved, coalesce(sum(c.amount_usd), 0) AS total,
			coalesce(sum(c.amount_usd) FILTER (WHERE c.day = p.day), 0) AS day,
			coalesce(sum(c.amount_usd) FILTER (WHERE date_trunc('month', c.day) = date_trunc('month', p.day)), 0) AS month
		FROM charge c WHERE c.project_id = p.id
	) s WHERE (p.reserved_usd, p.total_usd, p.day_usd, p.month_usd) IS DISTINCT FROM (s.reserved, s.total, s.day, s.month)
	UNION ALL
	SELECT format('the charge %s costs %s, and entries of it are %s', c.id, c.amount_usd, coalesce(s.sum, 0)) FROM charge c
	LEFT JOIN (SELECT x.charge_id, -sum(x.amount_usd) AS sum FROM ledger_entry x WHERE x.account = 'credits' GROUP BY x.charge_id) s
		ON s.charge_id = c.id
	WHERE c.amount_usd <> coalesce(s.sum, 0)
$$;
