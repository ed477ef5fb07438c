-- What a workflow's run has beside its row, and what ends its waiting. Applied before the
-- migrations, as functions/base.sql says.

CREATE OR REPLACE FUNCTION workflow_run_topic() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		PERFORM topic_own('workflow_run:' || NEW.id, NEW.owner_id);
	ELSE
		DELETE FROM topic_owner o WHERE o.topic = 'workflow_run:' || OLD.id;
	END IF;
	RETURN NULL;
END $$;

-- The step that waits for an agent's run is due when that has ended.
-- As the owner: whoever ends a run may not write steps.
CREATE OR REPLACE FUNCTION workflow_child_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE workflow_step s SET due_at = now() WHERE s.child = NEW.id AND s.status = 'waiting';
	PERFORM notify_durable('millrace_periodic', 'workflows');
	RETURN NULL;
END $$;

-- As the owner: whoever ends a run may not read its workflow.
CREATE OR REPLACE FUNCTION publish_workflow_status() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM workflow_publish(w, CASE NEW.status WHEN 'cancelled' THEN 'failed' ELSE NEW.status END) FROM workflow_run w WHERE w.id = NEW.id;
	RETURN NULL;
END $$;

-- A workflow is in `schedule` while it has a schedule. What is not understood is refused.
-- As the owner: the clock's rows are no role's to write.
CREATE OR REPLACE FUNCTION workflow_schedule() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		PERFORM schedule_end('workflow', OLD.id);
		RETURN OLD;
	ELSIF NEW.interval_s IS NULL AND NEW.cron IS NULL THEN
		PERFORM schedule_end('workflow', NEW.id) WHERE TG_OP = 'UPDATE';
	ELSIF NEW.interval_s IS NOT NULL AND NEW.cron IS NOT NULL THEN
		PERFORM refuse('BAD_REQUEST', 'A schedule is either interval_s or cron.');
	ELSIF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = NEW.timezone) THEN
		PERFORM refuse('BAD_REQUEST', format('The database does not know the time zone %s.', left(NEW.timezone, 64)));
	ELSE
		PERFORM schedule_set('workflow', NEW.id, NEW.owner_id, NEW.interval_s, NEW.cron, NEW.timezone, now());
	END IF;
	RETURN NEW;
END $$;
