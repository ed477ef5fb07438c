-- Agents, processes, data sources.

CREATE OR REPLACE FUNCTION agent_json(a agent) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', a.id, 'user_id', a.owner_id, 'type', a.type, 'name', a.name, 'prompt', a.prompt, 'model', a.model,
		'tools', a.tools, 'created_at', rfc3339(a.created_at), 'updated_at', rfc3339(a.updated_at))
$$;
GRANT EXECUTE ON FUNCTION agent_json TO millrace_api;

CREATE OR REPLACE FUNCTION agent_admit(type text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF $1 IN ('lead_agent', 'chat_agent') OR EXISTS (SELECT FROM agent a WHERE a.owner_id = caller_id() AND a.type = $1) THEN
		PERFORM refuse('CONFLICT', format('There is an agent of the type %s already.', $1));
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION agent_admit TO millrace_api;

CREATE OR REPLACE FUNCTION agent_create(type text, name text, prompt text, model text, tools text[]) RETURNS agent LANGUAGE plpgsql AS $$
DECLARE
	made agent;
BEGIN
	PERFORM room_for('agent', 1, 100);
	PERFORM agent_admit($1);
	INSERT INTO agent (owner_id, type, name, prompt, model, tools) VALUES (caller_id(), $1, $2, coalesce($3, ''), $4, $5) RETURNING * INTO made;
	RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION agent_create TO millrace_api;

-- Changes what is given: NULL leaves a column as it is; what `body`, the whole request, gives as
-- null is cleared.
CREATE OR REPLACE FUNCTION agent_change(agent_id uuid, type text, name text, prompt text, model text, tools text[], body jsonb)
RETURNS SETOF agent LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM app_user u WHERE u.id = caller_id() FOR NO KEY UPDATE;
	IF EXISTS (SELECT FROM agent a WHERE a.id = $1 AND a.owner_id = caller_id() AND a.type <> $2) THEN
		PERFORM agent_admit($2);
	END IF;
	RETURN QUERY UPDATE agent a SET type = coalesce($2, a.type), name = coalesce($3, a.name), prompt = coalesce($4, a.prompt),
		model = CASE WHEN $7 -> 'model' = 'null' THEN NULL ELSE coalesce($5, a.model) END,
		tools = CASE WHEN jsonb_typeof($7 -> 'tools') = 'array' THEN $6 ELSE a.tools END, updated_at = now()
	WHERE a.id = $1 AND a.owner_id = caller_id() RETURNING a.*;
END $$;
GRANT EXECUTE ON FUNCTION agent_change TO millrace_api;

-- The next `want` times at which a process is due, whether it is active or not; none without a
-- schedule.
CREATE OR REPLACE FUNCTION process_due(p agent_process, want int) RETURNS timestamptz[] LANGUAGE sql STABLE AS $$
	SELECT schedule_times(p.interval_s, p.cron, p.timezone, coalesce(p.started_at, now()), now(), $2)
$$;
GRANT EXECUTE ON FUNCTION process_due TO millrace_api;

CREATE OR REPLACE FUNCTION process_json(p agent_process) RETURNS json LANGUAGE sql VOLATILE AS $$
	SELECT json_build_object('id', p.id, 'agent_id', p.id, 'user_id', p.owner_id, 'name', p.name, 'description', p.description,
		'agent_type', p.agent_type, 'model', p.model, 'status', p.status, 'execution_mode', p.execution_mode,
		'schedule', json_build_object('interval_s', p.interval_s, 'cron', p.cron, 'timezone', p.timezone), 'emails', p.emails,
		'next_run_at', schedule_next('process', p.id), 'created_at', rfc3339(p.created_at), 'updated_at', rfc3339(p.updated_at))
$$;
GRANT EXECUTE ON FUNCTION process_json TO millrace_api;

-- The process of this id, or the caller's first where none is given; no row where it has none yet.
CREATE OR REPLACE FUNCTION process_find(process uuid) RETURNS SETOF agent_process LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY SELECT * FROM agent_process p WHERE p.owner_id = caller_id() AND ($1 IS NULL OR p.id = $1) ORDER BY p.id LIMIT 1;
	IF NOT FOUND AND $1 IS NOT NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no process of this id.');
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION process_find TO millrace_api;

CREATE OR REPLACE FUNCTION process_missing() RETURNS void LANGUAGE sql AS $$
	SELECT refuse('NOT_FOUND', 'There is no process yet: make one (POST /api/v1/admin/processes), and give it data sources.')
$$;
GRANT EXECUTE ON FUNCTION process_missing TO millrace_api;

CREATE OR REPLACE FUNCTION process_create(name text) RETURNS agent_process LANGUAGE plpgsql AS $$
DECLARE
	made agent_process;
BEGIN
	PERFORM room_for('agent_process', 1, 100);
	INSERT INTO agent_process (owner_id, name) VALUES (caller_id(), $1) RETURNING * INTO made;
	RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION process_create TO millrace_api;

-- Changes what is given, as agent_change() does. A schedule replaces the whole one before.
CREATE OR REPLACE FUNCTION process_change(process uuid, name text, description text, agent_type text, model text, emails text[],
	execution_mode text, interval_s int, cron text, timezone text, body jsonb) RETURNS SETOF agent_process LANGUAGE plpgsql AS $$
DECLARE
	p agent_process;
BEGIN
	SELECT * INTO p FROM agent_process a WHERE a.id = $1 AND a.owner_id = caller_id() FOR NO KEY UPDATE;
	IF p.id IS NULL THEN
		RETURN;
	ELSIF $8 IS NOT NULL AND $9 IS NOT NULL THEN
		PERFORM refuse('BAD_REQUEST', 'A schedule is either interval_s or cron.');
	ELSIF $10 IS NOT NULL AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = $10) THEN
		PERFORM refuse('BAD_REQUEST', format('The database does not know the time zone %s.', left($10, 64)));
	END IF;
	p.name := coalesce($2, p.name);
	p.description := CASE WHEN $11 -> 'description' = 'null' THEN NULL ELSE coalesce($3, p.description) END;
	p.agent_type := CASE WHEN coalesce($11 -> 'agent_type', $11 -> 'agentType') = 'null' THEN NULL ELSE coalesce($4, p.agent_type) END;
	p.model := CASE WHEN $11 -> 'model' = 'null' THEN NULL ELSE coalesce($5, p.model) END;
	p.emails := CASE WHEN jsonb_typeof($11 -> 'emails') = 'array' THEN $6 ELSE p.emails END;
	p.execution_mode := coalesce($7, p.execution_mode);
	IF $11 ? 'schedule' THEN
		p.interval_s := $8;
		p.cron := $9;
		p.timezone := coalesce($10, 'UTC');
	END IF;
	IF p.status = 'active' AND p.execution_mode = 'scheduled' AND p.interval_s IS NULL AND p.cron IS NULL THEN
		PERFORM refuse('CONFLICT', 'It runs by its schedule: stop it before taking that away.');
	END IF;
	PERFORM process_due(p, 1);	-- refuses a cron that is not understood
	RETURN QUERY UPDATE agent_process a SET name = p.name, description = p.description, agent_type = p.agent_type, model = p.model,
		emails = p.emails, execution_mode = p.execution_mode, interval_s = p.interval_s, cron = p.cron, timezone = p.timezone, updated_at = now()
	WHERE a.id = $1 RETURNING a.*;
