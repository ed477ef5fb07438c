-- What follows from a deletion: the runner is woken for the rest, copies go along, and what is
-- stored is counted. Applied before the migrations, as functions/base.sql says.

CREATE OR REPLACE FUNCTION deletion_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('millrace_periodic', 'deletions');
	RETURN NULL;
END $$;

-- A run's job goes with it. (A foreign key would do the same, and look up the run of each new job,
-- which was made just before.)
-- As the owner: it ends what is another's row to the one who writes.
CREATE OR REPLACE FUNCTION job_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM job j WHERE j.run_id = OLD.id;
	RETURN NULL;
END $$;

-- The reply that was kept for an Idempotency-Key is a copy of what the request made. An empty one
-- says that this is gone: without it, the request repeated would make it once more. It was written
-- in the transaction that made the thing, hence under the same created_at; a secret is also
-- replaced by such requests, all of which are looked for.
-- As the owner: the reply is another's row to the one who writes.
CREATE OR REPLACE FUNCTION reply_forgotten() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF TG_TABLE_NAME = 'secret' THEN
		UPDATE idempotency i SET reply = '{}' WHERE i.owner_id = OLD.owner_id AND strpos(array_to_string(i.reply, ' '), OLD.id::text) > 0;
	ELSE
		UPDATE idempotency i SET reply = '{}'
		WHERE i.created_at = OLD.created_at AND i.owner_id = OLD.owner_id AND strpos(array_to_string(i.reply, ' '), OLD.id::text) > 0;
	END IF;
	RETURN NULL;
END $$;

-- The event that told of a notification holds its text. It stays without that, since `seq` has no
-- gaps. Written in the transaction that made the notification, hence under the same created_at.
-- As the owner: the event log is no role's to change.
CREATE OR REPLACE FUNCTION event_forgotten() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE stream_event e SET data = (e.data::jsonb || '{"title": "", "message": "", "action_url": null, "metadata": {}}')::json
	WHERE e.topic = 'user:' || OLD.owner_id AND e.created_at = OLD.created_at AND e.type = 'notification_created'
		AND e.data ->> 'id' = OLD.id::text;
	RETURN NULL;
END $$;

-- What a user's documents and files take up. A file counts until it is marked as deleted.
-- As the owner: storage is no role's to write.
CREATE OR REPLACE FUNCTION blob_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	was bigint := CASE WHEN TG_OP = 'INSERT' OR OLD.deleted_at IS NOT NULL THEN 0 ELSE OLD.size END;
	is_now bigint := CASE WHEN TG_OP = 'DELETE' OR NEW.deleted_at IS NOT NULL THEN 0 ELSE NEW.size END;
BEGIN
	PERFORM storage_add(coalesce(NEW.owner_id, OLD.owner_id), 0, 0, is_now - was);
	RETURN NULL;
END $$;

-- As the owner: storage is no role's to write.
CREATE OR REPLACE FUNCTION document_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	was int := (TG_OP <> 'INSERT' AND OLD.deleted_at IS NULL)::int;
	is_now int := (TG_OP <> 'DELETE' AND NEW.deleted_at IS NULL)::int;
BEGIN
	PERFORM storage_add(coalesce(NEW.owner_id, OLD.owner_id), is_now - was,
		is_now * coalesce(NEW.chunk_count, 0) - was * coalesce(OLD.chunk_count, 0), 0);
	RETURN NULL;
END $$;
