-- Both are schedule_next().
DROP FUNCTION IF EXISTS process_next(agent_process);
DROP FUNCTION IF EXISTS workflow_next(workflow);