END $$;
GRANT EXECUTE ON FUNCTION process_change TO millrace_api;

-- Of the process of this id, or the first, which is made where there is none.
CREATE OR REPLACE FUNCTION config_change(process uuid, model text, emails text[], execution_mode text, interval_s int, cron text,
	timezone text, body jsonb) RETURNS SETOF agent_process LANGUAGE plpgsql AS $$
DECLARE
	found uuid := (SELECT f.id FROM process_find($1) f);
BEGIN
	IF found IS NULL THEN
		found := (process_create('Agent')).id;
	END IF;
	RETURN QUERY SELECT * FROM process_change(found, NULL, NULL, NULL, $2, $3, $4, $5, $6, $7, $8 - ARRAY['name', 'description', 'agent_type', 'agentType']);
END $$;
GRANT EXECUTE ON FUNCTION config_change TO millrace_api;

-- What is configured, with the next five times of its schedule; the defaults where there is no
-- process (a row of NULLs).
CREATE OR REPLACE FUNCTION config_json(p agent_process) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN json_build_object('agent_id', p.id, 'model', p.model, 'emails', coalesce(p.emails, '{}'),
		'execution_mode', coalesce(p.execution_mode, 'manual'),
		'schedule', json_build_object('interval_s', p.interval_s, 'cron', p.cron, 'timezone', coalesce(p.timezone, 'UTC')),
		'next_runs', coalesce((SELECT json_agg(rfc3339(d)) FROM unnest(process_due(p, 5)) d), '[]'), 'updated_at', rfc3339(p.updated_at));
END $$;
GRANT EXECUTE ON FUNCTION config_json TO millrace_api;

CREATE OR REPLACE FUNCTION status_json(p agent_process) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN json_build_object('agent_id', p.id, 'status', coalesce(p.status, 'stopped'), 'execution_mode', coalesce(p.execution_mode, 'manual'),
		'model', p.model, 'next_run_at', schedule_next('process', p.id), 'updated_at', rfc3339(p.updated_at),
		'container', container_of(caller_id()));
