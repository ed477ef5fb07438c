-- The event log, which every stream is fed from, and the outbox, by which rows get into it.

CREATE TABLE topic (
	name		text PRIMARY KEY,
	-- The last one given out; given out under this row's lock
	seq		bigint NOT NULL DEFAULT 0,
	updated_at	timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- (topic, seq) is unique because publish() alone writes and counts under the topic's lock;
-- PostgreSQL wants the partition key in a primary key, hence created_at in it.
CREATE TABLE stream_event (
	topic		text NOT NULL,
	seq		bigint NOT NULL,
	type		text NOT NULL,
	data		json NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (topic, seq, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE stream_event_rest PARTITION OF stream_event DEFAULT;
SELECT event_partitions('24 hours');

-- Owners of topics that are named after a thing with one owner: `agent:<id>`, `process:<id>`,
-- `workflow_run:<id>`. Filled in by what creates the thing (topic_own); deleted with its owner or
-- with the thing.
CREATE TABLE topic_owner (
	topic		text PRIMARY KEY,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	-- A row that goes takes its topic's events along (events_erased): no other kind may be
	-- claimed.
	CHECK (topic ~ '^(agent|process|workflow_run):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
);
CREATE INDEX topic_owner_owner ON topic_owner (owner_id);
ALTER TABLE topic_owner ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON topic_owner TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER access_topic_changed AFTER UPDATE ON topic_owner FOR EACH ROW
	WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION access_topic_changed();
CREATE TRIGGER access_topic_deleted AFTER DELETE ON topic_owner FOR EACH ROW EXECUTE FUNCTION access_topic_changed();
CREATE CONSTRAINT TRIGGER events_erased AFTER DELETE ON topic_owner DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION events_erased_with_topic();

-- Publishing what happens to rows: triggers put events into the outbox, and all of a transaction's
-- are published together at its end. So locks on topics are taken last, once, and in the order of
-- their names, whatever a transaction did before. A transaction removes its own rows: none sees
-- another's, and none outlives a crash.
CREATE UNLOGGED TABLE outbox (
	n		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	owner_id	uuid NOT NULL,
	type		text NOT NULL,
	data		json NOT NULL,
	due		boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
CREATE CONSTRAINT TRIGGER outbox_filled AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION outbox_publish();
CREATE CONSTRAINT TRIGGER outbox_due AFTER UPDATE ON outbox DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION outbox_publish();

-- Events for `analytics`, a topic that every user's rows publish to: its lock, held until each
-- commit is on disk, would serialise all chats (measured: half as many a second). So they wait
-- here, and the runner publishes them in batches within a tenth of a second.
CREATE TABLE outbox_analytics (
	n		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	type		text NOT NULL,
	data		json NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
