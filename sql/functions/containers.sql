-- Users' containers. Rows say what is meant to be; the runner makes it so at its engine
-- (runner/container), and what differs is found by container_sweep().

CREATE OR REPLACE FUNCTION container_engine_is_active() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM container_engine e WHERE e.active);
END $$;
GRANT EXECUTE ON FUNCTION container_engine_is_active TO millrace_api;

-- A container as its user sees it; `none` where there is none (a row of NULLs), or no engine:
-- a constant, since GET /api/user has it, and what is built costs a twentieth of that statement.
CREATE OR REPLACE FUNCTION container_json(c container) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN c.status IS NOT NULL AND container_engine_is_active() THEN json_build_object('status', c.status, 'since', rfc3339(c.since))
		ELSE '{"status" : "none", "since" : null}' END
$$;
GRANT EXECUTE ON FUNCTION container_json(container) TO millrace_api;

-- A user's container, which row-level security shows to that user. GET /api/user asks only for who
-- has ever had one: looking for the row costs more than all the rest of that statement.
CREATE OR REPLACE FUNCTION container_of(owner uuid) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT container_json(c) FROM (SELECT) one LEFT JOIN container c ON c.owner_id = $1);
END $$;
GRANT EXECUTE ON FUNCTION container_of TO millrace_api;

-- The caller wants the container started, or stopped; nothing where there is no engine.
CREATE OR REPLACE FUNCTION container_request(action text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM container_engine e WHERE e.active) THEN
		RETURN;
	ELSIF $1 = 'start' THEN
		INSERT INTO container AS c (owner_id, asked) VALUES (caller_id(), $1) ON CONFLICT (owner_id) DO UPDATE SET asked = excluded.asked;
	ELSE
		UPDATE container c SET asked = $1 WHERE c.owner_id = caller_id();
	END IF;
	PERFORM pg_notify('millrace_periodic', 'containers');
END $$;
GRANT EXECUTE ON FUNCTION container_request TO millrace_api;

-- Is somebody still at it? Nobody is where its run goes on in a later attempt, or has ended.
CREATE OR REPLACE FUNCTION command_is_alive(c container_command) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM job j WHERE j.run_id = c.run_id AND j.state = 'running' AND j.attempts = c.attempt AND j.lease_until > now())
$$;
GRANT EXECUTE ON FUNCTION command_is_alive TO millrace_runner;

-- Begins a command, unless its run has lost its lease (no row). What is so:
--   begun	it may be done, now
--   busy	another of the user's has not ended
--   left	nobody is at one any more that has not ended: end it, and tell command_clear()
--   again	an earlier attempt has begun this one, and it has ended
-- `over`: the workspace takes up more than it may. Asked twice by one attempt it says the same.
CREATE OR REPLACE FUNCTION command_begin(run_id uuid, runner text, attempt int, call text, workspace_max bigint)
RETURNS TABLE (verdict text, over boolean) LANGUAGE plpgsql AS $$
DECLARE
	owner uuid;
	c container_command;
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN;
	END IF;
	SELECT r.owner_id INTO owner FROM run r WHERE r.id = $1;
	INSERT INTO container AS u (owner_id) VALUES (owner) ON CONFLICT (owner_id) DO UPDATE SET used_at = now()
	RETURNING u.workspace_kib > $5 INTO over;
	SELECT * INTO c FROM container_command x WHERE x.owner_id = owner AND x.ended_at IS NULL;
	IF c.run_id = $1 AND c.call_id = $4 AND c.attempt = $3 THEN
		verdict := 'begun';
	ELSIF c.run_id IS NOT NULL THEN
		verdict := CASE WHEN c.run_id <> $1 AND command_is_alive(c) THEN 'busy' ELSE 'left' END;
	ELSIF EXISTS (SELECT FROM container_command x WHERE x.run_id = $1 AND x.call_id = $4) THEN
		verdict := 'again';
	ELSE
		INSERT INTO container_command (run_id, call_id, owner_id, attempt) VALUES ($1, $4, owner, $3);
		verdict := 'begun';
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION command_begin TO millrace_runner;

-- A command has ended, with all that it had begun.
CREATE OR REPLACE FUNCTION command_end(run_id uuid, attempt int, call text, workspace_kib bigint) RETURNS void LANGUAGE sql AS $$
	WITH ended AS (
		UPDATE container_command c SET ended_at = now()
		WHERE c.run_id = $1 AND c.call_id = $3 AND c.attempt = $2 AND c.ended_at IS NULL RETURNING c.owner_id
	)
	UPDATE container u SET used_at = now(), crashes = 0, workspace_kib = coalesce($4, u.workspace_kib) FROM ended e WHERE u.owner_id = e.owner_id
