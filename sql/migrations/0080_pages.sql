-- Documents that are pages of the web: where they are fetched, and by what they are known again.
ALTER TABLE document
	ADD url text,
	ADD etag text,
	ADD last_modified text;
-- The same file of one user, found again.
CREATE INDEX blob_same ON blob (owner_id, sha256) WHERE sha256 IS NOT NULL;
UPDATE export_section SET query = replace(query, $q$'fileId', d.blob_id$q$,
	$q$'fileId', d.blob_id, 'url', d.url, 'etag', d.etag, 'lastModified', d.last_modified$q$) WHERE name = 'documents';
