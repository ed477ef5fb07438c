-- Tasks, and what begins them by the clock. Applied before the migrations, as functions/base.sql
-- says.

-- Whoever listens hears what changes: the task itself, and how far each stage is.
CREATE OR REPLACE FUNCTION publish_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.process_id IS NULL THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'INSERT' OR (NEW.status, NEW.progress, NEW.error) IS DISTINCT FROM (OLD.status, OLD.progress, OLD.error) THEN
		PERFORM publish_to_owner(NEW.owner_id, 'task_update', task_json(NEW));
	END IF;
	IF TG_OP = 'UPDATE' AND NEW.pipeline <> OLD.pipeline THEN
		PERFORM publish_to_owner(NEW.owner_id, 'pipeline_update', json_build_object('process_id', NEW.process_id, 'task_id', NEW.id,
			'pipeline', NEW.pipeline));
	END IF;
	RETURN NULL;
END $$;

-- A task ends with its run, however that ends. What it matched is what is shown from then on, where
-- it came to its end; what was shown before is swept.
-- As the owner: runs are ended by whoever may, for whom processes are no tables.
CREATE OR REPLACE FUNCTION task_run_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	good CONSTANT boolean := NEW.status = 'completed';
	was uuid;
	t task;
BEGIN
	UPDATE task x SET status = CASE WHEN good THEN 'completed' ELSE 'failed' END, progress = CASE WHEN good THEN 100 ELSE x.progress END,
		error = NEW.error_message, pipeline = CASE WHEN good THEN x.pipeline ELSE pipeline_failed(x.pipeline, NEW.error_message) END,
		updated_at = now(), ended_at = now()
	WHERE x.id = NEW.id RETURNING * INTO t;
	IF good AND t.process_id IS NOT NULL THEN
		SELECT p.matched_task INTO was FROM agent_process p WHERE p.id = t.process_id FOR NO KEY UPDATE;
		UPDATE agent_process p SET matched_task = t.id WHERE p.id = t.process_id;
		UPDATE task x SET swept = false WHERE x.id = was;
	END IF;
	PERFORM pg_notify('millrace_periodic', 'tasks');
	RETURN NULL;
END $$;

-- A process has a schedule while it is active and is to run by one.
-- As the owner: the clock's rows are no role's to write.
CREATE OR REPLACE FUNCTION process_schedule() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		PERFORM schedule_end('process', OLD.id);
	ELSIF TG_OP = 'UPDATE' AND (NEW.status, NEW.execution_mode, NEW.interval_s, NEW.cron, NEW.timezone, NEW.started_at)
		IS NOT DISTINCT FROM (OLD.status, OLD.execution_mode, OLD.interval_s, OLD.cron, OLD.timezone, OLD.started_at) THEN
		RETURN NULL;
	ELSIF NEW.status = 'active' AND NEW.execution_mode = 'scheduled' AND (NEW.interval_s IS NOT NULL OR NEW.cron IS NOT NULL) THEN
		PERFORM schedule_set('process', NEW.id, NEW.owner_id, NEW.interval_s, NEW.cron, NEW.timezone, coalesce(NEW.started_at, now()));
	ELSE
		PERFORM schedule_end('process', NEW.id);
	END IF;
	RETURN NULL;
END $$;