END $$;
GRANT EXECUTE ON FUNCTION status_json TO millrace_api;

-- Starts, stops or pauses the process of this id, or the first; its trigger publishes that. The
-- user's container starts with it, and stops with the last that is active.
CREATE OR REPLACE FUNCTION process_control(process uuid, action text, execution_mode text) RETURNS SETOF agent_process LANGUAGE plpgsql AS $$
DECLARE
	p agent_process;
	wanted text := CASE $2 WHEN 'start' THEN 'active' WHEN 'pause' THEN 'paused' ELSE 'stopped' END;
BEGIN
	SELECT a.* INTO p FROM agent_process a WHERE a.id = (SELECT f.id FROM process_find($1) f) FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		PERFORM process_missing();
	END IF;
	IF wanted = 'active' AND coalesce($3, p.execution_mode) = 'scheduled' AND p.interval_s IS NULL AND p.cron IS NULL THEN
		PERFORM refuse('CONFLICT', 'It has no schedule to run by: give it one, or start it with the execution_mode manual.');
	END IF;
	RETURN QUERY UPDATE agent_process a SET status = wanted, execution_mode = coalesce($3, a.execution_mode), updated_at = now(),
		started_at = CASE WHEN wanted = 'active' AND a.status <> 'active' THEN now() ELSE a.started_at END
	WHERE a.id = p.id RETURNING a.*;
	IF FOUND AND ($2 = 'start' OR ($2 = 'stop' AND NOT EXISTS (SELECT FROM agent_process a WHERE a.owner_id = caller_id() AND a.status = 'active'))) THEN
		PERFORM container_request($2);
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION process_control TO millrace_api;

