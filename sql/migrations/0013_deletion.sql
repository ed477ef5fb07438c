-- What goes in steps, for how long the rest is kept, and how much a user may store.

-- An account, a conversation, a document and a file are marked first: nothing shows them from then
-- on. The runner takes their rows in steps (functions/deletion.sql), the marked row last, so that
-- the mark is all there is to resume from. Foreign keys of an erased account cascade as before.
ALTER TABLE app_user ADD COLUMN erased_at timestamptz,
	ADD CONSTRAINT app_user_erased_is_shut CHECK (erased_at IS NULL OR disabled_at IS NOT NULL);
ALTER TABLE conversation ADD COLUMN deleted_at timestamptz;
-- deleted_run: the runs up to this one hold nothing of the document's passages any more
ALTER TABLE document ADD COLUMN deleted_at timestamptz, ADD COLUMN deleted_run uuid;
ALTER TABLE blob ADD COLUMN deleted_at timestamptz;
CREATE INDEX app_user_erased ON app_user (id) WHERE erased_at IS NOT NULL;
CREATE INDEX conversation_deleted ON conversation (id) WHERE deleted_at IS NOT NULL;
CREATE INDEX document_deleted ON document (id) WHERE deleted_at IS NOT NULL;
CREATE INDEX blob_deleted ON blob (id) WHERE deleted_at IS NOT NULL;
ALTER POLICY own ON conversation USING (owner_id = caller_id() AND deleted_at IS NULL);
ALTER POLICY own ON document USING (owner_id = caller_id() AND deleted_at IS NULL);
CREATE TRIGGER deletion_due AFTER UPDATE OF erased_at ON app_user FOR EACH ROW
	WHEN (NEW.erased_at IS NOT NULL) EXECUTE FUNCTION deletion_due();
CREATE TRIGGER deletion_due AFTER UPDATE OF deleted_at ON conversation FOR EACH ROW
	WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION deletion_due();
CREATE TRIGGER deletion_due AFTER UPDATE OF deleted_at ON document FOR EACH ROW
	WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION deletion_due();
CREATE TRIGGER deletion_due AFTER UPDATE OF deleted_at ON blob FOR EACH ROW
	WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION deletion_due();

-- The end of a conversation is published when it is asked for.
DROP TRIGGER publish_conversation_deleted ON conversation;
CREATE TRIGGER publish_conversation_deleted AFTER DELETE ON conversation FOR EACH ROW
	WHEN (OLD.deleted_at IS NULL) EXECUTE FUNCTION publish_conversation_deleted();
CREATE TRIGGER publish_conversation_marked AFTER UPDATE OF deleted_at ON conversation FOR EACH ROW
	WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION publish_conversation_deleted();

-- So is the end of an account: by whom, the audit log says then.
DROP TRIGGER audit_erased ON app_user;
CREATE CONSTRAINT TRIGGER audit_erased AFTER DELETE ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.erased_at IS NULL) EXECUTE FUNCTION audit_erased();
CREATE CONSTRAINT TRIGGER audit_erasure_asked AFTER UPDATE OF erased_at ON app_user DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) EXECUTE FUNCTION audit_erased();

-- Copies of what is deleted.
CREATE TRIGGER reply_forgotten AFTER DELETE ON lead FOR EACH ROW EXECUTE FUNCTION reply_forgotten();
CREATE TRIGGER reply_forgotten AFTER DELETE ON secret FOR EACH ROW EXECUTE FUNCTION reply_forgotten();
CREATE TRIGGER reply_forgotten AFTER DELETE ON run FOR EACH ROW EXECUTE FUNCTION reply_forgotten();
CREATE TRIGGER reply_forgotten AFTER DELETE OR UPDATE OF deleted_at ON conversation FOR EACH ROW EXECUTE FUNCTION reply_forgotten();
CREATE TRIGGER reply_forgotten AFTER DELETE OR UPDATE OF deleted_at ON document FOR EACH ROW EXECUTE FUNCTION reply_forgotten();
CREATE TRIGGER event_forgotten AFTER DELETE ON notification FOR EACH ROW EXECUTE FUNCTION event_forgotten();

-- Finds the answers that cite a document.
CREATE INDEX message_sources ON message USING gin (source_documents(sources)) WHERE role = 'assistant' AND source_documents(sources) <> '{}';

-- When a key was revoked, or ended by itself.
CREATE INDEX api_key_ended ON api_key (least(revoked_at, expires_at));

-- What a user's documents and files take up, kept by triggers and read under the row's lock: bytes
-- of files (of one under way what its request announced, documents.sql), of uploads and of those
-- that the assistant wrote.
CREATE TABLE storage (
	owner_id	uuid PRIMARY KEY REFERENCES app_user ON DELETE CASCADE,
	documents	bigint NOT NULL DEFAULT 0,
	bytes		bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
ALTER TABLE storage ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON storage TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER storage_counted AFTER INSERT OR DELETE OR UPDATE OF size, deleted_at ON blob FOR EACH ROW EXECUTE FUNCTION blob_counted();
CREATE TRIGGER storage_counted AFTER INSERT OR DELETE OR UPDATE OF deleted_at ON document FOR EACH ROW EXECUTE FUNCTION document_counted();
-- From here on, since the triggers hold writers off.
INSERT INTO storage (owner_id, documents, bytes)
SELECT u.id, (SELECT count(*) FROM document d WHERE d.owner_id = u.id), b.bytes
FROM app_user u JOIN (SELECT owner_id, sum(size) AS bytes FROM blob GROUP BY owner_id) b ON b.owner_id = u.id;

-- What is on its way out is not exported. A message's conversation is looked up by its key: joined,
-- each page would sort all messages.
UPDATE export_section SET query = replace(query, 'owner_id = caller_id()',
	'owner_id = caller_id() AND (SELECT true FROM conversation c WHERE c.id = m.conversation_id)') WHERE name = 'messages';
UPDATE export_section SET query = replace(query, 'owner_id = caller_id()', 'owner_id = caller_id() AND run_is_shown(r)') WHERE name = 'runs';
UPDATE export_section SET query = replace(query, 'owner_id = caller_id()', 'owner_id = caller_id() AND artifact_is_shown(artifact)')
WHERE name = 'artifacts';
UPDATE export_section SET query = replace(query, 'b.owner_id = caller_id()', 'b.owner_id = caller_id() AND b.deleted_at IS NULL'
	' AND (EXISTS (SELECT FROM document d WHERE d.blob_id = b.id) OR EXISTS (SELECT FROM artifact a WHERE a.blob_id = b.id AND artifact_is_shown(a)))')
WHERE name = 'files';
INSERT INTO export_section (position, name, query) VALUES
(72, 'storage', $q$SELECT owner_id, 0::int8, json_build_object('documents', documents, 'bytes', bytes)
	FROM storage WHERE owner_id = caller_id() AND owner_id > $1 ORDER BY owner_id LIMIT $3$q$);

-- Other arguments, or another result.
DROP FUNCTION IF EXISTS document_create(uuid, bytea, bigint, text, text, text, boolean, int), sweep_old(int);
