-- Workflows' definitions, and servers of tools.

CREATE OR REPLACE FUNCTION workflow_json(w workflow) RETURNS json LANGUAGE sql VOLATILE AS $$
	SELECT json_build_object('id', w.id, 'user_id', w.owner_id, 'name', w.name, 'description', w.description, 'definition', w.definition,
		'schedule', json_build_object('interval_s', w.interval_s, 'cron', w.cron, 'timezone', w.timezone),
		'next_run_at', schedule_next('workflow', w.id), 'created_at', rfc3339(w.created_at), 'updated_at', rfc3339(w.updated_at))
$$;
GRANT EXECUTE ON FUNCTION workflow_json TO millrace_api;

CREATE OR REPLACE FUNCTION workflow_create(name text, description text, definition json) RETURNS workflow LANGUAGE plpgsql AS $$
DECLARE
	made workflow;
BEGIN
	PERFORM room_for('workflow', 1, 200);
	INSERT INTO workflow (owner_id, name, description, definition) VALUES (caller_id(), $1, $2, $3) RETURNING * INTO made;
	RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION workflow_create TO millrace_api;

-- Changes what is given: NULL leaves a column as it is; what `body`, the whole request, gives as
-- null is cleared. A schedule replaces the whole one before.
CREATE OR REPLACE FUNCTION workflow_change(workflow uuid, name text, description text, definition json, interval_s int, cron text, timezone text,
	body jsonb) RETURNS SETOF workflow LANGUAGE plpgsql AS $$
BEGIN
	IF $8 ? 'schedule' THEN
		UPDATE workflow w SET interval_s = $5, cron = $6, timezone = coalesce($7, 'UTC') WHERE w.id = $1 AND w.owner_id = caller_id();
	END IF;
	RETURN QUERY UPDATE workflow w SET name = coalesce($2, w.name), definition = coalesce($4, w.definition), updated_at = now(),
		description = CASE WHEN $8 -> 'description' = 'null' THEN NULL ELSE coalesce($3, w.description) END
	WHERE w.id = $1 AND w.owner_id = caller_id() RETURNING w.*;
END $$;
GRANT EXECUTE ON FUNCTION workflow_change TO millrace_api;

-- Begins a workflow that is due, for its owner, who is the caller: once for each time.
CREATE OR REPLACE FUNCTION workflow_due(workflow uuid, due timestamptz, queue_max int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	w workflow;
	made workflow_run;
BEGIN
	SELECT * INTO w FROM workflow x WHERE x.id = $1;
	IF w.id IS NOT NULL AND NOT EXISTS (SELECT FROM workflow_run r WHERE r.workflow_id = $1 AND r.due_at = $2) THEN
		made := workflow_enqueue(w, json_build_object('due_at', rfc3339($2)), '{}', $3);
		UPDATE workflow_run r SET due_at = $2 WHERE r.id = made.id;
	END IF;
	RETURN true;
END $$;

CREATE OR REPLACE FUNCTION mcp_server_json(m mcp_server) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', m.id, 'user_id', m.owner_id, 'name', m.name, 'url', m.url, 'secret', m.secret, 'headers', m.headers, 'tools', m.tools, 'revision', m.revision,
		'problem', m.problem, 'listed_at', rfc3339(m.listed_at), 'created_at', rfc3339(m.created_at))
$$;
GRANT EXECUTE ON FUNCTION mcp_server_json TO millrace_api;

-- Adds a server of tools, and has a runner ask it what it has.
CREATE OR REPLACE FUNCTION mcp_server_create(name text, url text, secret text, headers jsonb) RETURNS mcp_server LANGUAGE plpgsql AS $$
DECLARE
	made mcp_server;
BEGIN
	PERFORM room_for('mcp_server', 1, 50);
	PERFORM headers_admit($3, coalesce($4, '{}'), NULL);     -- its route asks for the scope
	INSERT INTO mcp_server AS m (owner_id, name, url, secret, headers, list_after)
	VALUES (caller_id(), $1, $2, $3, coalesce($4, '{}'), now() + interval '1 minute')
	ON CONFLICT ON CONSTRAINT mcp_server_name DO NOTHING RETURNING * INTO made;
	IF made.id IS NULL THEN
		PERFORM refuse('CONFLICT', 'There is a server of this name already.');
	END IF;
	PERFORM run_add(caller_id(), 'mcp_list', jsonb_build_object('server', $1));
	RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION mcp_server_create(text, text, text, jsonb) TO millrace_api;
