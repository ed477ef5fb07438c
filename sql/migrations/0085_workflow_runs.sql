-- Runs of workflows, and what each of their steps got and gave.

-- Its id is its run's. The definition is the workflow's as it was when the run began.
CREATE TABLE workflow_run (
	id		uuid PRIMARY KEY REFERENCES run ON DELETE CASCADE,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	workflow_id	uuid NOT NULL,			-- which may be gone
	definition	json NOT NULL,
	inputs		json NOT NULL,
	outputs		json,				-- of the steps at the top, by their ids, once it is completed
	step		text,				-- the one that began or ended last
	progress	numeric NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1)
);
CREATE INDEX workflow_run_owner ON workflow_run (owner_id, id);
CREATE INDEX workflow_run_workflow ON workflow_run (workflow_id, id);
ALTER TABLE workflow_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON workflow_run TO millrace_api USING (owner_id = caller_id());

CREATE TABLE workflow_step (
	workflow_run_id	uuid NOT NULL REFERENCES workflow_run ON DELETE CASCADE,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	n		int NOT NULL,			-- its place among the run's
	id		text NOT NULL,			-- as in the definition
	status		text NOT NULL CHECK (status IN ('running', 'waiting', 'completed', 'failed')),
	tries		int NOT NULL DEFAULT 1,
	input		json,				-- with its references filled in
	output		json,
	error		text,
	-- While it waits: when it is looked at again, if nothing comes before
	due_at		timestamptz,
	child		uuid,				-- the agent's run that it waits for
	asks		boolean,			-- it waits for an approval
	approved	boolean,			-- NULL: nobody has said yet
	started_at	timestamptz NOT NULL DEFAULT now(),
	ended_at	timestamptz,
	PRIMARY KEY (workflow_run_id, id)
);
CREATE INDEX workflow_step_owner ON workflow_step (owner_id);
CREATE INDEX workflow_step_due ON workflow_step (due_at) WHERE status = 'waiting';
CREATE INDEX workflow_step_child ON workflow_step (child) WHERE child IS NOT NULL;
ALTER TABLE workflow_step ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON workflow_step TO millrace_api USING (owner_id = caller_id());

-- A job that waits for something else than a runner is not in the queue.
ALTER TABLE job DROP CONSTRAINT job_state_check,
	ADD CONSTRAINT job_state_check CHECK (state IN ('queued', 'waiting', 'running', 'done', 'dead'));

CREATE INDEX job_parked ON job (owner_id) WHERE state = 'waiting';
CREATE INDEX run_ending ON run (id) WHERE cancel_requested_at IS NOT NULL AND ended_at IS NULL;

CREATE TRIGGER workflow_run_topic AFTER INSERT OR DELETE ON workflow_run FOR EACH ROW EXECUTE FUNCTION workflow_run_topic();
CREATE TRIGGER workflow_child_ended AFTER UPDATE OF ended_at ON run FOR EACH ROW
	WHEN (NEW.kind = 'agent' AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.input ? 'workflow_run')
	EXECUTE FUNCTION workflow_child_ended();
CREATE TRIGGER publish_workflow_status AFTER UPDATE OF status ON run FOR EACH ROW
	WHEN (NEW.kind = 'workflow' AND OLD.status <> NEW.status) EXECUTE FUNCTION publish_workflow_status();

INSERT INTO export_section (position, name, query) VALUES
(155, 'workflow_runs', $q$SELECT w.id, 0::int8, workflow_run_json(w, true)
	FROM workflow_run w WHERE w.owner_id = caller_id() AND w.id > $1 ORDER BY w.id LIMIT $3$q$);
