-- What is begun by the clock. A row for each thing that has a schedule and runs by it.

CREATE TABLE schedule (
	kind		text NOT NULL,			-- process: schedule_begin() has one function a kind
	thing		uuid NOT NULL,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	interval_s	int,
	cron		text,
	timezone	text NOT NULL,
	started_at	timestamptz NOT NULL,		-- intervals count from there
	due_at		timestamptz NOT NULL,
	look_at		timestamptz NOT NULL,		-- due_at, or later where it could not begin then
	PRIMARY KEY (kind, thing)
);
CREATE INDEX schedule_look ON schedule (look_at);
CREATE INDEX schedule_owner ON schedule (owner_id);
ALTER TABLE schedule ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON schedule TO millrace_api USING (owner_id = caller_id());

CREATE TRIGGER process_schedule AFTER INSERT OR UPDATE OR DELETE ON agent_process FOR EACH ROW EXECUTE FUNCTION process_schedule();
