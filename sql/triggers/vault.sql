-- What the vault's changes are told to. Applied before the migrations, as functions/base.sql says.

-- The runners read the keys of everybody's again.
CREATE OR REPLACE FUNCTION shared_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (TG_OP <> 'INSERT' AND OLD.everybody) OR (TG_OP <> 'DELETE' AND NEW.everybody) THEN
		PERFORM pg_notify('millrace_periodic', 'providers');
	END IF;
	RETURN NULL;
END $$;
