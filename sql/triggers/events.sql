-- What is published of rows, and what erasure takes from the event log. Applied before the
-- migrations, as functions/base.sql says.

-- Publishes in two steps, both at the transaction's end: the first only marks rows as due, so that
-- the second comes after every trigger deferred until then. Among these are the audit log's, whose
-- lock is taken before topics' everywhere. The first row takes all others along.
-- As the owner: outbox is no role's.
CREATE OR REPLACE FUNCTION outbox_publish() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	e record;
	nothing text;	-- an assignment is no statement of its own, as PERFORM is
BEGIN
	IF TG_OP = 'INSERT' THEN
		UPDATE outbox o SET due = true WHERE o.n = NEW.n;
		RETURN NULL;
	ELSIF NOT EXISTS (SELECT FROM outbox o WHERE o.n = NEW.n) THEN
		RETURN NULL;
	END IF;
	-- Topic by topic, and by publish() for single events: publish_many() costs more than all
	-- the rest. An owner is looked up by key (LATERAL with OFFSET): EXISTS may be a join that
	-- reads all users.
	FOR e IN
		WITH mine AS (DELETE FROM outbox o WHERE o.n >= NEW.n RETURNING *)
		SELECT t.name, count(*) AS n, array_agg(m.type ORDER BY m.n) AS types, array_agg(m.data ORDER BY m.n) AS datas FROM mine m
		CROSS JOIN LATERAL (SELECT FROM app_user u WHERE u.id = m.owner_id AND u.erased_at IS NULL OFFSET 0) is_there
		CROSS JOIN LATERAL unnest(event_topics(m.owner_id, m.type, m.data)) t (name) GROUP BY t.name ORDER BY t.name
	LOOP
		IF e.n = 1 THEN
			nothing := publish(e.name, e.types[1], e.datas[1]);
		ELSE
			PERFORM publish_several(e.name, e.types, e.datas);
		END IF;
	END LOOP;
	RETURN NULL;
END $$;

-- One function an event: a row's trigger publishes it, whatever statement changed the row. Rows
-- that go because their owner does are no events.

CREATE OR REPLACE FUNCTION publish_lead_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM publish_to_owner(NEW.owner_id, 'lead_created', json_build_object('lead_id', NEW.id, 'user_id', NEW.owner_id,
		'created_at', rfc3339(NEW.created_at)));
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_lead_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM publish_to_owner(NEW.owner_id, 'lead_updated', json_build_object('lead_id', NEW.id, 'user_id', NEW.owner_id,
		'updated_at', rfc3339(now())));
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_lead_analyzed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM publish_to_owner(NEW.owner_id, 'lead_analyzed', json_build_object('lead_id', NEW.lead_id, 'user_id', NEW.owner_id,
		'analysis_id', NEW.id, 'completed_at', rfc3339(NEW.created_at)));
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_lead_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NOT owner_is_going(OLD.owner_id) THEN
		PERFORM publish_to_owner(OLD.owner_id, 'lead_deleted', json_build_object('lead_id', OLD.id,
			'user_id', OLD.owner_id, 'deleted_at', rfc3339(now())));
	END IF;
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_message_created() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	nothing text;	-- an assignment is no statement of its own, as PERFORM is
BEGIN
	nothing := publish_to_owner(NEW.owner_id, 'message_created', json_build_object('conversation_id', NEW.conversation_id,
		'message_id', NEW.id, 'user_id', NEW.owner_id, 'created_at', rfc3339(NEW.created_at)));
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_conversation_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NOT owner_is_going(OLD.owner_id) THEN
		PERFORM publish_to_owner(OLD.owner_id, 'conversation_deleted', json_build_object('conversation_id', OLD.id,
			'user_id', OLD.owner_id, 'deleted_at', rfc3339(now())));
	END IF;
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_notification_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM publish_to_owner(NEW.owner_id, 'notification_created', json_build_object('id', NEW.id, 'notification_id', NEW.id,
		'user_id', NEW.owner_id, 'notification_type', coalesce(NEW.metadata ->> 'type', 'general'), 'severity', NEW.severity,
		'title', NEW.title, 'message', NEW.message, 'action_url', NEW.action_url, 'created_at', rfc3339(NEW.created_at),
		'read', NEW.read, 'metadata', NEW.metadata));
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_document_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM publish_to_owner(NEW.owner_id, 'document_status', json_build_object('document_id', NEW.id, 'user_id', NEW.owner_id,
		'status', NEW.status, 'chunk_count', NEW.chunk_count, 'updated_at', rfc3339(NEW.updated_at)));
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_subscription_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM publish_to_owner(NEW.owner_id, 'subscription_created', json_build_object('subscription_id', NEW.id, 'user_id', NEW.owner_id,
		'plan', (SELECT p.name FROM pricing_package p WHERE p.id = NEW.package_id), 'created_at', rfc3339(NEW.created_at)));
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION publish_subscription_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM publish_to_owner(NEW.owner_id, 'subscription_updated', json_build_object('subscription_id', NEW.id, 'user_id', NEW.owner_id,
		'plan', (SELECT p.name FROM pricing_package p WHERE p.id = NEW.package_id), 'updated_at', rfc3339(now())));
	RETURN NULL;
END $$;

-- The log keeps nothing of an erased user, nor of a deleted thing that had a topic of its own.
-- Deferred: by then whoever was publishing about one of their rows has committed, since deleting
-- the row waited for that.
-- As the owner: the event log is no role's to delete from.
CREATE OR REPLACE FUNCTION events_erased_with_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	-- In the order that events travel: what the runner is just publishing is published once we
	-- have waited for its row.
	DELETE FROM outbox_analytics o WHERE o.data ->> 'user_id' = OLD.id::text;
	DELETE FROM stream_event e WHERE e.topic = 'analytics' AND e.data ->> 'user_id' = OLD.id::text;
	DELETE FROM stream_event e WHERE e.topic = 'user:' || OLD.id;
	DELETE FROM topic t WHERE t.name = 'user:' || OLD.id;
	RETURN NULL;
END $$;

-- As the owner: the event log is no role's to delete from.
CREATE OR REPLACE FUNCTION events_erased_with_topic() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM stream_event e WHERE e.topic = OLD.topic;
	DELETE FROM topic t WHERE t.name = OLD.topic;
	RETURN NULL;
END $$;