-- The caller deletes a process, whose tasks end first, in the order of locks; no row where there is
-- none. Its data sources, its schedule and whatever its tasks have go with it.
-- As the owner: a run's end is the runner's to write.
CREATE OR REPLACE FUNCTION process_delete(process uuid) RETURNS TABLE (id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM run_stop(t.id) FROM task t WHERE t.process_id = $1 AND t.owner_id = caller_id() AND t.ended_at IS NULL ORDER BY t.id;
	RETURN QUERY DELETE FROM agent_process p WHERE p.id = $1 AND p.owner_id = caller_id() RETURNING p.id;
	PERFORM pg_notify('millrace_periodic', 'tasks');
END $$;
GRANT EXECUTE ON FUNCTION process_delete TO millrace_api;

-- Refuses a bearer token or headers ({name: the vault's key of its value}) that cannot be sent with
-- a request, of whose secrets the vault has none, or that the API key that came may not pass on.
CREATE OR REPLACE FUNCTION headers_admit(secret text, headers jsonb, key_hash bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	h record;
BEGIN
	IF $1 IS NULL AND $2 = '{}' THEN
		RETURN;
	ELSIF $3 IS NOT NULL AND NOT EXISTS (SELECT FROM api_key k WHERE k.hash = $3 AND 'account' = ANY (k.scopes)) THEN
		PERFORM refuse('FORBIDDEN', 'The server is told secrets of the vault: that needs an API key with the scope account.');
	ELSIF (SELECT count(*) FROM jsonb_object_keys($2)) > 8 THEN
		PERFORM refuse('BAD_REQUEST', 'There may be 8 headers at most.');
	END IF;
	FOR h IN SELECT 'Authorization' AS name, to_jsonb($1) AS key, false AS is_given WHERE $1 IS NOT NULL
		UNION ALL SELECT e.key, e.value, true FROM jsonb_each($2) e
	LOOP
		IF h.name !~ '^[A-Za-z0-9!#$%&''*+.^_`|~-]{1,64}$' OR h.name ~* '^(host|content-.*|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect|accept.*|range|if-.*|proxy-.*|mcp-.*)$'
			OR ($1 IS NOT NULL AND h.is_given AND lower(h.name) = 'authorization') THEN
			PERFORM refuse('BAD_REQUEST', format('The header %s is none that you can set.', left(to_json(h.name)::text, 80)));
		ELSIF jsonb_typeof(h.key) <> 'string' OR NOT EXISTS (SELECT FROM secret s WHERE s.owner_id = caller_id() AND s.key = h.key #>> '{}') THEN
			PERFORM refuse('BAD_REQUEST', 'The vault has no secret of that key: POST /api/vault puts one there.');
		END IF;
	END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION headers_admit TO millrace_api;

CREATE OR REPLACE FUNCTION datasource_json(d datasource) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', d.id, 'process_id', d.process_id, 'platform', d.platform, 'resource_identifier', d.resource_identifier,
		'resource_name', d.resource_name, 'config', d.config, 'secret', d.secret, 'headers', d.headers,
		'created_at', rfc3339(d.created_at), 'updated_at', rfc3339(d.updated_at))
$$;
GRANT EXECUTE ON FUNCTION datasource_json TO millrace_api;

CREATE OR REPLACE FUNCTION datasource_admit(d datasource, key_hash bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF d.process_id IS NOT NULL AND NOT EXISTS (SELECT FROM agent_process p WHERE p.id = d.process_id AND p.owner_id = caller_id() FOR KEY SHARE) THEN
		PERFORM refuse('NOT_FOUND', 'There is no process of this process_id.');
	ELSIF (d.platform = 'url' OR (d.platform = 'api' AND d.resource_identifier ~ '://'))
		AND d.resource_identifier !~* '^https?://[^/?#@[:space:][:cntrl:]\\]+([/?#][^[:space:][:cntrl:]\\]*)?$' THEN
		PERFORM refuse('BAD_REQUEST', format('The resource_identifier of the platform %s must be an address that begins with http:// or https://, without spaces and without a password.', d.platform));
	ELSIF d.platform <> 'api' AND (d.secret IS NOT NULL OR d.headers <> '{}') THEN
		PERFORM refuse('BAD_REQUEST', 'Only the platform api takes a secret and headers.');
	END IF;
	PERFORM headers_admit(d.secret, d.headers, $2);
END $$;
GRANT EXECUTE ON FUNCTION datasource_admit(datasource, bytea) TO millrace_api;

-- Makes one of each object in `given`, all or none.
CREATE OR REPLACE FUNCTION datasources_create(given jsonb, key_hash bytea) RETURNS SETOF datasource LANGUAGE plpgsql AS $$
DECLARE
	r record;
	d datasource;
BEGIN
	PERFORM room_for('datasource', jsonb_array_length($1), 1000);
	FOR r IN SELECT x.process_id, x.platform, x.resource_identifier, x.resource_name, coalesce(x.config, '[]') AS config, x.secret, coalesce(x.headers, '{}') AS headers
		FROM jsonb_array_elements($1) WITH ORDINALITY e (v, n)
		CROSS JOIN LATERAL jsonb_to_record(e.v) x (process_id uuid, platform text, resource_identifier text, resource_name text, config jsonb, secret text, headers jsonb)
		ORDER BY e.n
	LOOP
		PERFORM datasource_admit(jsonb_populate_record(NULL::datasource, to_jsonb(r)), $2);
		INSERT INTO datasource (owner_id, process_id, platform, resource_identifier, resource_name, config, secret, headers)
		VALUES (caller_id(), r.process_id, r.platform, r.resource_identifier, r.resource_name, r.config, r.secret, r.headers)
		RETURNING * INTO d;
		RETURN NEXT d;
	END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION datasources_create(jsonb, bytea) TO millrace_api;

-- Changes what is given, as agent_change() does.
CREATE OR REPLACE FUNCTION datasource_change(source uuid, process_id uuid, platform text, resource_identifier text, resource_name text,
	config jsonb, secret text, headers jsonb, body jsonb, key_hash bytea) RETURNS SETOF datasource LANGUAGE plpgsql AS $$
DECLARE
	d datasource;
BEGIN
	SELECT * INTO d FROM datasource s WHERE s.id = $1 AND s.owner_id = caller_id() FOR NO KEY UPDATE;
	IF d.id IS NULL THEN
		RETURN;
	END IF;
	d.process_id := CASE WHEN coalesce($9 -> 'process_id', $9 -> 'processId') = 'null' THEN NULL ELSE coalesce($2, d.process_id) END;
	d.platform := coalesce($3, d.platform);
	d.resource_identifier := coalesce($4, d.resource_identifier);
	d.resource_name := CASE WHEN coalesce($9 -> 'resource_name', $9 -> 'resourceName') = 'null' THEN NULL ELSE coalesce($5, d.resource_name) END;
	d.config := coalesce($6, d.config);
	d.secret := CASE WHEN $9 -> 'secret' = 'null' THEN NULL ELSE coalesce($7, d.secret) END;
	d.headers := CASE WHEN $9 -> 'headers' = 'null' THEN '{}' ELSE coalesce($8, d.headers) END;
	PERFORM datasource_admit(d, $10);
	RETURN QUERY UPDATE datasource s SET process_id = d.process_id, platform = d.platform, resource_identifier = d.resource_identifier,
		resource_name = d.resource_name, config = d.config, secret = d.secret, headers = d.headers, updated_at = now() WHERE s.id = $1 RETURNING s.*;
END $$;
GRANT EXECUTE ON FUNCTION datasource_change TO millrace_api;