$$;
GRANT EXECUTE ON FUNCTION command_end TO millrace_runner;

-- What nobody is at any more has ended. `run_id` has one command at a time, so that what it has
-- begun before is such, too; NULL: nobody's.
CREATE OR REPLACE FUNCTION command_clear(owner uuid, run_id uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE container_command c SET ended_at = now()
	WHERE c.owner_id = $1 AND c.ended_at IS NULL AND (c.run_id = $2 OR NOT command_is_alive(c))
$$;
GRANT EXECUTE ON FUNCTION command_clear TO millrace_runner;

-- How long a start or a stop is its runner's; longer than the engine is given for it.
CREATE OR REPLACE FUNCTION container_takes() RETURNS interval LANGUAGE sql IMMUTABLE AS $$
	SELECT interval '2 minutes'
$$;
GRANT EXECUTE ON FUNCTION container_takes TO millrace_runner;

-- How many run, or start or stop.
-- As the owner: containers are everybody's.
CREATE OR REPLACE FUNCTION containers_running() RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN (SELECT count(*) FROM container c WHERE c.status IN ('starting', 'running', 'stopping'));
END $$;
GRANT EXECUTE ON FUNCTION containers_running TO millrace_api;

-- May the owner's container run beside the others that do? There may be container_engine's `most`,
-- and who waits longest is first. While there is no room, as many that have no command as are
-- waited for are stopped, which were idle longest: container_sweep() finds that they are, unless a
-- command comes first. The engine's row is locked, so that two do not take one place.
CREATE OR REPLACE FUNCTION container_room(owner uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	room bigint;
	waiting bigint;
	earlier bigint;
	leaving bigint;
BEGIN
	SELECT e.most INTO room FROM container_engine e FOR UPDATE;
	room := room - (SELECT count(*) FROM container x WHERE x.status IN ('starting', 'running', 'stopping') AND x.owner_id <> $1);
	SELECT count(*), count(*) FILTER (WHERE (x.used_at, x.owner_id) < (o.used_at, o.owner_id)) INTO waiting, earlier
	FROM container o JOIN container x ON x.status IN ('stopped', 'failed') AND x.owner_id <> $1 AND (x.asked = 'start' OR EXISTS (
		SELECT FROM container_command m WHERE m.owner_id = x.owner_id AND m.ended_at IS NULL AND command_is_alive(m)))
	WHERE o.owner_id = $1;
	IF room > earlier THEN
		RETURN true;
	END IF;
	leaving := (SELECT count(*) FROM container x WHERE x.status = 'stopping' OR (x.status = 'running' AND x.used_at = '-infinity'));
	IF leaving <= waiting - greatest(room, 0) THEN
		UPDATE container x SET used_at = '-infinity' WHERE x.owner_id = (SELECT i.owner_id FROM container i
			WHERE i.status = 'running' AND i.used_at > '-infinity' AND i.owner_id <> $1
			AND NOT EXISTS (SELECT FROM container_command m WHERE m.owner_id = i.owner_id AND m.ended_at IS NULL)
			ORDER BY i.used_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
		PERFORM pg_notify('millrace_periodic', 'containers');
	END IF;
	RETURN false;
END $$;
GRANT EXECUTE ON FUNCTION container_room TO millrace_runner;

-- Somebody has a command for a container: `running`, it runs; `yours`, it is the caller's to start;
-- `wait`, another starts or stops it; `full`, as many run as may. With `is_down` it was just seen
-- not to run.
CREATE OR REPLACE FUNCTION container_want(owner uuid, is_down boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c container;
BEGIN
	SELECT * INTO c FROM container x WHERE x.owner_id = $1 FOR NO KEY UPDATE;
	IF c.status = 'running' AND NOT $2 THEN
		RETURN 'running';
	ELSIF c.status IN ('starting', 'stopping') AND c.since > now() - container_takes() THEN
		RETURN 'wait';
	ELSIF NOT container_room($1) THEN
		RETURN 'full';
	END IF;
	UPDATE container x SET status = 'starting', since = now() WHERE x.owner_id = $1;
	RETURN 'yours';
END $$;
GRANT EXECUTE ON FUNCTION container_want TO millrace_runner;

-- Where it has made room, whoever has asked for a start has it.
CREATE OR REPLACE FUNCTION container_is(owner uuid, status text) RETURNS void LANGUAGE sql AS $$
	SELECT pg_notify('millrace_periodic', 'containers') FROM container x WHERE $2 = 'stopped' AND x.asked = 'start' LIMIT 1;
	UPDATE container c SET status = $2, since = now(), crashes = CASE WHEN $2 = 'stopped' THEN 0 ELSE c.crashes END
	WHERE c.owner_id = $1 AND c.status <> $2
$$;
GRANT EXECUTE ON FUNCTION container_is TO millrace_runner;

-- It has ended under its command, and is not there any more. Where somebody starts or stops it
-- meanwhile, it is theirs to say.
CREATE OR REPLACE FUNCTION container_ended(owner uuid) RETURNS void LANGUAGE sql AS $$
	SELECT container_is(c.owner_id, 'stopped') FROM container c WHERE c.owner_id = $1 AND c.status = 'running'
$$;
GRANT EXECUTE ON FUNCTION container_ended TO millrace_runner;

-- Compares the rows with what the engine had when it was asked, `ago` before now: containers that
-- `run`, all that are `there`, and users that have `volumes`. What is to be done, by `action`:
--   remove	it is nobody's: with its workspace
--   start	it has ended by itself, or was asked for
--   stop	it is idle, or was asked to, or its runner died over it or over a command in it, or
--		it should not run
-- Rows that changed since the engine was asked have their turn next time. `more`: so has more.
CREATE OR REPLACE FUNCTION container_sweep(run uuid[], there uuid[], volumes uuid[], ago interval, idle interval)
RETURNS TABLE (owner uuid, action text, more boolean) LANGUAGE plpgsql AS $$
DECLARE
	crashes_max CONSTANT int := 3;
	most CONSTANT int := 20;
	c container;
	n int;
	left_over boolean;
	has_ended boolean;
	full_house boolean;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.containers')) THEN
		RETURN;
	END IF;
	RETURN QUERY SELECT DISTINCT o.id, 'remove', false FROM unnest($2 || $3) o (id)
		WHERE NOT EXISTS (SELECT FROM container x WHERE x.owner_id = o.id) LIMIT most;
	GET DIAGNOSTICS n = ROW_COUNT;
	more := false;
	FOR c IN SELECT * FROM container x WHERE (x.asked IS NOT NULL OR x.status IN ('starting', 'running', 'stopping') OR x.owner_id = ANY ($2)
		OR EXISTS (SELECT FROM container_command m WHERE m.owner_id = x.owner_id AND m.ended_at IS NULL))
		AND x.since < now() - $4 ORDER BY x.owner_id FOR NO KEY UPDATE SKIP LOCKED
	LOOP
		EXIT WHEN more;
		SELECT NOT command_is_alive(m) INTO left_over FROM container_command m WHERE m.owner_id = c.owner_id AND m.ended_at IS NULL;
		owner := c.owner_id;
		has_ended := c.status = 'running' AND NOT owner = ANY ($1);
		full_house := c.asked = 'start' AND c.status IN ('stopped', 'failed') AND left_over IS NOT TRUE AND NOT container_room(owner);
		action := CASE
			WHEN full_house THEN NULL
			WHEN c.status IN ('starting', 'stopping') THEN CASE WHEN c.since < now() - container_takes() THEN 'stop' END
			-- Whoever has a command there finds that out, and says so.
			WHEN has_ended AND left_over IS FALSE THEN NULL
			WHEN has_ended THEN CASE WHEN c.asked = 'stop' OR c.crashes >= crashes_max THEN 'stop' ELSE 'start' END
			WHEN left_over THEN 'stop'
			WHEN c.asked IS NOT NULL THEN CASE WHEN (c.asked = 'start') <> (c.status = 'running') THEN c.asked END
			WHEN c.status = 'running' THEN CASE WHEN c.used_at < now() - $5 AND left_over IS NULL THEN 'stop' END
			WHEN owner = ANY ($2) AND left_over IS NULL THEN 'stop'
		END;
		UPDATE container x SET
			asked = CASE WHEN full_house OR left_over OR (has_ended AND left_over IS FALSE) OR c.status IN ('starting', 'stopping') THEN c.asked END,
			crashes = CASE WHEN has_ended AND left_over IS NOT FALSE THEN c.crashes + 1 ELSE c.crashes END,
			status = CASE action WHEN 'start' THEN 'starting' WHEN 'stop' THEN 'stopping' ELSE c.status END,
			since = CASE WHEN action IN ('start', 'stop') THEN now() ELSE c.since END,
			used_at = CASE WHEN c.asked = 'start' AND NOT full_house THEN now() ELSE c.used_at END
		WHERE x.owner_id = owner AND (action IS NOT NULL OR c.asked IS NOT NULL);
		IF action IS NOT NULL THEN
			n := n + 1;
			more := n >= most;
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION container_sweep TO millrace_runner;
