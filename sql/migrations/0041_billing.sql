-- What is sold: packages, campaigns that lower a package's price for a time, and subscriptions.

CREATE TABLE pricing_package (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	name		text NOT NULL,
	description	text NOT NULL DEFAULT '',
	price_usd	numeric NOT NULL CHECK (price_usd >= 0),
	period		text NOT NULL DEFAULT 'month' CHECK (period IN ('month', 'year', 'once')),
	-- What a purchase of it adds to the credits
	credits_usd	numeric NOT NULL DEFAULT 0 CHECK (credits_usd >= 0),
	features	text[] NOT NULL DEFAULT '{}',
	-- Stripe's price for it
	stripe_price_id	text,
	active		boolean NOT NULL DEFAULT true,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX pricing_package_stripe ON pricing_package (stripe_price_id);

CREATE TABLE pricing_campaign (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	package_id	uuid NOT NULL REFERENCES pricing_package ON DELETE CASCADE,
	name		text NOT NULL,
	price_usd	numeric NOT NULL CHECK (price_usd >= 0),
	starts_at	timestamptz NOT NULL,
	ends_at		timestamptz NOT NULL CHECK (ends_at > starts_at),
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pricing_campaign_package ON pricing_campaign (package_id, starts_at);

CREATE TABLE user_subscription (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	-- NULL: of something that is sold no more
	package_id	uuid REFERENCES pricing_package ON DELETE SET NULL,
	status		text NOT NULL CHECK (status IN ('trialing', 'active', 'past_due', 'canceled', 'paused', 'incomplete', 'unpaid')),
	start_date	timestamptz NOT NULL DEFAULT now(),
	end_date	timestamptz,
	final_price	numeric NOT NULL CHECK (final_price >= 0),
	stripe_customer_id text,
	stripe_subscription_id text UNIQUE,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX user_subscription_owner ON user_subscription (owner_id, id);
CREATE INDEX user_subscription_package ON user_subscription (package_id);
ALTER TABLE user_subscription ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON user_subscription TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER publish_subscription_created AFTER INSERT ON user_subscription FOR EACH ROW EXECUTE FUNCTION publish_subscription_created();
CREATE TRIGGER publish_subscription_updated AFTER UPDATE ON user_subscription FOR EACH ROW
	WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION publish_subscription_updated();
INSERT INTO export_section (position, name, query) VALUES
(96, 'subscriptions', $q$SELECT id, 0::int8, subscription_json(s)
	FROM user_subscription s WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
