-- One user's jobs do not stand in the way of others'.

DROP FUNCTION IF EXISTS queue_depth(int);

-- An owner's jobs in the order in which they are claimed. (The expression is queue_owner's.)
CREATE INDEX job_waiting ON job (coalesce(owner_id, '00000000-0000-0000-0000-000000000000'), priority DESC, run_at, run_id)
	WHERE state = 'queued';
DROP INDEX job_next;
