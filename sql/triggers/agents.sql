-- What a process has beside its row. Applied before the migrations, as functions/base.sql says.

-- Its topics come and go with it; where its owner goes, theirs go with the owner.
CREATE OR REPLACE FUNCTION process_topics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		PERFORM topic_own('agent:' || NEW.id, NEW.owner_id), topic_own('process:' || NEW.id, NEW.owner_id);
	ELSE
		DELETE FROM topic_owner o WHERE o.topic IN ('agent:' || OLD.id, 'process:' || OLD.id);
	END IF;
	RETURN NULL;
END $$;

-- Whatever was asked for is told, also where it was so already. Who listens knows no pause.
CREATE OR REPLACE FUNCTION publish_agent_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM publish_to_owner(NEW.owner_id, 'agent_status', json_build_object('agent_id', NEW.id,
		'status', CASE NEW.status WHEN 'active' THEN 'active' ELSE 'stopped' END));
	RETURN NULL;
END $$;
