-- Workflows that begin by the clock.

ALTER TABLE workflow ADD COLUMN interval_s int, ADD COLUMN cron text, ADD COLUMN timezone text NOT NULL DEFAULT 'UTC';

-- A run by the clock: one for each time that is due.
ALTER TABLE workflow_run ADD COLUMN due_at timestamptz, ADD CONSTRAINT workflow_run_due UNIQUE (workflow_id, due_at);

CREATE TRIGGER workflow_schedule BEFORE INSERT OR UPDATE OF interval_s, cron, timezone OR DELETE ON workflow
	FOR EACH ROW EXECUTE FUNCTION workflow_schedule();
