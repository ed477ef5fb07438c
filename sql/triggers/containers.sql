-- What follows a change of a user's container. Applied before the migrations, as functions/base.sql
-- says.

-- A new status is told as agent_status, with the user's first process.
CREATE OR REPLACE FUNCTION container_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' OR NEW.status <> OLD.status THEN
		PERFORM publish_to_owner(NEW.owner_id, 'agent_status', json_build_object('agent_id', p.id,
			'status', CASE p.status WHEN 'active' THEN 'active' ELSE 'stopped' END,
			'container', json_build_object('status', NEW.status, 'since', rfc3339(NEW.since))))
		FROM (SELECT) one LEFT JOIN LATERAL (
			SELECT a.id, a.status FROM agent_process a WHERE a.owner_id = NEW.owner_id ORDER BY a.id LIMIT 1
		) p ON true;
	END IF;
	RETURN NULL;
END $$;

-- The engine still has it: the runner finds nobody's containers and removes them.
CREATE OR REPLACE FUNCTION container_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('millrace_periodic', 'containers');
	RETURN NULL;
END $$;

-- Notes that its user has had a container.
-- As the owner: that column is no role's to write.
CREATE OR REPLACE FUNCTION container_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE app_user u SET has_container = true WHERE u.id = NEW.owner_id AND NOT u.has_container;
	RETURN NULL;
END $$;
