-- A run of a workflow, and its steps, go with the run that they are of: whose that is was looked
-- up, and that row locked, once for each step.

ALTER TABLE workflow_run DROP CONSTRAINT workflow_run_owner_id_fkey;
ALTER TABLE workflow_step DROP CONSTRAINT workflow_step_owner_id_fkey;
DROP INDEX workflow_step_owner;

-- That a run is under way is told by what it stores, not by its claim: a commit with NOTIFY holds a
-- lock of the whole server until it is on disk, and claims wait for the disk.
DROP TRIGGER publish_workflow_status ON run;
CREATE TRIGGER publish_workflow_status AFTER UPDATE OF status ON run FOR EACH ROW
	WHEN (NEW.kind = 'workflow' AND OLD.status <> NEW.status AND NEW.status <> 'running') EXECUTE FUNCTION publish_workflow_status();
