-- Real time: who may listen to what, what streamd asks, and leads.

-- A notification is "topic \n seq \n type \n Unix milliseconds \n data", or "topic \n seq" where that would pass 7,900 bytes; streamd
-- then fetches the event. The time is the transaction's, as stream_event.created_at is. NOTIFY refuses 8,000 bytes.
CREATE OR REPLACE FUNCTION notify_event(topic text, seq bigint, type text, data text) RETURNS void LANGUAGE sql AS $$
	SELECT pg_notify('millrace_event', CASE
		WHEN octet_length(data) + octet_length(topic) + octet_length(type) <= 7800
		THEN topic || E'\n' || seq || E'\n' || type || E'\n' || floor(extract(epoch FROM now()) * 1000)::bigint || E'\n' || data
		ELSE topic || E'\n' || seq END)
$$;

-- Whose a topic is that is named after something which has one owner: `agent:<id>`, `process:<id>`, `workflow_run:<id>`. Filled in by
-- what makes the thing (topic_own); goes with its owner, or when the thing is deleted.
CREATE TABLE topic_owner (
	topic		text PRIMARY KEY CHECK (octet_length(topic) <= 200),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE
);
CREATE INDEX topic_owner_owner ON topic_owner (owner_id);
ALTER TABLE topic_owner ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON topic_owner TO millrace_api USING (owner_id = caller_id());
GRANT SELECT, INSERT, UPDATE, DELETE ON topic_owner TO millrace_api, millrace_runner;

-- From now on the topic is `owner`'s; called where the thing itself is made, or changes hands. A worker can only give its caller what is
-- nobody's: row-level security refuses the rest.
CREATE FUNCTION topic_own(topic text, owner uuid) RETURNS void LANGUAGE sql AS $$
	INSERT INTO topic_owner AS o (topic, owner_id) VALUES ($1, $2)
	ON CONFLICT ON CONSTRAINT topic_owner_pkey DO UPDATE SET owner_id = excluded.owner_id
$$;

-- Who may listen to a topic: streamd asks this for every join and subscribe. `analytics` says that the caller is an administrator or
-- has the scope analytics:read. Nobody who is disabled or gone may listen to anything.
DROP FUNCTION topic_allowed(uuid, boolean, text);
CREATE FUNCTION topic_allowed(caller uuid, analytics boolean, topic text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public AS $$
DECLARE
	thing text := (regexp_match($3, '^[a-z_]+:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$'))[1];
BEGIN
	IF NOT EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.disabled_at IS NULL) THEN
		RETURN false;
	ELSIF $3 IN ('analytics', 'lead_trends', 'conversation_trends') THEN
		RETURN coalesce($2, false);
	ELSIF thing IS NULL THEN
		RETURN false;
	END IF;
	CASE split_part($3, ':', 1)
	WHEN 'user' THEN
		RETURN thing::uuid = $1;
	WHEN 'run' THEN
		RETURN EXISTS (SELECT FROM run r WHERE r.id = thing::uuid AND r.owner_id = $1);
	WHEN 'conversation' THEN
		RETURN EXISTS (SELECT FROM conversation c WHERE c.id = thing::uuid AND c.owner_id = $1);
	WHEN 'agent', 'process', 'workflow_run' THEN
		RETURN EXISTS (SELECT FROM topic_owner o WHERE o.topic = $3 AND o.owner_id = $1);
	ELSE
		RETURN false;
	END CASE;
END $$;
REVOKE EXECUTE ON FUNCTION topic_allowed FROM PUBLIC;
GRANT EXECUTE ON FUNCTION topic_allowed TO millrace_stream, millrace_api;

-- What a cached answer of topic_allowed() and a stream that stands may rest on has changed for a user: streamd is told their id.
CREATE FUNCTION access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CASE TG_TABLE_NAME
	WHEN 'app_user' THEN
		PERFORM pg_notify('millrace_access', OLD.id::text);
	WHEN 'topic_owner' THEN
		PERFORM pg_notify('millrace_access', OLD.owner_id::text);
		IF TG_OP = 'UPDATE' THEN
			PERFORM pg_notify('millrace_access', NEW.owner_id::text);
		END IF;
	ELSE	-- session, api_key
		PERFORM pg_notify('millrace_access', OLD.user_id::text);
	END CASE;
	RETURN NULL;
END $$;
CREATE TRIGGER access_changed AFTER UPDATE OF role, disabled_at ON app_user FOR EACH ROW
	WHEN (OLD.role <> NEW.role OR OLD.disabled_at IS DISTINCT FROM NEW.disabled_at) EXECUTE FUNCTION access_changed();
