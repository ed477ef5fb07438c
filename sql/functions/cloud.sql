-- Files at Google Drive and OneDrive: asking for them, and keeping some as documents.

-- Whose sign-in opens a platform, and what people call it.
CREATE OR REPLACE FUNCTION cloud_provider(platform text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE $1 WHEN 'google_drive' THEN 'google' ELSE 'microsoft' END
$$;
GRANT EXECUTE ON FUNCTION cloud_provider TO millrace_api;

-- The platforms that the caller has signed in by, separated by spaces; those whose permission has
-- ended since are among them. NULL: none.
CREATE OR REPLACE FUNCTION cloud_connected() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(p, ' ' ORDER BY p) FROM unnest(ARRAY['google_drive', 'onedrive']) p
	WHERE EXISTS (SELECT FROM oauth_token t WHERE t.user_id = caller_id() AND t.provider = cloud_provider(p))
$$;
GRANT EXECUTE ON FUNCTION cloud_connected TO millrace_api;

-- Refuses where the caller has not signed in by a platform's provider, or has to again.
CREATE OR REPLACE FUNCTION cloud_require(platform text) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
	title CONSTANT text := CASE $1 WHEN 'google_drive' THEN 'Google' ELSE 'Microsoft' END;
	good boolean;
BEGIN
	SELECT bool_or(t.failed_at IS NULL) INTO good FROM oauth_token t
	WHERE t.user_id = caller_id() AND t.provider = cloud_provider($1);
	IF good IS NULL THEN
		PERFORM refuse('NOT_CONNECTED', format('%s is not connected: sign in by it, and allow files to be read.', title));
	ELSIF NOT good THEN
		PERFORM refuse('NOT_CONNECTED', format('%s does not accept the permission any more: sign in by it again.', title));
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION cloud_require TO millrace_api;

-- A run that asks one platform, or, without one, all that are connected.
CREATE OR REPLACE FUNCTION cloud_enqueue(what text, platform text, id text, next text, rows bigint, queue_max int) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
	IF $2 IS NULL AND cloud_connected() IS NULL THEN
		PERFORM refuse('NOT_CONNECTED', 'Neither Google nor Microsoft is connected: sign in by one, and allow files to be read.');
	ELSIF $2 IS NOT NULL THEN
		PERFORM cloud_require($2);
	END IF;
	RETURN run_enqueue('cloud', jsonb_strip_nulls(jsonb_build_object('reply', 'cloud', 'do', $1, 'platform', coalesce($2, cloud_connected()),
		'id', $3, 'cursor', $4, 'limit', $5)), $6, priority => 10);
END $$;
GRANT EXECUTE ON FUNCTION cloud_enqueue TO millrace_api;

-- A file that was saved, or is a saved folder's: as its platform shows it, and the document that it
-- is here.
CREATE OR REPLACE FUNCTION cloud_file_json(d document) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN json_build_object('id', d.platform_file, 'name', d.name, 'mimeType', d.metadata -> 'mimeType',
		'size', CASE WHEN d.size > 0 THEN d.size END, 'modifiedAt', d.metadata -> 'modifiedAt', 'isFolder', false, 'provider', d.platform,
		'webUrl', d.metadata -> 'webUrl', 'savedId', d.id,
		'folderId', (SELECT min(i.folder_id::text) FROM cloud_item i WHERE i.document_id = d.id AND d.of_folder), 'documentId', d.id, 'status', d.status,
		'error', d.error, 'notices', d.notices, 'files', NULL, 'checkedAt', NULL, 'savedAt', rfc3339(d.created_at));
END $$;
GRANT EXECUTE ON FUNCTION cloud_file_json TO millrace_api;

-- Saves files and folders, given as an array of {provider, id, name, isFolder}: a file becomes a
-- document, which the runner fetches; a folder is kept in step (folders.sql). One that is there
-- already stays as it is; what is there for a folder's sake alone stays without that from now on.
CREATE OR REPLACE FUNCTION cloud_files_save(given jsonb, bytes_max bigint, documents_max bigint, every_s int, queue_max int)
RETURNS SETOF json LANGUAGE plpgsql AS $$
DECLARE
	f jsonb;
	d document;
	new_blob uuid;
BEGIN
	PERFORM FROM app_user u WHERE u.id = caller_id() FOR NO KEY UPDATE;
	-- Before the documents.
	PERFORM FROM cloud_folder k WHERE k.owner_id = caller_id() ORDER BY k.id FOR UPDATE;
	FOR f IN SELECT e FROM jsonb_array_elements($1) e LOOP
		PERFORM cloud_require(f ->> 'provider');
		IF (f -> 'isFolder')::boolean THEN
			RETURN NEXT cloud_folder_json(folder_save(f, every_s, queue_max));
			CONTINUE;
		END IF;
		UPDATE document o SET of_folder = false WHERE o.owner_id = caller_id() AND o.platform = f ->> 'provider' AND o.platform_file = f ->> 'id'
			AND o.deleted_at IS NULL RETURNING * INTO d;
		IF d.id IS NULL THEN
			INSERT INTO blob (owner_id, sha256, size) VALUES (caller_id(), sha256(''), 0) RETURNING id INTO new_blob;
			INSERT INTO document (owner_id, name, file_name, size, blob_id, platform, platform_file)
			VALUES (caller_id(), coalesce(f ->> 'name', f ->> 'id'), '', 0, new_blob, f ->> 'provider', f ->> 'id') RETURNING * INTO d;
			PERFORM storage_check(bytes_max, documents_max, 0);
			PERFORM run_enqueue('ingest', '{}', queue_max, document_id => d.id);
			-- Of a folder that is kept, and was left out there: it follows the file
			-- again.
			UPDATE cloud_item i SET document_id = d.id, left_out = NULL FROM cloud_folder k
			WHERE i.owner_id = caller_id() AND i.item = d.platform_file AND k.id = i.folder_id AND k.platform = d.platform
				AND i.left_out = 'deleted';
		END IF;
		RETURN NEXT cloud_file_json(d);
	END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION cloud_files_save(jsonb, bigint, bigint, int, int) TO millrace_api;

-- Lets go of what was saved, a file or a folder; false where there is no such thing.
CREATE OR REPLACE FUNCTION cloud_saved_delete(saved uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM document d WHERE d.id = $1 AND d.owner_id = caller_id() AND d.platform IS NOT NULL) THEN
		RETURN EXISTS (SELECT FROM document_delete($1));
	END IF;
	RETURN folder_delete($1);
END $$;
GRANT EXECUTE ON FUNCTION cloud_saved_delete TO millrace_api;

-- Has an access token refreshed, which was sealed as `was` (its SHA-256), and says how that stands:
-- refreshed, waits, failed (for now), or gone, where the provider takes the permission no more or
-- the user has left. Only the `first` look asks for it.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_refresh_request(token uuid, was text, first boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t oauth_token;
BEGIN
	SELECT * INTO t FROM oauth_token o WHERE o.id = $1 FOR NO KEY UPDATE;
	IF t.user_id IS NULL OR t.failed_at IS NOT NULL THEN
		RETURN 'gone';
	ELSIF encode(sha256(t.sealed), 'hex') <> $2 THEN
		RETURN 'refreshed';
	ELSIF t.refresh_at <= now() OR EXISTS (SELECT FROM job j WHERE j.run_id = t.refresh_run AND j.state IN ('queued', 'running')) THEN
		RETURN 'waits';
	ELSIF NOT $3 THEN
		RETURN 'failed';
	END IF;
	UPDATE oauth_token o SET refresh_at = now() WHERE o.id = $1;
	PERFORM pg_notify('millrace_periodic', 'oauth');
	RETURN 'waits';
END $$;
GRANT EXECUTE ON FUNCTION oauth_refresh_request TO millrace_runner;
