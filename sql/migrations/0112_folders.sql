-- Folders at Google Drive and OneDrive that are kept in step: their files are documents, and follow
-- what changes there.

CREATE TABLE cloud_folder (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	platform	text NOT NULL CHECK (platform IN ('google_drive', 'onedrive')),
	platform_folder	text NOT NULL,			-- the service's id
	name		text NOT NULL,
	web_url		text,
	-- 'pending': not all of it has been listed yet. 'failed': it is not to be had, and nothing
	-- of it is kept; `error` says why. With another status `error` is why it could not be
	-- asked lately.
	status		text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'ready', 'failed')),
	error		text,
	token		text,				-- where the service's changes are asked from; NULL: it is to be listed first
	listing		int NOT NULL DEFAULT 1,		-- how often it has been listed from the beginning
	swept		int NOT NULL DEFAULT 0,		-- the listing that was compared last with what is there
	is_settled	boolean NOT NULL DEFAULT false,	-- nothing has changed while it was listed last
	is_cut		boolean NOT NULL DEFAULT false,	-- it holds more than is looked at
	run_id		uuid,				-- which looked last, or does
	every_s		int NOT NULL,			-- from one look to the next
	checked_at	timestamptz,			-- up to when it is in step
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	UNIQUE (owner_id, platform, platform_folder)
);
CREATE INDEX cloud_folder_list ON cloud_folder (owner_id, id);
ALTER TABLE cloud_folder ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON cloud_folder TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER reply_forgotten AFTER DELETE ON cloud_folder FOR EACH ROW EXECUTE FUNCTION reply_forgotten();

-- What a folder holds, at any depth; the folder itself is one of them.
CREATE TABLE cloud_item (
	folder_id	uuid NOT NULL REFERENCES cloud_folder ON DELETE CASCADE,
	item		text NOT NULL,			-- the service's id
	owner_id	uuid NOT NULL,
	parent		text,				-- item of the folder that it is in; NULL: the folder itself
	name		text NOT NULL,
	is_folder	boolean NOT NULL,
	is_listed	boolean NOT NULL DEFAULT false,	-- a folder's: its rows have come
	cursor		text,				-- or those before this page have
	seen		int NOT NULL,			-- the folder's last listing that has it
	version		text NOT NULL DEFAULT '',	-- differs where the content does
	size		bigint NOT NULL DEFAULT 0,	-- bytes; 0 where the service does not say
	-- Why a file is no document: 'kind', 'size', 'empty'; 'deleted': its user has deleted that.
	left_out	text,
	document_id	uuid REFERENCES document ON DELETE SET NULL,
	due_at		timestamptz,			-- it is to be fetched
	run_id		uuid,				-- which fetches it
	tries		int NOT NULL DEFAULT 0,		-- that have failed
	PRIMARY KEY (folder_id, item)
);
CREATE INDEX cloud_item_parent ON cloud_item (folder_id, parent);
CREATE INDEX cloud_item_document ON cloud_item (document_id);
CREATE INDEX cloud_item_unlisted ON cloud_item (folder_id) WHERE is_folder AND NOT is_listed;
CREATE INDEX cloud_item_waiting ON cloud_item (folder_id) WHERE NOT is_folder AND document_id IS NULL AND left_out IS NULL;
CREATE INDEX cloud_item_due ON cloud_item (owner_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX cloud_item_fetched ON cloud_item (owner_id) WHERE run_id IS NOT NULL;
ALTER TABLE cloud_item ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON cloud_item TO millrace_api USING (owner_id = caller_id());

-- It is there because a folder holds it, and goes with that; what was saved by itself stays.
ALTER TABLE document ADD of_folder boolean NOT NULL DEFAULT false;

DROP FUNCTION IF EXISTS cloud_files_save(jsonb, bigint, bigint, int);

-- What waits for its turn is begun when another has ended.
CREATE TRIGGER folder_ingest_ended AFTER UPDATE OF ended_at ON run FOR EACH ROW
	WHEN (NEW.kind = 'ingest' AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION folder_ingest_ended();
CREATE TRIGGER folder_schedule AFTER INSERT OR DELETE OR UPDATE OF every_s ON cloud_folder FOR EACH ROW EXECUTE FUNCTION folder_schedule();

INSERT INTO export_section (position, name, query) VALUES
(71, 'cloud_folders', $q$SELECT id, 0::int8, cloud_folder_json(f)
	FROM cloud_folder f WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$),
(73, 'cloud_items', $q$SELECT f.id, i.n, json_build_object('folderId', i.folder_id, 'id', i.item, 'parent', i.parent, 'name', i.name,
	'isFolder', i.is_folder, 'size', i.size, 'version', i.version, 'leftOut', i.left_out, 'documentId', i.document_id)
	FROM cloud_folder f CROSS JOIN LATERAL (SELECT c.*, row_number() OVER (ORDER BY c.item) AS n FROM cloud_item c WHERE c.folder_id = f.id) i
	WHERE f.owner_id = caller_id() AND f.id >= $1 AND (f.id > $1 OR i.n > $2) ORDER BY f.id, i.n LIMIT $3$q$);
