-- Stripe: what is asked of it, the inbox of its events, and what its objects say. An object is
-- stored as a whole, as it was just fetched, so that events may come twice, late, in any order, or
-- not at all. Locks: the object's row in stripe_object, then the user's.

CREATE OR REPLACE FUNCTION stripe_payment_json(p stripe_payment) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', p.id, 'payment', p.payment, 'payment_intents', p.payment_intents, 'package_id', p.package_id, 'paidUsd', p.paid_usd,
		'currency', p.currency, 'creditedUsd', p.credited_usd, 'takenBackUsd', p.taken_usd, 'returnedUsd', p.returned_usd, 'paidAt', rfc3339(p.paid_at))
$$;
GRANT EXECUTE ON FUNCTION stripe_payment_json TO millrace_api;

-- An event whose signature is good: stored once by its id, and worked on by a job. What is about
-- none of the objects that we know is stored alone.
-- As the owner: the inbox is no role's to write.
CREATE OR REPLACE FUNCTION stripe_event_add(event text, type text, api_version text, object jsonb) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	kind CONSTANT text := $4 ->> 'object';
	known CONSTANT boolean := coalesce(kind IN ('checkout.session', 'subscription', 'invoice', 'charge', 'refund', 'dispute', 'payment_intent'), false);
BEGIN
	INSERT INTO stripe_event (event, type, kind, object, payment_intent, api_version, done_at)
	VALUES ($1, $2, kind, $4 ->> 'id', CASE kind WHEN 'payment_intent' THEN $4 ->> 'id' ELSE stripe_id($4, 'payment_intent') END, $3,
		CASE WHEN NOT known THEN now() END)
	ON CONFLICT DO NOTHING;
	IF FOUND AND known THEN
		PERFORM run_add(NULL, 'stripe', jsonb_build_object('task', 'event', 'event', $1), 5, 15);
	END IF;
	RETURN '{"received": true}';
END $$;
GRANT EXECUTE ON FUNCTION stripe_event_add TO millrace_api;

