-- What follows for folders at Google Drive and OneDrive that are kept in step. Applied before the
-- migrations, as functions/base.sql says.

-- Such a folder is looked at by the clock.
-- As the owner: the clock's rows are no role's to write.
CREATE OR REPLACE FUNCTION folder_schedule() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		PERFORM schedule_end('folder', OLD.id);
	ELSIF TG_OP = 'INSERT' OR NEW.every_s <> OLD.every_s THEN
		PERFORM schedule_set('folder', NEW.id, NEW.owner_id, NEW.every_s, NULL, 'UTC', NEW.created_at);
	END IF;
	RETURN NULL;
END $$;

-- A file of such a folder has been fetched, or could not be: the next have their turn.
-- As the owner: runs are not the runner's to make.
CREATE OR REPLACE FUNCTION folder_ingest_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM cloud_item i WHERE i.owner_id = NEW.owner_id AND i.run_id = NEW.id) THEN
		PERFORM folder_feed(NEW.owner_id);
	END IF;
	RETURN NULL;
END $$;
