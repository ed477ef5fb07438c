-- Folders at Google Drive and OneDrive that are kept in step. A run of the kind `folder` lists one
-- once, and then asks for what has changed since; each page is stored together with where the next
-- begins, so that a runner's end loses nothing and repeats nothing. The service's changes are those
-- of a whole drive: cloud_item says which of them are the folder's. Its files are documents,
-- fetched a few at a time by runs of their own.
--
-- Locks: the folder's run, the folder, then runs that fetch its files, its items, documents.

-- How many files of one user's folders are fetched at once: the others wait here, not in the queue,
-- where they would be in their user's way.
CREATE OR REPLACE FUNCTION folder_fetches() RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 8 $$;

-- What a person is told of a folder: how many of its files are no documents, and why.
CREATE OR REPLACE FUNCTION folder_notices(f cloud_folder) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT coalesce(json_agg(n.said ORDER BY n.said), '[]') FROM (
		SELECT format(CASE c.why WHEN 'kind' THEN '%s of its files are of kinds that cannot be read, such as pictures, sound, films and archives.'
			WHEN 'size' THEN '%s of its files are larger than is taken.' WHEN 'empty' THEN '%s of its files are empty.'
			WHEN 'deleted' THEN '%s of its files are left out, since you have deleted their documents.'
			ELSE '%s of its files have no room: a folder, and all documents together, may hold so much.' END, c.n) AS said
		FROM (SELECT coalesce(i.left_out, 'room') AS why, count(*) AS n FROM cloud_item i
			WHERE i.folder_id = f.id AND NOT i.is_folder AND i.document_id IS NULL GROUP BY 1) c
		UNION ALL
		SELECT 'It holds more than is looked at; the rest is left out.' WHERE f.is_cut
	) n);
END $$;
GRANT EXECUTE ON FUNCTION folder_notices TO millrace_api;

CREATE OR REPLACE FUNCTION cloud_folder_json(f cloud_folder) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN json_build_object('id', f.platform_folder, 'name', f.name, 'mimeType', NULL, 'size', NULL, 'modifiedAt', NULL, 'isFolder', true,
		'provider', f.platform, 'webUrl', f.web_url, 'savedId', f.id, 'folderId', NULL, 'documentId', NULL, 'status', f.status, 'error', f.error,
		'notices', folder_notices(f), 'files', (SELECT count(*) FROM cloud_item i WHERE i.folder_id = f.id AND i.document_id IS NOT NULL),
		'checkedAt', rfc3339(f.checked_at), 'savedAt', rfc3339(f.created_at));
END $$;
GRANT EXECUTE ON FUNCTION cloud_folder_json TO millrace_api;

-- Saves a folder, given as cloud_files_save() has it, and begins to list it. One that is there
-- already stays as it is.
CREATE OR REPLACE FUNCTION folder_save(given jsonb, every_s int, queue_max int) RETURNS cloud_folder LANGUAGE plpgsql AS $$
DECLARE
	f cloud_folder;
BEGIN
	SELECT * INTO f FROM cloud_folder x WHERE x.owner_id = caller_id() AND x.platform = $1 ->> 'provider' AND x.platform_folder = $1 ->> 'id';
	IF f.id IS NULL THEN
		PERFORM room_for('cloud_folder', 1, 50);
		INSERT INTO cloud_folder (owner_id, platform, platform_folder, name, every_s)
		VALUES (caller_id(), $1 ->> 'provider', $1 ->> 'id', coalesce($1 ->> 'name', $1 ->> 'id'), $2) RETURNING * INTO f;
		UPDATE cloud_folder x SET run_id = run_enqueue('folder', jsonb_build_object('folder', f.id), $3) WHERE x.id = f.id RETURNING * INTO f;
	END IF;
	RETURN f;
END $$;
GRANT EXECUTE ON FUNCTION folder_save TO millrace_api;

