-- Documents, their ingestion, and retrieval. What the runner calls is fenced as queue.sql says.

-- What a search asks, in its order: words_kept(), words_near() where a word is in no passage,
-- passages_among(), passages_shown(). Each has one plan for all, by the indexes' keys (LATERAL with
-- OFFSET): one that was made while there were hardly any passages would take minutes over the
-- thousands that come later. Compiling takes longer than most searches, and would be done anew by
-- each.

-- How many of a user's passages have each of the words, for those that any has: the word's place
-- among them, from 1. The first row may have none. With it how many passages and stems there are.
CREATE OR REPLACE FUNCTION words_kept(owner uuid, words text[]) RETURNS TABLE (place bigint, n bigint, passages bigint, stems bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
	total CONSTANT bigint := coalesce((SELECT s.passages FROM storage s WHERE s.owner_id = $1), 0);
	long CONSTANT bigint := coalesce((SELECT k.n FROM passage_word k WHERE k.owner_id = $1 AND k.word = ''), 0);
BEGIN
	RETURN QUERY SELECT w.place, coalesce(k.n, 0), total, long FROM unnest($2) WITH ORDINALITY w (word, place)
	LEFT JOIN LATERAL (SELECT x.n FROM passage_word x WHERE x.owner_id = $1 AND x.word = w.word OFFSET 0) k ON true
	WHERE k.n > 0 OR w.place = 1;
END $$;
GRANT EXECUTE ON FUNCTION words_kept TO millrace_runner;

-- Words of a user's passages that begin with `start`.
CREATE OR REPLACE FUNCTION words_near(owner uuid, start text, most bigint) RETURNS TABLE (word text, n bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT k.word, k.n FROM passage_word k
	WHERE k.owner_id = $1 AND k.word >= $2 COLLATE "C" AND k.word < ($2 || chr(1114111)) COLLATE "C" LIMIT $3;
END $$;
GRANT EXECUTE ON FUNCTION words_near TO millrace_runner;

-- Passages of one user, of `documents` alone where it is not NULL, that have some of the words:
-- those with the greatest weight together, of each group the greatest. Each element of `words` is
-- several, with spaces, of which any will do; of `common` a passage has to have all. The query
-- itself is for documents of the index's version 1, which have PostgreSQL's words. What is read is
-- the owner's alone: of chunk_keys, 6,000 passages at most for each element; the runner gives words
-- that have no more together. The memory is for exact bitmaps of some 200,000 passages. The text is
-- that of passages that have no stems yet.
CREATE OR REPLACE FUNCTION passages_among(owner uuid, words text[], groups int[], weights float8[], common text, query text, most bigint,
	documents uuid[])
RETURNS TABLE (chunk_id bigint, document_id uuid, name text, file_name text, stems text, text text, score float8) LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan SET work_mem = '32MB' AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH word AS (
		SELECT string_to_array(w.word, ' ') AS words, w.grp, w.weight FROM unnest($2, $3, $4) w (word, grp, weight)
		UNION ALL
		(SELECT ARRAY[o.lexeme], -2, 0.1 FROM unnest(to_tsvector('simple', left($6, 2000))) o
		WHERE EXISTS (SELECT FROM document d WHERE d.owner_id = $1 AND d.index_version = 1) LIMIT 64)
	), hit AS (
		-- A word can be made to have the key of another owner's: the owner is asked, too.
		SELECT h.id, max(w.weight) AS weight FROM word w CROSS JOIN LATERAL (
			SELECT c.id FROM (SELECT k.id, k.owner_id, k.document_id FROM chunk k
				WHERE passage_keys(k.owner_id, tsvector_to_array(k.words)) && passage_keys($1, w.words) OFFSET 0) c
			WHERE c.owner_id = $1 AND ($8 IS NULL OR c.document_id = ANY ($8)) LIMIT 6000
		) h GROUP BY h.id, w.grp
		UNION ALL
		(SELECT c.id, 1 FROM (SELECT k.id, k.owner_id, k.document_id FROM chunk k
			WHERE passage_keys(k.owner_id, tsvector_to_array(k.words)) @> passage_keys($1, string_to_array($5, ' ')) OFFSET 0) c
		WHERE $5 <> '' AND c.owner_id = $1 AND ($8 IS NULL OR c.document_id = ANY ($8)) LIMIT 6000)
	), best AS (
		SELECT h.id, sum(h.weight) AS weight FROM hit h GROUP BY h.id ORDER BY weight DESC, h.id LIMIT $7
	)
	SELECT b.id, c.document_id, d.name, d.file_name, encode(c.stems, 'hex'), CASE WHEN c.stems IS NULL THEN c.text END, b.weight
	FROM best b
	CROSS JOIN LATERAL (SELECT x.document_id, x.stems, x.text FROM chunk x WHERE x.id = b.id OFFSET 0) c
	CROSS JOIN LATERAL (SELECT x.name, x.file_name FROM document x WHERE x.id = c.document_id AND x.deleted_at IS NULL OFFSET 0) d
	ORDER BY b.weight DESC, b.id;
END $$;
GRANT EXECUTE ON FUNCTION passages_among TO millrace_runner;

-- Passages by their ids, in that order: each with its place, from 1.
CREATE OR REPLACE FUNCTION passages_shown(ids bigint[])
RETURNS TABLE (place bigint, chunk bigint, document_id uuid, name text, mark text, heading text, text text) LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT i.place, i.id, c.document_id, d.name, c.mark, c.heading, c.text FROM unnest($1) WITH ORDINALITY i (id, place)
	CROSS JOIN LATERAL (SELECT x.document_id, x.mark, x.heading, x.text FROM chunk x WHERE x.id = i.id OFFSET 0) c
	CROSS JOIN LATERAL (SELECT x.name FROM document x WHERE x.id = c.document_id AND x.deleted_at IS NULL OFFSET 0) d
	ORDER BY i.place;
END $$;
GRANT EXECUTE ON FUNCTION passages_shown TO millrace_runner;

CREATE OR REPLACE FUNCTION document_json(d document) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', d.id, 'userId', d.owner_id, 'name', d.name, 'description', d.description,
		'type', d.type, 'size', d.size, 'status', d.status, 'error', d.error, 'notices', d.notices, 'chunkCount', d.chunk_count,
		'metadata', d.metadata, 'createdAt', rfc3339(d.created_at), 'updatedAt', rfc3339(d.updated_at))
$$;
GRANT EXECUTE ON FUNCTION document_json TO millrace_api, millrace_runner;

-- The reply of POST /api/documents/upload, immediate and with ?wait=1.
CREATE OR REPLACE FUNCTION upload_json(d document) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('documentId', d.id, 'id', d.id, 'name', d.name, 'status', d.status, 'message',
		CASE d.status WHEN 'ready' THEN 'The document is ready.' WHEN 'failed' THEN d.error
		ELSE 'The document was stored and is being processed.' END || coalesce(' The same file is there already, as "' || (
			SELECT o.name FROM blob b JOIN blob same ON same.owner_id = b.owner_id AND same.sha256 = b.sha256 AND same.id <> b.id
			JOIN document o ON o.blob_id = same.id AND o.deleted_at IS NULL WHERE b.id = d.blob_id ORDER BY o.id LIMIT 1
		) || '".', ''), 'notices', d.notices)
$$;
GRANT EXECUTE ON FUNCTION upload_json TO millrace_api, millrace_runner;

-- The reply of POST /api/documents/url.
CREATE OR REPLACE FUNCTION page_json(d document) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', d.id, 'name', d.name, 'description', d.description, 'status', d.status,
		'metadata', d.metadata, 'error', d.error, 'notices', d.notices)
