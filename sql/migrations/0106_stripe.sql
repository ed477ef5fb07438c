-- Stripe: whom its customers are, what was paid through it, and the inbox of its events.

-- Stripe's words for a subscription's state are kept as they are, those of later versions, too.
ALTER TABLE user_subscription DROP CONSTRAINT user_subscription_status_check,
	ADD COLUMN current_period_end timestamptz;		-- of what is paid, as Stripe says

CREATE TABLE stripe_customer (
	owner_id	uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	customer	text NOT NULL UNIQUE			-- cus_…
);
ALTER TABLE stripe_customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON stripe_customer TO millrace_api USING (owner_id = caller_id());

-- What Stripe was paid: by a checkout, or by an invoice of a subscription.
CREATE TABLE stripe_payment (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	payment		text NOT NULL UNIQUE,			-- cs_… or in_…
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	payment_intent	text,
	package_id	uuid REFERENCES pricing_package ON DELETE SET NULL,
	paid_usd	numeric NOT NULL,
	-- What it gave, and what was taken back of that for refunds and disputes
	credited_usd	numeric NOT NULL,
	taken_usd	numeric NOT NULL DEFAULT 0,
	-- What was refunded or is disputed, of paid_usd
	returned_usd	numeric NOT NULL DEFAULT 0,
	paid_at		timestamptz NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stripe_payment_owner ON stripe_payment (owner_id, id);
CREATE INDEX stripe_payment_intent ON stripe_payment (payment_intent);
CREATE INDEX stripe_payment_package ON stripe_payment (package_id);
CREATE INDEX stripe_payment_paid ON stripe_payment (paid_at);
ALTER TABLE stripe_payment ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON stripe_payment TO millrace_api USING (owner_id = caller_id());

-- How often an object of Stripe's was begun to be read. Who has read it since then has read what is
-- newer: only the last to begin stores.
CREATE TABLE stripe_object (
	object		text PRIMARY KEY,
	version		bigint NOT NULL DEFAULT 1,
	begun_at	timestamptz NOT NULL DEFAULT now()
);

-- Events, once each, by what they are about: the object itself is fetched afresh.
CREATE TABLE stripe_event (
	event		text PRIMARY KEY,
	type		text NOT NULL,
	kind		text,					-- of the object: subscription, charge, …
	object		text,
	payment_intent	text,
	api_version	text,
	received_at	timestamptz NOT NULL DEFAULT now(),
	done_at		timestamptz
);
CREATE INDEX stripe_event_done ON stripe_event (done_at);

INSERT INTO export_section (position, name, query) VALUES
(98, 'stripe_customer', $q$SELECT owner_id, 0::int8, json_build_object('customer', customer)
	FROM stripe_customer WHERE owner_id = caller_id() AND owner_id > $1 ORDER BY owner_id LIMIT $3$q$),
(99, 'payments', $q$SELECT id, 0::int8, stripe_payment_json(p)
	FROM stripe_payment p WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
