-- How far a document is, to who listens to its owner.
CREATE TRIGGER publish_document_created AFTER INSERT ON document FOR EACH ROW EXECUTE FUNCTION publish_document_status();
CREATE TRIGGER publish_document_status AFTER UPDATE OF status ON document FOR EACH ROW
	WHEN (OLD.status <> NEW.status AND NEW.deleted_at IS NULL) EXECUTE FUNCTION publish_document_status();