CREATE TRIGGER access_ended AFTER DELETE ON app_user FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE TRIGGER access_changed AFTER UPDATE ON topic_owner FOR EACH ROW
	WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION access_changed();
CREATE TRIGGER access_ended AFTER DELETE ON topic_owner FOR EACH ROW EXECUTE FUNCTION access_changed();
CREATE TRIGGER access_ended AFTER UPDATE OF revoked_at ON session FOR EACH ROW
	WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION access_changed();
CREATE TRIGGER access_ended AFTER UPDATE OF revoked_at ON api_key FOR EACH ROW
	WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION access_changed();

CREATE TABLE lead (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	name		text NOT NULL,
	email		text,
	phone		text,
	company		text,
	source		text,				-- where it came from, in its owner's words
	status		text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'contacted', 'qualified', 'converted', 'lost')),
	value		numeric,			-- what it may be worth, in US dollars
	notes		text,
	metadata	jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX lead_owner ON lead (owner_id, id);
ALTER TABLE lead ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON lead TO millrace_api USING (owner_id = caller_id());
GRANT SELECT, INSERT, UPDATE, DELETE ON lead TO millrace_api, millrace_runner;

-- How many leads or conversations were made, [{"date", "value"}, …], date being the first day of a day, week (from Monday) or month in
-- UTC: all periods from that which start_date lies in to that which end_date lies in, each counted whole, 0 where there was nothing.
-- Of the caller's rows, or of everybody's, which is for whoever asks to decide. At most 1000 periods.
CREATE INDEX lead_made ON lead (created_at);
CREATE INDEX lead_owner_made ON lead (owner_id, created_at);
CREATE INDEX conversation_made ON conversation (created_at);
CREATE INDEX conversation_owner_made ON conversation (owner_id, created_at);
CREATE FUNCTION trend_series(caller uuid, everybody boolean, what text, start_date timestamptz, end_date timestamptz, aggregation text)
RETURNS json LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public AS $$
DECLARE
	unit text := CASE aggregation WHEN 'daily' THEN 'day' WHEN 'weekly' THEN 'week' WHEN 'monthly' THEN 'month' END;
	counted text := CASE what WHEN 'lead_trends' THEN 'lead' WHEN 'conversation_trends' THEN 'conversation' END;
	first timestamp;
	last timestamp;
	series json;
BEGIN
	IF unit IS NULL THEN
		PERFORM refuse(400, 'The aggregation is daily, weekly or monthly.');
	ELSIF counted IS NULL THEN
		PERFORM refuse(400, 'There is no such series.');
	ELSIF (start_date >= '0001-01-08Z' AND start_date <= end_date AND end_date < '9999-12-01Z') IS NOT TRUE THEN
		PERFORM refuse(400, 'The series needs a start_date, and an end_date that is not before it.');
	END IF;
	first := date_trunc(unit, start_date AT TIME ZONE 'UTC');
	last := date_trunc(unit, end_date AT TIME ZONE 'UTC');
	IF (CASE unit WHEN 'day' THEN last::date - first::date WHEN 'week' THEN (last::date - first::date) / 7
		ELSE extract(year FROM age(last, first)) * 12 + extract(month FROM age(last, first)) END) >= 1000 THEN
		PERFORM refuse(400, 'The series would have more than 1000 points; ask for a shorter time or for longer steps.');
	END IF;
	-- Planned for these values, since how much of the table they are makes the plan.
	EXECUTE format($q$
		SELECT json_agg(json_build_object('date', to_char(p.first_day, 'YYYY-MM-DD'), 'value', coalesce(c.n, 0)) ORDER BY p.first_day)
		FROM generate_series($1, $2, $3) p (first_day)
		LEFT JOIN (
			SELECT date_trunc(%1$L, x.created_at AT TIME ZONE 'UTC') AS first_day, count(*) AS n FROM %2$I x
			WHERE x.created_at >= $4 AND x.created_at < $5 %3$s GROUP BY 1
		) c USING (first_day)$q$, unit, counted, CASE WHEN everybody THEN '' ELSE 'AND x.owner_id = $6' END)
	INTO series USING first, last, ('1 ' || unit)::interval,
		first AT TIME ZONE 'UTC', (last + ('1 ' || unit)::interval) AT TIME ZONE 'UTC', caller;
	RETURN series;
END $$;
REVOKE EXECUTE ON FUNCTION trend_series FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trend_series TO millrace_stream, millrace_api;

