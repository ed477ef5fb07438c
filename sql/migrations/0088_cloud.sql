-- Documents that are files at Google Drive or OneDrive: which of them, by the service's id. A file
-- is one document of a user.
ALTER TABLE document
	ADD platform text CHECK (platform IN ('google_drive', 'onedrive')),
	ADD platform_file text,
	ADD CHECK ((platform IS NULL) = (platform_file IS NULL));
CREATE UNIQUE INDEX document_platform ON document (owner_id, platform, platform_file)
	WHERE platform IS NOT NULL AND deleted_at IS NULL;
-- The list of them.
CREATE INDEX document_cloud ON document (owner_id, id) WHERE platform IS NOT NULL;
UPDATE export_section SET query = replace(query, $q$'url', d.url,$q$,
	$q$'url', d.url, 'platform', d.platform, 'platformFile', d.platform_file,$q$) WHERE name = 'documents';
