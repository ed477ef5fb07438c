-- A payment keeps its currency: not every one has cents.
ALTER TABLE stripe_payment ADD COLUMN currency text NOT NULL DEFAULT 'usd';	-- of paid_usd and returned_usd, as Stripe writes it
DROP FUNCTION IF EXISTS stripe_usd(jsonb);