-- It is time to look at a folder: at most one run does. False: it is being written just now.
CREATE OR REPLACE FUNCTION folder_due(folder uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	f cloud_folder;
BEGIN
	SELECT * INTO f FROM cloud_folder x WHERE x.id = $1 FOR UPDATE SKIP LOCKED;
	IF f.id IS NULL THEN
		RETURN NOT EXISTS (SELECT FROM cloud_folder x WHERE x.id = $1);
	ELSIF EXISTS (SELECT FROM run r WHERE r.id = f.run_id AND r.ended_at IS NULL) THEN
		RETURN true;
	END IF;
	PERFORM run_erase(f.run_id, 1000, NULL);     -- nobody has asked for it
	UPDATE cloud_folder x SET run_id = run_add(f.owner_id, 'folder', jsonb_build_object('folder', f.id), -10) WHERE x.id = f.id;
	RETURN true;
END $$;

-- A user's sign-in by a provider has come or gone: what is kept by it is looked at now.
CREATE OR REPLACE FUNCTION folders_look(who uuid, provider text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE schedule s SET look_at = now() FROM cloud_folder f
	WHERE f.owner_id = $1 AND cloud_provider(f.platform) = $2 AND s.kind = 'folder' AND s.thing = f.id;
	IF FOUND THEN
		PERFORM pg_notify('millrace_periodic', 'schedules');
	END IF;
END $$;

-- Marks documents as deleted, of which nothing is shown or found from then on; the steps of
-- deletion.sql do the rest. How many there were.
CREATE OR REPLACE FUNCTION documents_drop(ids uuid[]) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	PERFORM run_stop(r.id) FROM (SELECT x.id FROM run x WHERE x.document_id = ANY ($1) AND x.ended_at IS NULL ORDER BY x.id) r;
	-- No run older than the document can hold anything of it; a clock may have been set.
	UPDATE document d SET deleted_at = now(), deleted_run = uuid_v7_floor(d.created_at - interval '1 hour')
	WHERE d.id = ANY ($1) AND d.deleted_at IS NULL;
	GET DIAGNOSTICS n = ROW_COUNT;
	-- Here, so that they count no more from now on.
	UPDATE blob b SET deleted_at = now() FROM document d WHERE d.id = ANY ($1) AND b.id = d.blob_id AND b.deleted_at IS NULL;
	RETURN n;
END $$;

-- Lets go of some of a folder's items: their documents go, but for those that are kept for
-- something else.
CREATE OR REPLACE FUNCTION folder_forget(f cloud_folder, items text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	let uuid[];
BEGIN
	WITH gone AS (DELETE FROM cloud_item i WHERE i.folder_id = f.id AND i.item = ANY ($2) RETURNING i.document_id)
	SELECT array_agg(g.document_id) INTO let FROM gone g WHERE g.document_id IS NOT NULL;
	PERFORM documents_drop(ARRAY(SELECT d.id FROM document d WHERE d.id = ANY (let) AND d.of_folder
		AND NOT EXISTS (SELECT FROM cloud_item i WHERE i.document_id = d.id)));
END $$;

-- All items, or those below some others and these; the folder itself is never among the latter.
CREATE OR REPLACE FUNCTION folder_below(f cloud_folder, items text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
	WITH RECURSIVE g AS (
		SELECT i.item FROM cloud_item i WHERE i.folder_id = f.id AND i.item = ANY ($2) AND i.parent IS NOT NULL
		UNION
		SELECT c.item FROM g JOIN cloud_item c ON c.folder_id = f.id AND c.parent = g.item
	)
	SELECT coalesce(array_agg(g.item), '{}') FROM g
$$;

-- A user lets go of a folder; false where there is none.
-- As the owner: runs and documents are not the caller's to end.
CREATE OR REPLACE FUNCTION folder_delete(folder uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	f cloud_folder;
BEGIN
	PERFORM run_stop(x.run_id) FROM cloud_folder x WHERE x.id = $1 AND x.owner_id = caller_id();
	SELECT * INTO f FROM cloud_folder x WHERE x.id = $1 AND x.owner_id = caller_id() FOR UPDATE;
	IF f.id IS NULL THEN
		RETURN false;
	END IF;
	PERFORM folder_forget(f, ARRAY(SELECT i.item FROM cloud_item i WHERE i.folder_id = f.id));
	DELETE FROM cloud_folder x WHERE x.id = f.id;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION folder_delete TO millrace_api;

-- A run's folder, locked; none where its lease or the folder is lost.
CREATE OR REPLACE FUNCTION folder_lock(run_id uuid, runner text, attempt int) RETURNS cloud_folder LANGUAGE plpgsql AS $$
DECLARE
	f cloud_folder;
BEGIN
	IF job_fence($1, $2, $3) IS NOT NULL THEN
		PERFORM FROM run r WHERE r.id = $1 FOR UPDATE;
		SELECT * INTO f FROM cloud_folder x WHERE x.id = (SELECT (r.input ->> 'folder')::uuid FROM run r WHERE r.id = $1) FOR UPDATE;
	END IF;
	RETURN f;
END $$;

-- What a run does next: `item` is a folder of which the page at `cursor` is to be listed; without
-- one the service's changes are asked for, from `token`. Without that, too, nothing was listed yet.
-- As the owner: items are no role's.
CREATE OR REPLACE FUNCTION folder_step(run_id uuid, runner text, attempt int)
RETURNS TABLE (platform text, folder text, root text, token text, item text, cursor text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT f.platform, f.platform_folder, (SELECT i.item FROM cloud_item i WHERE i.folder_id = f.id AND i.parent IS NULL), f.token, n.item, n.cursor
	FROM job j JOIN run r ON r.id = j.run_id JOIN cloud_folder f ON f.id = (r.input ->> 'folder')::uuid
	LEFT JOIN LATERAL (SELECT i.item, i.cursor FROM cloud_item i WHERE i.folder_id = f.id AND i.is_folder AND NOT i.is_listed
		ORDER BY i.item LIMIT 1) n ON f.token IS NOT NULL
	WHERE j.run_id = $1 AND j.state = 'running' AND j.runner = $2 AND j.attempts = $3
$$;
GRANT EXECUTE ON FUNCTION folder_step TO millrace_runner;

-- What the service says of the folder; `mark` is where its changes are counted from now on, where
-- it is to be listed. False where the run has lost it.
-- As the owner: folders are no role's to change.
CREATE OR REPLACE FUNCTION folder_looked(run_id uuid, runner text, attempt int, root text, name text, web_url text, mark text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	f cloud_folder := folder_lock($1, $2, $3);
BEGIN
	UPDATE cloud_folder x SET name = coalesce(left($5, 200), x.name), web_url = $6 WHERE x.id = f.id;
	IF f.token IS NULL AND $7 IS NOT NULL AND f.id IS NOT NULL THEN
		UPDATE cloud_folder x SET token = $7, listing = x.listing + 1, is_settled = false, is_cut = false WHERE x.id = f.id;
		UPDATE cloud_item i SET is_listed = false, cursor = NULL WHERE i.folder_id = f.id AND i.is_folder;
		INSERT INTO cloud_item (folder_id, owner_id, item, name, is_folder, seen) VALUES (f.id, f.owner_id, $4, coalesce(left($5, 200), ''), true, f.listing + 1)
		ON CONFLICT DO NOTHING;
	END IF;
	RETURN f.id IS NOT NULL;
END $$;
GRANT EXECUTE ON FUNCTION folder_looked TO millrace_runner;

-- Begins a listing anew: of `item`, a folder within, or of the whole, where the service does not
-- know any more what has changed.
-- As the owner: folders are no role's to change.
CREATE OR REPLACE FUNCTION folder_anew(run_id uuid, runner text, attempt int, item text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	f cloud_folder := folder_lock($1, $2, $3);
BEGIN
	IF $4 IS NULL THEN
		UPDATE cloud_folder x SET token = NULL WHERE x.id = f.id;
	ELSE
		UPDATE cloud_item i SET cursor = NULL WHERE i.folder_id = f.id AND i.item = $4;
	END IF;
	RETURN f.id IS NOT NULL;
END $$;
GRANT EXECUTE ON FUNCTION folder_anew TO millrace_runner;

-- Stores a page: the rows of the folder `listed`, or changes of the drive. Of what is in it twice
-- the last counts. What is gone, or is in no folder of ours, goes with all below it. Where the
-- service counts its pages by rows, what goes while a folder is listed takes another's place, which
-- no page shows then: until a listing and the changes behind it have met, folders of which
-- something has changed are listed once more.
CREATE OR REPLACE FUNCTION folder_store_page(f cloud_folder, listed text, page jsonb, most bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	e jsonb;
	n bigint := (SELECT count(*) FROM cloud_item i WHERE i.folder_id = f.id);
	gone text[] := '{}';
	within text;
BEGIN
	IF listed IS NULL AND NOT f.is_settled THEN
		UPDATE cloud_item p SET is_listed = false, cursor = NULL WHERE p.folder_id = f.id AND p.item IN (SELECT i.parent FROM cloud_item i
			WHERE i.folder_id = f.id AND i.item IN (SELECT x.value ->> 'id' FROM jsonb_array_elements(page) x));
	END IF;
	FOR e IN SELECT l.value FROM (SELECT DISTINCT ON (x.value ->> 'id') x.value, x.n FROM jsonb_array_elements(page) WITH ORDINALITY x (value, n)
		ORDER BY x.value ->> 'id', x.n DESC) l ORDER BY NOT coalesce((l.value -> 'isFolder')::boolean, false), l.n LOOP
		within := coalesce(listed, e ->> 'parent');
		IF (e -> 'removed')::boolean OR NOT EXISTS (SELECT FROM cloud_item p WHERE p.folder_id = f.id AND p.item = within AND p.is_folder) THEN
			gone := gone || (e ->> 'id');
			CONTINUE;
		ELSIF NOT EXISTS (SELECT FROM cloud_item i WHERE i.folder_id = f.id AND i.item = e ->> 'id') THEN
			IF n >= most THEN
				UPDATE cloud_folder x SET is_cut = true WHERE x.id = f.id;
				CONTINUE;
			END IF;
			n := n + 1;
		END IF;
		INSERT INTO cloud_item AS i (folder_id, owner_id, item, parent, name, is_folder, seen, version, size, left_out)
		VALUES (f.id, f.owner_id, e ->> 'id', within, left(e ->> 'name', 200), (e -> 'isFolder')::boolean, f.listing, coalesce(e ->> 'version', ''),
			coalesce((e ->> 'size')::bigint, 0), e ->> 'leftOut')
		ON CONFLICT (folder_id, item) DO UPDATE SET parent = excluded.parent, name = excluded.name, is_folder = excluded.is_folder, seen = excluded.seen,
			version = excluded.version, size = excluded.size, left_out = CASE i.left_out WHEN 'deleted' THEN i.left_out ELSE excluded.left_out END,
			due_at = CASE WHEN excluded.version <> i.version AND NOT excluded.is_folder THEN now() ELSE i.due_at END,
			tries = CASE WHEN excluded.version <> i.version THEN 0 ELSE i.tries END
		WHERE i.parent IS NOT NULL;
	END LOOP;
	-- A folder that came later in the page is to be listed, and has them then.
	PERFORM folder_forget(f, folder_below(f, ARRAY(SELECT x.value ->> 'id' FROM jsonb_array_elements(page) x
		WHERE x.value ->> 'id' = ANY (gone) AND ((x.value -> 'removed')::boolean OR listed IS NOT NULL
			OR NOT EXISTS (SELECT FROM cloud_item p WHERE p.folder_id = f.id AND p.item = x.value ->> 'parent' AND p.is_folder)))));
	-- What a document is called is found with it.
	UPDATE document d SET name = i.name, index_version = 0, updated_at = now() FROM cloud_item i
	WHERE i.folder_id = f.id AND i.item IN (SELECT x.value ->> 'id' FROM jsonb_array_elements(page) x) AND d.id = i.document_id
		AND d.of_folder AND d.deleted_at IS NULL AND d.name <> i.name;
	IF FOUND THEN
		PERFORM pg_notify('millrace_periodic', 'index');
	END IF;
END $$;

-- Makes a file of a folder a document, or finds the one that it is already.
CREATE OR REPLACE FUNCTION folder_document(f cloud_folder, i cloud_item) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	new_blob uuid;
	made uuid;
BEGIN
	SELECT d.id INTO made FROM document d WHERE d.owner_id = f.owner_id AND d.platform = f.platform AND d.platform_file = i.item AND d.deleted_at IS NULL;
	IF made IS NULL THEN
		INSERT INTO blob (owner_id, sha256, size) VALUES (f.owner_id, sha256(''), 0) RETURNING id INTO new_blob;
		INSERT INTO document (owner_id, name, file_name, size, blob_id, platform, platform_file, of_folder)
		VALUES (f.owner_id, i.name, '', 0, new_blob, f.platform, i.item, true) RETURNING id INTO made;
	END IF;
	RETURN made;
END $$;

-- Lets go of what is no document any more, and makes documents of files for which there is room.
CREATE OR REPLACE FUNCTION folder_fill(f cloud_folder, files_max bigint, bytes_max bigint, documents_max bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	i cloud_item;
	n bigint;
	bytes bigint;
	room bigint;
	let uuid[];
BEGIN
	WITH gone AS (UPDATE cloud_item x SET document_id = NULL, due_at = NULL FROM cloud_item was
		WHERE x.folder_id = f.id AND x.left_out IS NOT NULL AND x.document_id IS NOT NULL AND was.folder_id = x.folder_id AND was.item = x.item
		RETURNING was.document_id)
	SELECT array_agg(g.document_id) INTO let FROM gone g;
	PERFORM documents_drop(ARRAY(SELECT d.id FROM document d WHERE d.id = ANY (let) AND d.of_folder
		AND NOT EXISTS (SELECT FROM cloud_item x WHERE x.document_id = d.id)));
	SELECT count(*), coalesce(sum(x.size), 0) INTO n, bytes FROM cloud_item x WHERE x.folder_id = f.id AND x.document_id IS NOT NULL;
	room := documents_max - coalesce((SELECT s.documents FROM storage s WHERE s.owner_id = f.owner_id), 0);
	FOR i IN SELECT * FROM cloud_item x WHERE x.folder_id = f.id AND NOT x.is_folder AND x.document_id IS NULL AND x.left_out IS NULL ORDER BY x.item LOOP
		EXIT WHEN n >= files_max OR (documents_max > 0 AND room <= 0);
		CONTINUE WHEN bytes + i.size > bytes_max;
		UPDATE cloud_item x SET document_id = folder_document(f, i), due_at = now(), tries = 0 WHERE x.folder_id = i.folder_id AND x.item = i.item;
		n := n + 1;
		bytes := bytes + i.size;
		room := room - 1;
	END LOOP;
END $$;

-- Has files fetched that are due, as many as may be at once. Waits for nobody: who holds an item
-- feeds after that, and the next look at the folder does in any case.
-- As the owner: runs are not the runner's to make.
CREATE OR REPLACE FUNCTION folder_feed(owner uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	i cloud_item;
	made uuid;
BEGIN
	-- What could not be had is tried again, each time later.
	UPDATE cloud_item x SET run_id = NULL, tries = CASE WHEN e.again THEN x.tries + 1 ELSE 0 END, due_at = CASE WHEN e.again
		THEN least(x.due_at, now() + least(360, 2 ^ least(x.tries, 10)) * interval '1 minute') ELSE x.due_at END
	FROM (
		SELECT y.folder_id, y.item, coalesce(r.error_code IN ('UPSTREAM_FAILED', 'INTERNAL'), false) AS again
		FROM cloud_item y LEFT JOIN run r ON r.id = y.run_id
		WHERE y.owner_id = $1 AND y.run_id IS NOT NULL AND (r.id IS NULL OR r.ended_at IS NOT NULL) FOR UPDATE OF y SKIP LOCKED
	) e WHERE x.folder_id = e.folder_id AND x.item = e.item;
	FOR i IN SELECT y.* FROM cloud_item y JOIN document d ON d.id = y.document_id AND d.deleted_at IS NULL
		WHERE y.owner_id = $1 AND y.due_at <= now() AND y.run_id IS NULL
			AND NOT EXISTS (SELECT FROM run r WHERE r.document_id = d.id AND r.ended_at IS NULL)
		ORDER BY y.due_at, y.item LIMIT greatest(0, folder_fetches() - (SELECT count(*) FROM cloud_item z WHERE z.owner_id = $1 AND z.run_id IS NOT NULL))
		FOR UPDATE OF y SKIP LOCKED LOOP
		made := run_add($1, 'ingest', '{}', -10);
		UPDATE run r SET document_id = i.document_id WHERE r.id = made;
		UPDATE cloud_item x SET run_id = made, due_at = NULL WHERE x.folder_id = i.folder_id AND x.item = i.item;
	END LOOP;
END $$;

-- Stores a page, as folder_store_page() does, of the folder `listed` or of changes, which was asked
-- for by `was`; `next` is what asks for the next, and `is_last`: there are no further changes now.
-- Once: a page that is not due any more is passed over. False where the run has lost the folder.
-- As the owner: folders and documents are no role's to change.
CREATE OR REPLACE FUNCTION folder_page(run_id uuid, runner text, attempt int, listed text, was text, next text, is_last boolean, page jsonb, files_max bigint,
	bytes_max bigint, documents_max bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	f cloud_folder := folder_lock($1, $2, $3);
BEGIN
	IF f.id IS NULL THEN
		RETURN false;
	ELSIF listed IS NULL THEN
		IF f.token IS DISTINCT FROM was THEN
			RETURN true;
		END IF;
		PERFORM folder_store_page(f, NULL, page, files_max * 4);
		UPDATE cloud_folder x SET token = next, is_settled = (x.is_settled OR is_last)
			AND NOT EXISTS (SELECT FROM cloud_item i WHERE i.folder_id = f.id AND i.is_folder AND NOT i.is_listed) WHERE x.id = f.id;
	ELSE
		PERFORM FROM cloud_item i WHERE i.folder_id = f.id AND i.item = listed AND NOT i.is_listed AND i.cursor IS NOT DISTINCT FROM was;
		IF NOT FOUND THEN
			RETURN true;
		END IF;
		PERFORM folder_store_page(f, listed, page, files_max * 4);
		UPDATE cloud_item i SET cursor = next, is_listed = next IS NULL OR x.is_cut FROM cloud_folder x
		WHERE x.id = f.id AND i.folder_id = x.id AND i.item = listed;
	END IF;
	IF f.swept < f.listing AND NOT EXISTS (SELECT FROM cloud_item i WHERE i.folder_id = f.id AND i.is_folder AND NOT i.is_listed) THEN
		PERFORM folder_forget(f, ARRAY(SELECT i.item FROM cloud_item i WHERE i.folder_id = f.id AND i.seen < f.listing AND i.parent IS NOT NULL));
		UPDATE cloud_folder x SET swept = x.listing WHERE x.id = f.id;
	END IF;
	PERFORM folder_fill(f, files_max, bytes_max, documents_max);
	PERFORM folder_feed(f.owner_id);
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION folder_page TO millrace_runner;

-- A folder that is not to be had any more: nothing of it stays, and its user is told, once.
CREATE OR REPLACE FUNCTION folder_lost(f cloud_folder, why text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM folder_forget(f, ARRAY(SELECT i.item FROM cloud_item i WHERE i.folder_id = f.id));
	UPDATE cloud_folder x SET status = 'failed', error = why, token = NULL, is_cut = false, updated_at = now() WHERE x.id = f.id;
	IF f.status <> 'failed' THEN
		INSERT INTO notification (owner_id, severity, title, message, metadata) VALUES (f.owner_id, 'warning', 'A folder is not to be had any more',
			format('“%s”: %s Its files are not searched any more. Where it can be had again, they come back.', f.name, why),
			jsonb_build_object('type', 'cloud_folder', 'provider', f.platform, 'id', f.platform_folder));
	END IF;
END $$;

-- The end of a look at a folder. `error`: why it could not be asked, for a person; `lost`: it is
-- not to be had any more. `wait_ms`: no sooner than that it is asked again.
-- As the owner: folders and documents are no role's to change.
CREATE OR REPLACE FUNCTION folder_end(run_id uuid, runner text, attempt int, after bigint, error text, lost boolean, wait_ms bigint, every_s int,
	files_max bigint, bytes_max bigint, documents_max bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	f cloud_folder;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	f := folder_lock($1, $2, $3);
	IF f.id IS NULL THEN
		PERFORM run_abort($1, 'failed', 'NOT_FOUND', 'The folder is not kept any more.', false);
		RETURN seq;
	ELSIF lost THEN
		PERFORM folder_lost(f, $5);
	ELSE
		UPDATE cloud_folder x SET status = CASE WHEN $5 IS NULL THEN 'ready' ELSE x.status END, error = $5,
			checked_at = CASE WHEN $5 IS NULL THEN now() ELSE x.checked_at END, updated_at = now() WHERE x.id = f.id;
		PERFORM folder_fill(f, files_max, bytes_max, documents_max);
		PERFORM folder_feed(f.owner_id);
	END IF;
	UPDATE cloud_folder x SET every_s = $8 WHERE x.id = f.id AND x.every_s <> $8;
	UPDATE schedule s SET look_at = greatest(s.look_at, now() + wait_ms * interval '1 millisecond') WHERE s.kind = 'folder' AND s.thing = f.id AND wait_ms > 0;
	IF $5 IS NULL THEN
		PERFORM run_finish($1, 'completed', 'done', '{}', NULL);
	ELSE
		PERFORM run_finish($1, 'failed', 'error', json_build_object('code', CASE WHEN lost THEN 'NOT_FOUND' ELSE 'UPSTREAM_FAILED' END, 'message', $5), NULL);
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION folder_end TO millrace_runner;