-- A member that is an object's id, or the object where it was expanded.
CREATE OR REPLACE FUNCTION stripe_id(o jsonb, name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE jsonb_typeof(o -> $2) WHEN 'string' THEN o ->> $2 WHEN 'object' THEN o -> $2 ->> 'id' END
$$;

CREATE OR REPLACE FUNCTION stripe_time(seconds jsonb) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE jsonb_typeof($1) WHEN 'number' THEN to_timestamp($1::float8) END
$$;

-- An amount as Stripe writes it, in the currency's smallest unit: which that is, its page on
-- currencies says. Króna and Ugandan shillings have no cents any more, but count in these all the
-- same.
CREATE OR REPLACE FUNCTION stripe_amount(units jsonb, currency text) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
	SELECT trim_scale(CASE WHEN $1 #>> '{}' ~ '^-?\d+(\.\d+)?$' THEN ($1 #>> '{}')::numeric ELSE 0 END * CASE
		WHEN lower($2) = ANY ('{bif,clp,djf,gnf,jpy,kmf,krw,mga,pyg,rwf,vnd,vuv,xaf,xof,xpf}') THEN 1
		WHEN lower($2) = ANY ('{bhd,jod,kwd,omr,tnd}') THEN 0.001
		ELSE 0.01 END)
$$;

-- The address of a page that a browser comes back to; `problem` says why what the caller has given
-- is none. Empty: it is the settings' to name, and they do not.
CREATE OR REPLACE FUNCTION stripe_page(url text, problem text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF $2 IS NOT NULL THEN
		PERFORM refuse('BAD_REQUEST', $2);
	ELSIF $1 = '' THEN
		PERFORM refuse('CONFLICT', 'Stripe is not set up: STRIPE_SUCCESS_URL, STRIPE_CANCEL_URL.');
	END IF;
	RETURN $1;
END $$;
GRANT EXECUTE ON FUNCTION stripe_page TO millrace_api;

-- Makes a checkout's run. The price: the one given, the package's that the metadata name, or
-- `fallback`. Amounts are taken with `amount` alone: then it is credits that are bought.
CREATE OR REPLACE FUNCTION stripe_checkout_start(price text, fallback text, mode text, success_url text, cancel_url text, email text, metadata jsonb,
	amount numeric, queue_max int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	p pricing_package;
	wanted text := $1;
BEGIN
	IF $7 IS NOT NULL AND ((SELECT count(*) FROM jsonb_each($7)) > 40 OR EXISTS (SELECT FROM jsonb_each($7) m
		WHERE jsonb_typeof(m.value) IN ('object', 'array', 'null') OR m.key !~ '^[^][]{1,40}$' OR m.key LIKE 'millrace\_%' OR length(m.value #>> '{}') > 500))
	THEN
		PERFORM refuse('BAD_REQUEST', 'metadata must be at most 40 words, named by at most 40 characters without brackets, of at most 500 characters.');
	ELSIF $8 IS NOT NULL THEN
		IF $8 * 100 <> trunc($8 * 100) OR $8 < 0.5 THEN
			PERFORM refuse('BAD_REQUEST', 'amountUsd must be whole cents, and at least 0.50.');
		END IF;
	ELSE
		IF wanted IS NULL AND $7 ? 'package_id' THEN
			SELECT * INTO p FROM pricing_package x WHERE x.id::text = lower($7 ->> 'package_id') AND x.active;
			wanted := p.stripe_price_id;
			IF wanted IS NULL THEN
				PERFORM refuse('BAD_REQUEST', 'The package of metadata.package_id is not sold by Stripe: it has no stripe_price_id.');
			END IF;
		END IF;
		wanted := coalesce(wanted, nullif($2, ''));
		IF wanted IS NULL THEN
			PERFORM refuse('BAD_REQUEST', 'price_id is missing, and STRIPE_PRICE_ID is not set.');
		END IF;
		SELECT * INTO p FROM pricing_package x WHERE x.stripe_price_id = wanted;
		IF NOT p.active THEN
			PERFORM refuse('BAD_REQUEST', 'The package of this price is not sold any more.');
		END IF;
	END IF;
	RETURN run_enqueue('stripe', jsonb_build_object('task', 'checkout', 'reply', 'stripe', 'price', wanted, 'package', p.id,
		'mode', CASE WHEN $8 IS NOT NULL OR p.period = 'once' THEN 'payment' ELSE $3 END, 'success_url', $4, 'cancel_url', $5, 'email', $6,
		'metadata', coalesce($7, '{}')::text, 'cents', ($8 * 100)::bigint), $9, priority => 10);
END $$;
GRANT EXECUTE ON FUNCTION stripe_checkout_start TO millrace_api;

-- The user's customer at Stripe, and, for a package with a campaign under way, what it costs now
-- and for how long (NULL: the price at Stripe is the one).
-- As the owner: the runner has what it needs of packages alone.
CREATE OR REPLACE FUNCTION stripe_buyer(owner uuid, package uuid, OUT customer text, OUT email text, OUT cents bigint, OUT name text, OUT period text)
RETURNS record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	customer := (SELECT c.customer FROM stripe_customer c WHERE c.owner_id = $1);
	email := (SELECT u.email FROM app_user u WHERE u.id = $1);
	SELECT p.name, p.period, (min(c.price_usd) * 100)::bigint INTO name, period, cents
	FROM pricing_package p JOIN pricing_campaign c ON c.package_id = p.id
	WHERE p.id = $2 AND now() >= c.starts_at AND now() < c.ends_at AND c.price_usd < p.price_usd GROUP BY p.id;
END $$;
GRANT EXECUTE ON FUNCTION stripe_buyer TO millrace_runner;

-- Forgets a customer whom Stripe does not have any more: the next checkout makes another one.
-- As the owner: what Stripe says is no role's to write.
CREATE OR REPLACE FUNCTION stripe_customer_gone(owner uuid, customer text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	DELETE FROM stripe_customer c WHERE c.owner_id = $1 AND c.customer = $2
$$;
GRANT EXECUTE ON FUNCTION stripe_customer_gone TO millrace_runner;

-- What an event is about.
-- As the owner: the inbox is no role's.
CREATE OR REPLACE FUNCTION stripe_event_about(event text, OUT kind text, OUT object text, OUT payment_intent text, OUT api_version text) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT e.kind, e.object, e.payment_intent, e.api_version FROM stripe_event e WHERE e.event = $1
$$;
GRANT EXECUTE ON FUNCTION stripe_event_about TO millrace_runner;

-- Ends the job of an event, with the mark that it is done.
-- As the owner: the inbox is no role's to write.
CREATE OR REPLACE FUNCTION stripe_event_done(run_id uuid, runner text, attempt int, after bigint, event text, data json) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE stripe_event e SET done_at = now() WHERE e.event = $5 AND e.done_at IS NULL;
	RETURN job_done($1, $2, $3, $4, $6, NULL);
END $$;
GRANT EXECUTE ON FUNCTION stripe_event_done TO millrace_runner;

-- Begins to read an object: what is stored of it then has to have this version.
-- As the owner: what Stripe says is no role's to write.
CREATE OR REPLACE FUNCTION stripe_begin(object text) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	INSERT INTO stripe_object AS o (object) VALUES ($1)
	ON CONFLICT ON CONSTRAINT stripe_object_pkey DO UPDATE SET version = o.version + 1, begun_at = now() RETURNING o.version
$$;
GRANT EXECUTE ON FUNCTION stripe_begin TO millrace_runner;

-- Locks an object for storing; false where somebody has begun to read it since.
CREATE OR REPLACE FUNCTION stripe_is_newest(object text, version bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM stripe_object o WHERE o.object = $1 AND o.version = $2 FOR UPDATE;
	RETURN FOUND;
END $$;

-- Whose an object is: as our checkout has marked it, or its customer's. NULL: nobody's here.
CREATE OR REPLACE FUNCTION stripe_owner(o jsonb) RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT coalesce(
		(SELECT u.id FROM app_user u WHERE u.id::text = o -> 'metadata' ->> 'millrace_user' AND u.erased_at IS NULL),
		(SELECT c.owner_id FROM stripe_customer c JOIN app_user u ON u.id = c.owner_id AND u.erased_at IS NULL WHERE c.customer = stripe_id(o, 'customer')))
$$;

CREATE OR REPLACE FUNCTION stripe_customer_note(owner uuid, customer text) RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO stripe_customer AS c (owner_id, customer) SELECT $1, $2 WHERE $2 IS NOT NULL ON CONFLICT DO NOTHING
$$;

-- The row that a subscription of Stripe's is here, but for its id and times of its own.
CREATE OR REPLACE FUNCTION stripe_subscription_row(o jsonb) RETURNS user_subscription LANGUAGE sql STABLE AS $$
	SELECT ROW(s.id, coalesce(s.owner_id, stripe_owner(o)), coalesce((SELECT p.id FROM jsonb_path_query(o, '$.items.data[*].price.id') i
			JOIN pricing_package p ON p.stripe_price_id = i #>> '{}' LIMIT 1),
			(SELECT p.id FROM pricing_package p WHERE p.id::text = o -> 'metadata' ->> 'millrace_package')),
		o ->> 'status', coalesce(stripe_time(o -> 'start_date'), stripe_time(o -> 'created')),
		coalesce(stripe_time(o -> 'ended_at'), stripe_time(o -> 'cancel_at'), CASE WHEN (o ->> 'cancel_at_period_end')::boolean THEN period.ends END),
		coalesce((SELECT sum(stripe_amount(coalesce(nullif(i -> 'price' -> 'unit_amount', 'null'), i -> 'price' -> 'unit_amount_decimal'),
				i -> 'price' ->> 'currency') * coalesce((i ->> 'quantity')::numeric, 1))
			FROM jsonb_path_query(o, '$.items.data[*]') i), 0),
		stripe_id(o, 'customer'), o ->> 'id', s.created_at, s.updated_at, period.ends)::user_subscription
	FROM (SELECT max(stripe_time(i)) AS ends FROM jsonb_path_query(o, '$.items.data[*].current_period_end') i) period
	LEFT JOIN user_subscription s ON s.stripe_subscription_id = o ->> 'id'
$$;

-- How our row differs from what it is to be; NULL: it does not.
CREATE OR REPLACE FUNCTION stripe_subscription_difference(now_is user_subscription, to_be user_subscription) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN to_be.owner_id IS NULL THEN NULL
		WHEN now_is.id IS NULL THEN format('%s (%s) was not here', to_be.stripe_subscription_id, to_be.status)
		ELSE (SELECT format('%s had %s', to_be.stripe_subscription_id, string_agg(format('%s %s, and not %s', a.key, a.value, b.value), '; ' ORDER BY a.key))
			FROM jsonb_each(to_jsonb(now_is)) a JOIN jsonb_each(to_jsonb(to_be)) b USING (key) WHERE a.value <> b.value HAVING count(*) > 0) END
$$;

-- Stores a subscription as Stripe has it; the difference in words, NULL: none, or it is nobody's.
-- As the owner: what Stripe says is no role's to write.
CREATE OR REPLACE FUNCTION stripe_subscription_store(object text, version bigint, o jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r user_subscription;
	was user_subscription;
	differs text;
BEGIN
	IF NOT stripe_is_newest($1, $2) THEN
		RETURN NULL;
	END IF;
	r := stripe_subscription_row(o);
	SELECT * INTO was FROM user_subscription s WHERE s.stripe_subscription_id = $1;
	differs := stripe_subscription_difference(was, r);
	IF differs IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM FROM app_user u WHERE u.id = r.owner_id FOR NO KEY UPDATE;
	PERFORM stripe_customer_note(r.owner_id, r.stripe_customer_id);
	INSERT INTO user_subscription AS s (owner_id, package_id, status, start_date, end_date, final_price, stripe_customer_id, stripe_subscription_id,
		current_period_end)
	VALUES (r.owner_id, r.package_id, r.status, r.start_date, r.end_date, r.final_price, r.stripe_customer_id, r.stripe_subscription_id,
		r.current_period_end)
	ON CONFLICT (stripe_subscription_id) DO UPDATE SET package_id = excluded.package_id, status = excluded.status,
		start_date = excluded.start_date, end_date = excluded.end_date, final_price = excluded.final_price,
		stripe_customer_id = excluded.stripe_customer_id, current_period_end = excluded.current_period_end, updated_at = now();
	PERFORM audit(NULL, r.owner_id, 'subscription_stored', jsonb_build_object('subscription', $1, 'status', r.status));
	RETURN differs;
END $$;
GRANT EXECUTE ON FUNCTION stripe_subscription_store TO millrace_runner;

-- The package that an invoice of a subscription is for, as it says itself: the subscription may
-- have another by now.
CREATE OR REPLACE FUNCTION stripe_invoice_package(o jsonb) RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT p.id FROM jsonb_path_query(o, '$.lines.data[*] ? (@.parent.subscription_item_details.proration == false).pricing.price_details') d
			JOIN pricing_package p ON p.stripe_price_id = stripe_id(d, 'price') ORDER BY p.id LIMIT 1),
		(SELECT p.id FROM pricing_package p WHERE p.id::text = o #>> '{parent,subscription_details,metadata,millrace_package}'))
$$;

-- What a paid checkout or invoice gave: a package's credits, or, where nothing else was bought,
-- what was paid. An invoice gives for a new period alone, not for changes within it; whose it is
-- says its `subscription`, as Stripe has it, since another job may be about to store that.
CREATE OR REPLACE FUNCTION stripe_payment_row(o jsonb, subscription jsonb, payment_intents text[], charges jsonb, disputes jsonb) RETURNS stripe_payment
LANGUAGE plpgsql STABLE AS $$
DECLARE
	r stripe_payment;
	sold pricing_package;
	is_invoice CONSTANT boolean := o ->> 'object' = 'invoice';
	subscriber CONSTANT uuid := CASE WHEN is_invoice THEN (stripe_subscription_row($2)).owner_id END;
BEGIN
	r.payment := o ->> 'id';
	r.owner_id := coalesce(stripe_owner(o), subscriber);
	r.payment_intents := $3;
	r.currency := coalesce(lower(o ->> 'currency'), 'usd');
	r.paid_usd := coalesce(stripe_amount(o -> CASE WHEN is_invoice THEN 'amount_paid' ELSE 'amount_total' END, r.currency), 0);
	r.paid_at := coalesce(stripe_time(o #> '{status_transitions,paid_at}'), stripe_time(o -> 'created'));
	SELECT p.* INTO sold FROM pricing_package p WHERE CASE WHEN is_invoice
		THEN p.id = stripe_invoice_package(o)
		ELSE p.id::text = o -> 'metadata' ->> 'millrace_package' END;
	r.package_id := sold.id;
	r.credited_usd := CASE WHEN is_invoice THEN CASE WHEN o ->> 'billing_reason' IN ('subscription_create', 'subscription_cycle')
			THEN coalesce(sold.credits_usd, 0) ELSE 0 END
		WHEN sold.id IS NOT NULL THEN sold.credits_usd
		WHEN r.currency = 'usd' THEN r.paid_usd ELSE 0 END;
	r.returned_usd := least(r.paid_usd,
		coalesce((SELECT sum(stripe_amount(c, r.currency)) FROM jsonb_path_query($4, '$.data[*].amount_refunded') c), 0)
		+ coalesce((SELECT sum(stripe_amount(d -> 'amount', r.currency)) FROM jsonb_path_query($5, '$.data[*]') d
			WHERE d ->> 'status' NOT IN ('won', 'prevented', 'warning_needs_response', 'warning_under_review', 'warning_closed')), 0));
	r.taken_usd := CASE WHEN r.returned_usd = 0 THEN 0 WHEN r.returned_usd = r.paid_usd THEN r.credited_usd
		ELSE round(r.credited_usd * r.returned_usd / r.paid_usd, 6) END;
	RETURN r;
END $$;

-- Stores what a checkout (mode payment) or an invoice brought, and moves the credits to what that
-- makes of them; the difference in words, NULL: none, it is not paid, or nobody's. What it gave at
-- first stays: prices and packages change.
-- As the owner: what Stripe says, and the ledger, are no role's to write.
CREATE OR REPLACE FUNCTION stripe_payment_store(object text, version bigint, o jsonb, subscription jsonb, payment_intents text[], charges jsonb, disputes jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	r stripe_payment;
	was stripe_payment;
	said text[] := '{}';
BEGIN
	IF NOT stripe_is_newest($1, $2) THEN
		RETURN NULL;
	END IF;
	r := stripe_payment_row(o, $4, $5, $6, $7);
	IF r.owner_id IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM FROM app_user u WHERE u.id = r.owner_id FOR NO KEY UPDATE;
	PERFORM stripe_customer_note(r.owner_id, stripe_id(o, 'customer'));
	SELECT * INTO was FROM stripe_payment p WHERE p.payment = $1;
	IF was.payment IS NULL AND (r.paid_usd = 0 OR o ->> 'mode' = 'subscription'
		OR coalesce(o ->> 'payment_status', o ->> 'status') <> 'paid') THEN
		RETURN NULL;
	ELSIF was.payment IS NULL THEN
		INSERT INTO stripe_payment (payment, owner_id, payment_intents, package_id, paid_usd, currency, credited_usd, paid_at)
		VALUES ($1, r.owner_id, r.payment_intents, r.package_id, r.paid_usd, r.currency, r.credited_usd, r.paid_at) RETURNING * INTO was;
		IF r.credited_usd <> 0 THEN
			PERFORM credit_move(r.owner_id, r.credited_usd, 'purchase', 'purchases', format('Paid %s %s', r.paid_usd,
				CASE r.currency WHEN 'usd' THEN 'US dollars' ELSE upper(r.currency) END));
		END IF;
		said := said || format('%s gave %s', $1, r.credited_usd);
	END IF;
	UPDATE stripe_payment p SET payment_intents = r.payment_intents, paid_usd = r.paid_usd, currency = r.currency
	WHERE p.id = was.id AND (p.payment_intents, p.paid_usd, p.currency) IS DISTINCT FROM (r.payment_intents, r.paid_usd, r.currency);
	IF was.credited_usd <> r.credited_usd THEN
		r.taken_usd := CASE WHEN r.returned_usd = r.paid_usd THEN was.credited_usd ELSE round(was.credited_usd * r.returned_usd / r.paid_usd, 6) END;
	END IF;
	IF (was.taken_usd, was.returned_usd) <> (r.taken_usd, r.returned_usd) THEN
		UPDATE stripe_payment p SET taken_usd = r.taken_usd, returned_usd = r.returned_usd WHERE p.id = was.id;
		IF was.taken_usd <> r.taken_usd THEN
			PERFORM credit_move(was.owner_id, was.taken_usd - r.taken_usd, 'refund', 'refunds',
				CASE WHEN r.taken_usd > was.taken_usd THEN 'A payment was refunded or is disputed' ELSE 'A refund failed, or a dispute was won' END);
		END IF;
		said := said || format('%s took back %s, and not %s', $1, r.taken_usd, was.taken_usd);
	END IF;
	IF said = '{}' THEN
		RETURN NULL;
	END IF;
	PERFORM audit(NULL, was.owner_id, 'payment_stored', jsonb_build_object('payment', $1, 'credited_usd', was.credited_usd, 'taken_usd', r.taken_usd));
	RETURN array_to_string(said, '; ');
END $$;
GRANT EXECUTE ON FUNCTION stripe_payment_store TO millrace_runner;

-- Of a page of a list of Stripe's, what may not be here as it is there: what to read.
-- As the owner: what Stripe says is no role's.
CREATE OR REPLACE FUNCTION stripe_suspects(list jsonb) RETURNS TABLE (kind text, object text, payment_intent text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT o ->> 'object', o ->> 'id', stripe_id(o, 'payment_intent') FROM jsonb_path_query($1, '$.data[*]') o WHERE CASE o ->> 'object'
		WHEN 'subscription' THEN stripe_subscription_difference((SELECT s FROM user_subscription s WHERE s.stripe_subscription_id = o ->> 'id'),
			stripe_subscription_row(o)) IS NOT NULL
		WHEN 'checkout.session' THEN o ->> 'mode' = 'payment' AND o ->> 'payment_status' = 'paid' AND stripe_owner(o) IS NOT NULL
			AND NOT EXISTS (SELECT FROM stripe_payment p WHERE p.payment = o ->> 'id')
		WHEN 'invoice' THEN o ->> 'status' = 'paid' AND NOT EXISTS (SELECT FROM stripe_payment p WHERE p.payment = o ->> 'id')
			AND EXISTS (SELECT FROM user_subscription s WHERE s.stripe_subscription_id = stripe_id(o #> '{parent,subscription_details}', 'subscription'))
		-- What an invoice was paid in parts by tells of its own part.
		WHEN 'charge' THEN (o ->> 'disputed')::boolean OR EXISTS (SELECT FROM stripe_payment p
			WHERE p.payment_intents @> ARRAY[stripe_id(o, 'payment_intent')]
			AND (p.returned_usd <> stripe_amount(o -> 'amount_refunded', o ->> 'currency') OR cardinality(p.payment_intents) > 1))
		ELSE false END
$$;
GRANT EXECUTE ON FUNCTION stripe_suspects TO millrace_runner;

-- Subscriptions here that run, and that Stripe's whole list did not have.
-- As the owner: whose they are is no matter of the runner's.
CREATE OR REPLACE FUNCTION stripe_unknown(seen jsonb) RETURNS TABLE (subscription text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT s.stripe_subscription_id FROM user_subscription s
	WHERE s.stripe_subscription_id IS NOT NULL AND s.status NOT IN ('canceled', 'incomplete_expired') AND NOT $1 ? s.stripe_subscription_id
	ORDER BY 1 LIMIT 1000
$$;
GRANT EXECUTE ON FUNCTION stripe_unknown TO millrace_runner;

-- Enqueues a comparison with Stripe, for millracectl.
CREATE OR REPLACE FUNCTION stripe_reconcile_start() RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT run_add(NULL, 'stripe', '{"task": "reconcile"}', 5)
$$;

-- The same a day after the last one was begun; and forgets events that Stripe does not send again.
-- As the owner: runs of nobody, and the inbox.
CREATE OR REPLACE FUNCTION stripe_nightly() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM stripe_event e WHERE e.done_at < now() - interval '90 days';
	INSERT INTO stripe_object AS o (object) VALUES ('reconcile') ON CONFLICT ON CONSTRAINT stripe_object_pkey
	DO UPDATE SET version = o.version + 1, begun_at = now() WHERE o.begun_at < now() - interval '1 day';
	IF FOUND THEN
		PERFORM stripe_reconcile_start();
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION stripe_nightly TO millrace_runner;
