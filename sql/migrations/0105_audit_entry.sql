-- What servers of other programs log of their requests. The chain has a row of each entry, with its
-- id and digest alone; so an entry can go with its user, and a changed one is found out.
CREATE TABLE audit_entry (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	-- Whom it is about; who wrote it, where it names nobody
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	-- Who wrote it: has no foreign key, since it stays when they go
	writer_id	uuid NOT NULL,
	-- The client's, as it calls what happened
	request_id	text NOT NULL,
	type		text NOT NULL,
	-- The client's own words
	data		jsonb NOT NULL,
	-- The client's own time for it
	client_at	timestamptz,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_entry_owner ON audit_entry (owner_id, id);
CREATE INDEX audit_entry_writer ON audit_entry (writer_id, id);
CREATE INDEX audit_entry_request ON audit_entry (request_id, id);
CREATE INDEX audit_entry_type ON audit_entry (type, id);
ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON audit_entry TO millrace_api USING (owner_id = caller_id());
-- Deferred: the chain's lock is taken last.
CREATE CONSTRAINT TRIGGER audit_entry_logged AFTER INSERT ON audit_entry DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION audit_entry_logged();

-- The row of the chain that an entry has.
CREATE UNIQUE INDEX audit_log_entry ON audit_log (((data ->> 'entry')::uuid)) WHERE type = 'request_logged';

INSERT INTO export_section (position, name, query) VALUES
(97, 'audit_entries', $q$SELECT id, 0::int8, audit_entry_json(e)
	FROM audit_entry e WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
