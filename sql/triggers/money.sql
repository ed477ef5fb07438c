-- What keeps the ledger, and what ends a run's charge. Applied before the migrations, as
-- functions/base.sql says.

CREATE OR REPLACE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'The ledger takes no % of rows.', lower(TG_OP);
END $$;

-- A run that ends settles what its model calls cost, in the transaction that ends it. Most cost
-- nothing and have reserved nothing. A call's is settled by who ends it.
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION run_settled() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
BEGIN
	PERFORM run_settle(NEW.owner_id, NEW.id, NEW.kind);
	RETURN NULL;
END $$;

-- A model call that is counted when its run has ended (its runner had lost it) is charged by
-- itself. The lock waits for an end that is just being written, which does not see this row.
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION usage_settled() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	r run;
BEGIN
	SELECT * INTO r FROM run WHERE run.id = NEW.run_id FOR SHARE;
	IF r.ended_at IS NOT NULL THEN
		PERFORM charge_spend(NEW.owner_id, 'default', NEW.run_id || '/' || NEW.call, r.kind, NEW.cost_usd, NEW.provider, NEW.model,
			NEW.input_tokens + NEW.output_tokens, NULL);
	END IF;
	RETURN NULL;
END $$;

-- A limit is no less than nothing.
CREATE OR REPLACE FUNCTION project_limits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE check_violation USING MESSAGE = 'A limit of a project is negative.';
END $$;

-- A project's charges go with it. (A foreign key would do the same, and look each new one's project
-- up, which who makes one has locked.)
-- As the owner: the ledger is no role's to write.
CREATE OR REPLACE FUNCTION charge_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM charge c WHERE c.project_id = OLD.id;
	RETURN NULL;
END $$;
