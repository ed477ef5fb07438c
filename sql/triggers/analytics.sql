-- What figures are counted by. Applied before the migrations, as functions/base.sql says.

-- As the owner: what is counted is no role's to write.
CREATE OR REPLACE FUNCTION lead_gone_note() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO lead_gone (lead_id, hour) SELECT g.id, date_trunc('hour', g.created_at, 'UTC') FROM gone g ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;