$$;
GRANT EXECUTE ON FUNCTION page_json TO millrace_api, millrace_runner;

-- Adds to what a user's documents, their passages and files take up.
CREATE OR REPLACE FUNCTION storage_add(owner uuid, documents bigint, passages bigint, bytes bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF $2 > 0 OR $3 > 0 OR $4 > 0 THEN
		INSERT INTO storage AS s (owner_id, documents, passages, bytes) VALUES ($1, $2, $3, $4)
		ON CONFLICT (owner_id) DO UPDATE SET documents = s.documents + $2, passages = s.passages + $3, bytes = s.bytes + $4;
	ELSIF $2 < 0 OR $3 < 0 OR $4 < 0 THEN
		-- None where the user goes as well.
		UPDATE storage s SET documents = s.documents + $2, passages = s.passages + $3, bytes = s.bytes + $4 WHERE s.owner_id = $1;
	END IF;
END $$;

-- Refuses what would be more than the caller may store, by the row that this transaction has
-- counted it in and so holds; `more` documents are still to come. 0: no limit.
CREATE OR REPLACE FUNCTION storage_check(bytes_max bigint, documents_max bigint, more int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	s storage;
BEGIN
	SELECT * INTO s FROM storage x WHERE x.owner_id = caller_id();
	IF bytes_max > 0 AND s.bytes > bytes_max THEN
		PERFORM refuse('CONFLICT', format('There is no room for this file: yours may take up %s bytes together. Delete some documents or conversations first.', bytes_max));
	ELSIF documents_max > 0 AND s.documents + more > documents_max THEN
		PERFORM refuse('CONFLICT', format('You have %s documents, and may have no more. Delete some first.', s.documents + more - 1));
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION storage_check TO millrace_api;

-- An upload begins, of about `len` bytes: these are counted from now on, so that uploads at the
-- same time do not get past the limits together.
CREATE OR REPLACE FUNCTION blob_create(len bigint, bytes_max bigint, documents_max bigint) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
BEGIN
	INSERT INTO blob (owner_id, size) VALUES (caller_id(), len) RETURNING id INTO new_id;
	PERFORM storage_check(bytes_max, documents_max, 1);
	RETURN new_id;
END $$;
GRANT EXECUTE ON FUNCTION blob_create TO millrace_api;

-- An upload's last step: completes the blob, stores the document and enqueues its ingestion.
CREATE OR REPLACE FUNCTION document_create(blob uuid, sha256 bytea, size bigint, name text, description text, file_name text,
	waits boolean, bytes_max bigint, documents_max bigint, queue_max int) RETURNS TABLE (body json, run_id uuid) LANGUAGE plpgsql AS $$
DECLARE
	d document;
BEGIN
	UPDATE blob b SET sha256 = $2, size = $3 WHERE b.id = $1 AND b.sha256 IS NULL AND b.deleted_at IS NULL;
	IF NOT FOUND THEN
		PERFORM refuse('CONFLICT', 'The upload was given up; send the file again.');
	END IF;
	INSERT INTO document (owner_id, name, description, file_name, size, blob_id)
	VALUES (caller_id(), $4, $5, $6, $3, $1) RETURNING * INTO d;
	PERFORM storage_check(bytes_max, documents_max, 0);
	run_id := run_enqueue('ingest', CASE WHEN waits THEN '{"reply": "upload"}' ELSE '{}' END::jsonb, queue_max,
		document_id => d.id);
	body := upload_json(d);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION document_create TO millrace_api;

-- A page of the web becomes a document: its file is empty until the runner has fetched it.
CREATE OR REPLACE FUNCTION document_create_page(url text, name text, description text, bytes_max bigint, documents_max bigint,
	queue_max int) RETURNS TABLE (body json, run_id uuid) LANGUAGE plpgsql AS $$
DECLARE
	d document;
	new_blob uuid;
BEGIN
	INSERT INTO blob (owner_id, sha256, size) VALUES (caller_id(), sha256(''), 0) RETURNING id INTO new_blob;
	INSERT INTO document (owner_id, name, description, file_name, size, blob_id, url, metadata)
	VALUES (caller_id(), coalesce($2, left(regexp_replace($1, '^https?://', '', 'i'), 200)), $3, '', 0, new_blob, $1,
		jsonb_build_object('url', $1)) RETURNING * INTO d;
	PERFORM storage_check(bytes_max, documents_max, 0);
	run_id := run_enqueue('ingest', '{"reply": "page"}', queue_max, document_id => d.id);
	body := page_json(d);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION document_create_page TO millrace_api;

CREATE OR REPLACE FUNCTION document_reindex(document uuid, queue_max int) RETURNS TABLE (run_id uuid)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE document d SET status = 'pending', error = NULL, notices = '[]', updated_at = now() WHERE d.id = $1;
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such document.');
	END IF;
	run_id := run_enqueue('ingest', '{"reply": "document"}', queue_max, document_id => $1);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION document_reindex TO millrace_api;

-- A document's passages, in place of those that it has, in one statement: the words are counted
-- when both is done, and so locked shortly (sql/triggers/passages.sql). `words` are separated by
-- spaces, `stems` hexadecimal; what each is: runner/knowledge/stems.h.
CREATE OR REPLACE FUNCTION passages_replace(d document, marks text[], headings text[], texts text[], carried int[], words text[],
	stems text[]) RETURNS void LANGUAGE sql SET enable_seqscan = off AS $$
	WITH gone AS (DELETE FROM chunk c WHERE c.document_id = d.id RETURNING 1)
	INSERT INTO chunk (document_id, owner_id, n, mark, heading, text, carried, words, stems, hash)
	SELECT d.id, d.owner_id, g.n, g.mark, g.heading, g.text, g.carried, array_to_tsvector(string_to_array(g.words, ' ')), decode(g.stems, 'hex'),
		passage_hash(d.name, g.heading, g.text)
	FROM unnest($2, $3, $4, $5, $6, $7) WITH ORDINALITY AS g (mark, heading, text, carried, words, stems, n)
	WHERE d.id IS NOT NULL AND (SELECT count(*) FROM gone) >= 0;
$$;
GRANT EXECUTE ON FUNCTION passages_replace TO millrace_runner;

-- Sorts the passages that were added into the index of their words: every search reads through what
-- still waits for it, of whomever it is. Each word's list is written once for all of them, so that
-- those of several documents go together.
-- As the owner: an index is sorted by its owner alone.
CREATE OR REPLACE FUNCTION passages_sort() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM gin_clean_pending_list('chunk_keys');
END $$;
GRANT EXECUTE ON FUNCTION passages_sort TO millrace_runner;

-- An ingestion's end: replaces the document's passages and marks it ready, in one step. `metadata`
-- has the notices as a member, and `page` where the document is one: its new file, by what it is
-- known again, what else is told. Storing takes long, so it locks nothing that others wait for but
-- the count of the owner's words; where the lease, or the document, was lost meanwhile, what was
-- stored is undone. One that was renamed (its index_version is 0) is indexed again after that.
CREATE OR REPLACE FUNCTION document_ready(run_id uuid, runner text, attempt int, after bigint, type text, metadata jsonb, marks text[],
	headings text[], texts text[], carried int[], words text[], stems text[], index_version int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seq bigint;
	d document;
	page CONSTANT jsonb := $6 -> 'page';
BEGIN
	PERFORM FROM job j WHERE j.run_id = $1 AND j.state = 'running' AND j.runner = $2 AND j.attempts = $3;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	SELECT x.* INTO d FROM run r JOIN document x ON x.id = r.document_id WHERE r.id = $1 AND x.deleted_at IS NULL;
	BEGIN
		PERFORM passages_replace(d, $7, $8, $9, $10, $11, $12);
		seq := job_fence($1, $2, $3);
		PERFORM FROM run r WHERE r.id = $1 FOR UPDATE;     -- the run before what it works on
		UPDATE document SET status = 'ready', error = NULL, type = $5, metadata = ($6 - '{notices,page}'::text[]) || coalesce(page -> 'metadata', '{}'),
			notices = coalesce($6 -> 'notices', '[]'), chunk_count = cardinality(marks), index_version = CASE document.index_version WHEN 0 THEN 0 ELSE $13 END, updated_at = now(),
			embedded_by = NULL, embed_after = NULL
		WHERE seq = after AND document.id = d.id AND document.deleted_at IS NULL RETURNING document.* INTO d;
		IF NOT FOUND THEN
			RAISE EXCEPTION USING ERRCODE = 'MRGON';
		END IF;
		IF page IS NOT NULL THEN
			UPDATE blob b SET deleted_at = now() WHERE b.id = d.blob_id;
			UPDATE blob b SET sha256 = decode(page ->> 'sha256', 'hex') WHERE b.id = (page ->> 'blob')::uuid;
			UPDATE document SET blob_id = (page ->> 'blob')::uuid, size = (page ->> 'size')::bigint,
				etag = page ->> 'etag', last_modified = page ->> 'lastModified'
			WHERE document.id = d.id RETURNING document.* INTO d;
		END IF;
	EXCEPTION WHEN SQLSTATE 'MRGON' THEN
		seq := job_fence($1, $2, $3);     -- once more, since its lock was undone with the rest
		IF seq = after THEN
			PERFORM run_abort($1, 'failed', 'NOT_FOUND', 'The document was deleted.', false);
		END IF;
		RETURN seq;
	END;
	PERFORM run_finish($1, 'completed', 'done', document_json(d), document_reply($1, d));
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION document_ready(uuid, text, int, bigint, text, jsonb, text[], text[], text[], int[], text[], text[], int)
	TO millrace_runner;

-- Room for a page that was fetched, of `size` bytes, which runner_page_part then fills;
-- document_ready() puts it in the place of the one before. No row where the job was lost, NULL
-- where the user may not store so much (0: any): what stands for the same page counts for nothing.
CREATE OR REPLACE FUNCTION page_begin(run_id uuid, runner text, attempt int, size bigint, bytes_max bigint)
RETURNS TABLE (blob uuid) LANGUAGE plpgsql AS $$
DECLARE
	d document;
BEGIN
	SELECT x.* INTO d FROM job j JOIN run r ON r.id = j.run_id JOIN document x ON x.id = r.document_id AND x.deleted_at IS NULL
	WHERE j.run_id = $1 AND j.state = 'running' AND j.runner = $2 AND j.attempts = $3;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF bytes_max <= 0 OR $4 - d.size + coalesce((SELECT s.bytes FROM storage s WHERE s.owner_id = d.owner_id), 0) <= bytes_max THEN
		INSERT INTO blob (owner_id, size) VALUES (d.owner_id, $4) RETURNING id INTO blob;
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION page_begin TO millrace_runner;

-- An ingestion's end where nothing was indexed: the page, or the file at a cloud service, is the
-- same as before, or could not be fetched (`error`, for a person). What is indexed serves on; where
-- nothing is, the document has failed.
CREATE OR REPLACE FUNCTION document_kept(run_id uuid, runner text, attempt int, after bigint, error text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	d document;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	PERFORM FROM run r WHERE r.id = $1 FOR UPDATE;     -- the run before what it works on
	UPDATE document SET status = CASE WHEN chunk_count > 0 THEN 'ready' ELSE 'failed' END, updated_at = now(),
		error = CASE WHEN chunk_count > 0 THEN NULL ELSE $5 END,
		notices = CASE WHEN chunk_count > 0 AND $5 IS NOT NULL
			THEN jsonb_build_array($5 || ' What is searched is what it was before.') ELSE '[]' END
	FROM run r WHERE r.id = $1 AND document.id = r.document_id AND document.deleted_at IS NULL RETURNING document.* INTO d;
	IF NOT FOUND THEN
		PERFORM run_abort($1, 'failed', 'NOT_FOUND', 'The document was deleted.', false);
	ELSIF $5 IS NULL THEN
		PERFORM run_finish($1, 'completed', 'done', document_json(d), document_reply($1, d));
	ELSE
		PERFORM run_finish($1, 'failed', 'error', json_build_object('code', 'UPSTREAM_FAILED', 'message', $5), document_reply($1, d));
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION document_kept TO millrace_runner;

-- Replaces the passages of a document of a lower version of the index. False where it has changed
-- since it was seen, or is being worked on: then it is looked at again later.
CREATE OR REPLACE FUNCTION document_indexed(document uuid, seen timestamptz, version int, marks text[], headings text[], texts text[],
	carried int[], words text[], stems text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	d document;
BEGIN
	SELECT * INTO d FROM document x WHERE x.id = $1 AND x.updated_at = seen AND x.deleted_at IS NULL FOR NO KEY UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM FROM chunk c WHERE c.document_id = d.id ORDER BY c.ctid FOR UPDATE;     -- in the order of rows_erase()
	PERFORM passages_replace(d, $4, $5, $6, $7, $8, $9);
	UPDATE document x SET index_version = $3, chunk_count = cardinality(marks), embedded_by = NULL, embed_after = NULL,
		metadata = CASE WHEN x.metadata ? 'chunks' THEN jsonb_set(x.metadata, '{chunks}', to_jsonb(cardinality(marks))) ELSE x.metadata END
	WHERE x.id = d.id;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION document_indexed(uuid, timestamptz, int, text[], text[], text[], int[], text[], text[]) TO millrace_runner;

-- The reply of a request that waits for an ingestion; NULL where none does.
CREATE OR REPLACE FUNCTION document_reply(run_id uuid, d document) RETURNS json
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT data_reply($1, CASE r.input ->> 'reply' WHEN 'upload' THEN upload_json(d) WHEN 'page' THEN page_json(d)
		ELSE document_json(d) END)
	FROM run r WHERE r.id = $1);
END $$;
GRANT EXECUTE ON FUNCTION document_reply TO millrace_runner;

-- An ingestion's end in an error, which is for a person. Old passages go, since they are no longer
-- what the document holds.
CREATE OR REPLACE FUNCTION document_failed(run_id uuid, runner text, attempt int, after bigint, error text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	d document;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	PERFORM FROM run r WHERE r.id = $1 FOR UPDATE;     -- the run before what it works on
	UPDATE document SET status = 'failed', error = $5, notices = '[]', chunk_count = 0, updated_at = now()
	FROM run r WHERE r.id = $1 AND document.id = r.document_id AND document.deleted_at IS NULL RETURNING document.* INTO d;
	IF NOT FOUND THEN
		PERFORM run_abort($1, 'failed', 'NOT_FOUND', 'The document was deleted.', false);
		RETURN seq;
	END IF;
	DELETE FROM chunk c WHERE c.document_id = d.id;
	PERFORM run_finish($1, 'failed', 'error', json_build_object('code', 'UNREADABLE_DOCUMENT', 'message', $5),
		document_reply($1, d));
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION document_failed TO millrace_runner;