-- Publishing what happens to rows: triggers put events into the outbox, and all of a transaction's are published together at its end.
-- So locks on topics are taken last, once, and in the order of their names, whatever a transaction did before. Rows are taken out by
-- the transaction that put them in: nobody ever sees another's, and none outlives a crash.
CREATE UNLOGGED TABLE outbox (
	n		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	owner_id	uuid NOT NULL,
	type		text NOT NULL,
	data		json NOT NULL,
	due		boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;

-- What goes to `analytics`, which everybody publishes to: its lock, held until each commit is on disk, would make all chats wait for
-- each other (measured: half as many a second). So it waits here, and the runner publishes it in batches, within a tenth of a second.
CREATE TABLE outbox_analytics (
	n		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	type		text NOT NULL,
	data		json NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Publishes to `user:<owner>` when the transaction commits, unless the owner is gone by then, and to what else such an event goes to:
-- `analytics` for leads, messages, conversations and subscriptions (data names the owner as user_id), `workflow_run:<id>` for a run's
-- status. May be called at any point of a transaction; best from a trigger of the table that the event is about.
CREATE FUNCTION publish_to_owner(owner uuid, type text, data json) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	INSERT INTO outbox (owner_id, type, data) VALUES ($1, $2, $3);
	IF $2 ~ '^(lead|subscription)_' OR $2 IN ('message_created', 'conversation_deleted') THEN
		INSERT INTO outbox_analytics (type, data) VALUES ($2, $3);
	END IF;
END $$;
REVOKE EXECUTE ON FUNCTION publish_to_owner FROM PUBLIC;
GRANT EXECUTE ON FUNCTION publish_to_owner TO millrace_api, millrace_runner;

CREATE FUNCTION event_topics(owner uuid, type text, data json) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
	SELECT ARRAY['user:' || $1] || CASE WHEN $2 = 'workflow_status_update' THEN ARRAY['workflow_run:' || ($3 ->> 'workflow_run_id')] END
$$;

-- In two steps, both at the transaction's end: the first only makes the second due, which so comes after every trigger that was
-- deferred until here. Among these are those of the audit log, whose lock is taken before those on topics everywhere. The first row
-- takes all the others along.
CREATE FUNCTION outbox_publish() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET enable_seqscan = off AS $$
DECLARE
	e record;
BEGIN
	IF TG_OP = 'INSERT' THEN
		UPDATE outbox o SET due = true WHERE o.n = NEW.n;
		RETURN NULL;
	ELSIF NOT EXISTS (SELECT FROM outbox o WHERE o.n = NEW.n) THEN
		RETURN NULL;
	END IF;
	-- By publish(), one by one: publish_many() is planned anew each time, which for one event costs more than all the rest.
	FOR e IN
		WITH mine AS (DELETE FROM outbox o WHERE o.n >= NEW.n RETURNING *)
		SELECT t.name, m.type, m.data FROM mine m CROSS JOIN LATERAL unnest(event_topics(m.owner_id, m.type, m.data)) t (name)
		WHERE EXISTS (SELECT FROM app_user u WHERE u.id = m.owner_id) ORDER BY t.name, m.n
	LOOP
		PERFORM publish(e.name, e.type, e.data);
	END LOOP;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER outbox_filled AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION outbox_publish();
CREATE CONSTRAINT TRIGGER outbox_due AFTER UPDATE ON outbox DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION outbox_publish();

-- Publishes what waits for `analytics`, `most` events at most; returns how many. One at a time.
CREATE FUNCTION outbox_analytics_publish(most int) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	topics text[];
	types text[];
	datas text[];
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.outbox_analytics')) THEN
		RETURN 0;
	END IF;
	WITH taken AS (
		DELETE FROM outbox_analytics o WHERE o.n IN (SELECT d.n FROM outbox_analytics d ORDER BY d.n LIMIT most) RETURNING *
	)
	SELECT array_agg('analytics'::text ORDER BY t.n), array_agg(t.type ORDER BY t.n), array_agg(t.data::text ORDER BY t.n)
	INTO topics, types, datas FROM taken t;
	RETURN CASE WHEN topics IS NULL THEN 0 ELSE publish_many(topics, types, datas) END;
END $$;
REVOKE EXECUTE ON FUNCTION outbox_analytics_publish FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox_analytics_publish TO millrace_runner;

-- What is published of rows, by the rows themselves, so that it is right however one changes.
CREATE FUNCTION row_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CASE TG_TABLE_NAME || ' ' || TG_OP
	WHEN 'lead INSERT' THEN
		PERFORM publish_to_owner(NEW.owner_id, 'lead_created', json_build_object('lead_id', NEW.id, 'user_id', NEW.owner_id,
			'created_at', rfc3339(NEW.created_at)));
	WHEN 'lead UPDATE' THEN
		PERFORM publish_to_owner(NEW.owner_id, 'lead_updated', json_build_object('lead_id', NEW.id, 'user_id', NEW.owner_id,
			'updated_at', rfc3339(now())));
	WHEN 'lead DELETE' THEN
		PERFORM publish_to_owner(OLD.owner_id, 'lead_deleted', json_build_object('lead_id', OLD.id, 'user_id', OLD.owner_id,
			'deleted_at', rfc3339(now())));
	WHEN 'message INSERT' THEN
		PERFORM publish_to_owner(NEW.owner_id, 'message_created', json_build_object('conversation_id', NEW.conversation_id,
			'message_id', NEW.id, 'user_id', NEW.owner_id, 'created_at', rfc3339(NEW.created_at)));
	WHEN 'conversation DELETE' THEN
		PERFORM publish_to_owner(OLD.owner_id, 'conversation_deleted', json_build_object('conversation_id', OLD.id,
			'user_id', OLD.owner_id, 'deleted_at', rfc3339(now())));
	WHEN 'notification INSERT' THEN
		PERFORM publish_to_owner(NEW.owner_id, 'notification_created', json_build_object('id', NEW.id, 'notification_id', NEW.id,
			'user_id', NEW.owner_id, 'notification_type', coalesce(NEW.metadata ->> 'type', 'general'), 'severity', NEW.severity,
			'title', NEW.title, 'message', NEW.message, 'action_url', NEW.action_url, 'created_at', rfc3339(NEW.created_at),
			'read', NEW.read, 'metadata', NEW.metadata));
	END CASE;
	RETURN NULL;
END $$;
CREATE TRIGGER published AFTER INSERT OR DELETE ON lead FOR EACH ROW EXECUTE FUNCTION row_published();
CREATE TRIGGER published_change AFTER UPDATE ON lead FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION row_published();
CREATE TRIGGER published AFTER INSERT ON message FOR EACH ROW EXECUTE FUNCTION row_published();
CREATE TRIGGER published AFTER DELETE ON conversation FOR EACH ROW EXECUTE FUNCTION row_published();
DROP TRIGGER notification_published ON notification;
DROP FUNCTION notification_published;
CREATE TRIGGER published AFTER INSERT ON notification FOR EACH ROW EXECUTE FUNCTION row_published();

CREATE OR REPLACE FUNCTION conversation_delete(conversation uuid) RETURNS TABLE (id uuid) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM conversation c WHERE c.id = $1 RETURNING c.id INTO conversation_delete.id;
	IF conversation_delete.id IS NULL THEN
		PERFORM refuse(404, 'There is no such conversation.');
	END IF;
	RETURN NEXT;
END $$;

-- Of somebody who is erased, and of a thing that has a topic of its own and is deleted, the log keeps nothing. At the transaction's
-- end: by then whoever was publishing about a row of theirs has committed, since the row's deletion waited for that.
CREATE FUNCTION events_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	own text;
BEGIN
	IF TG_TABLE_NAME = 'app_user' THEN
		own := 'user:' || OLD.id;
		-- In the order of an event's way: what the runner is just publishing, it has published once we have waited for its row.
		DELETE FROM outbox_analytics o WHERE o.data ->> 'user_id' = OLD.id::text;
		DELETE FROM stream_event e WHERE e.topic = 'analytics' AND e.data ->> 'user_id' = OLD.id::text;
	ELSE
		own := OLD.topic;
	END IF;
	DELETE FROM stream_event e WHERE e.topic = own;
	DELETE FROM topic t WHERE t.name = own;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER events_erased AFTER DELETE ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION events_erased();
CREATE CONSTRAINT TRIGGER events_erased AFTER DELETE ON topic_owner DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION events_erased();

CREATE FUNCTION lead_json(l lead) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', l.id, 'user_id', l.owner_id, 'name', l.name, 'email', l.email, 'phone', l.phone,
		'company', l.company, 'source', l.source, 'status', l.status, 'value', l.value, 'notes', l.notes, 'metadata', l.metadata,
		'created_at', rfc3339(l.created_at), 'updated_at', rfc3339(l.updated_at))
$$;

INSERT INTO export_section (place, name, query) VALUES
(110, 'leads', $q$SELECT id, 0::int8, lead_json(l)
	FROM lead l WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
