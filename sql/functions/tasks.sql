-- Tasks: each reads the rows of its process's data sources (extract), makes of them what they are
-- compared by (transform) and stores both (load), all three in one step, and looks for leads that
-- have the same (match), or a similar name (compare, which is match, too, for who listens). What
-- the runner calls is fenced as queue.sql says, and what it calls again with the same arguments is
-- done once: `task.step`, `task.rows` and `task.at` say how far the task is, and a new attempt goes
-- on from there. What goes through many leads is planned each time: a plan that was made while
-- there were few may look through all of them for each row.

CREATE OR REPLACE FUNCTION pipeline_new() RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_object_agg(s, '{"status": "pending", "progress": 0, "rows": 0, "error": null}'::jsonb)
	FROM unnest(ARRAY['extract', 'load', 'transform', 'match']) s
$$;
GRANT EXECUTE ON FUNCTION pipeline_new TO millrace_api, millrace_runner;

-- A stage's new state; NULL leaves its error as it is.
CREATE OR REPLACE FUNCTION pipeline_set(pipeline jsonb, stage text, status text, progress int, rows int, error text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_set($1, ARRAY[$2], jsonb_build_object('status', $3, 'progress', $4, 'rows', $5, 'error', coalesce($6, $1 #>> ARRAY[$2, 'error'])))
$$;
GRANT EXECUTE ON FUNCTION pipeline_set TO millrace_runner;

-- What was under way, or would have been next, has failed.
CREATE OR REPLACE FUNCTION pipeline_failed(pipeline jsonb, error text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	stage text;
BEGIN
	SELECT s INTO stage FROM unnest(ARRAY['extract', 'load', 'transform', 'match']) WITH ORDINALITY o (s, n)
	WHERE $1 #>> ARRAY[s, 'status'] <> 'completed' ORDER BY n LIMIT 1;
	RETURN CASE WHEN stage IS NULL THEN $1
		ELSE pipeline_set($1, stage, 'failed', ($1 #>> ARRAY[stage, 'progress'])::int, ($1 #>> ARRAY[stage, 'rows'])::int, $2) END;
END $$;

CREATE OR REPLACE FUNCTION task_json(t task) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', t.id, 'process_id', t.process_id, 'agent_id', t.process_id, 'status', t.status, 'progress', t.progress,
		'filename', t.filename, 'phone', t.phone, 'rows', t.rows, 'matches', t.matches, 'pipeline', t.pipeline, 'error', t.error,
		'due_at', rfc3339(t.due_at), 'created_at', rfc3339(t.created_at), 'updated_at', rfc3339(t.updated_at), 'ended_at', rfc3339(t.ended_at))
$$;
GRANT EXECUTE ON FUNCTION task_json TO millrace_api, millrace_runner;

-- A match with its lead, and the row by the names of its columns.
CREATE OR REPLACE FUNCTION match_json(m match) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT json_build_object('id', m.id, 'process_id', t.process_id, 'task_id', m.task_id, 'score', m.score, 'reasons', m.reasons,
		'lead', (SELECT json_build_object('id', l.id, 'name', l.name, 'email', l.email, 'phone', l.phone, 'company', l.company, 'status', l.status)
			FROM lead l WHERE l.id = m.lead_id),
		'row', json_build_object('source_id', f.source_id, 'filename', f.name, 'number', m.row,
			'values', (SELECT json_object_agg(coalesce(f.columns[v.n], 'column ' || v.n), v.cell ORDER BY v.n)
				FROM json_array_elements_text(m.cells) WITH ORDINALITY v (cell, n))),
		'created_at', rfc3339(t.ended_at))
	FROM task t JOIN task_file f ON f.task_id = t.id AND f.n = m.file WHERE t.id = m.task_id);
END $$;
GRANT EXECUTE ON FUNCTION match_json TO millrace_api;

-- A task of a process of the caller's, in the queue.
CREATE OR REPLACE FUNCTION task_enqueue(process uuid, due timestamptz, queue_max int) RETURNS task LANGUAGE plpgsql AS $$
DECLARE
	made task;
BEGIN
	INSERT INTO task (id, owner_id, process_id, due_at, pipeline) VALUES (run_enqueue('task', '{}', $3), caller_id(), $1, $2, pipeline_new())
	RETURNING * INTO made;
	RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION task_enqueue TO millrace_api;

-- Of the process of this id, or the caller's first.
CREATE OR REPLACE FUNCTION task_create(process uuid, queue_max int) RETURNS task LANGUAGE plpgsql AS $$
DECLARE
	found uuid := (SELECT f.id FROM process_find($1) f);
BEGIN
	IF found IS NULL THEN
		PERFORM process_missing();
	END IF;
	RETURN task_enqueue(found, NULL, $2);
END $$;
GRANT EXECUTE ON FUNCTION task_create TO millrace_api;

-- The process's task for this time of its schedule, once. False: it is locked just now.
CREATE OR REPLACE FUNCTION task_due(process uuid, due timestamptz, queue_max int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	-- Whoever deletes it waits for us then, and we not for them.
	PERFORM FROM agent_process p WHERE p.id = $1 FOR KEY SHARE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN false;
	ELSIF NOT EXISTS (SELECT FROM task t WHERE t.process_id = $1 AND t.due_at = $2) THEN
		PERFORM task_enqueue($1, $2, $3);
	END IF;
	RETURN true;
END $$;

-- -- the runner's, of one task --

-- Is it the task's turn? Those of a process are done one after the other: else an earlier one that
-- takes longer would show what it found in place of a later one's. Having waited is no attempt.
CREATE OR REPLACE FUNCTION task_turn(run_id uuid, runner text, attempt int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	ELSIF NOT EXISTS (SELECT FROM task t JOIN task o ON o.process_id = t.process_id AND o.id < t.id AND o.ended_at IS NULL WHERE t.id = $1) THEN
		RETURN true;
	END IF;
	UPDATE job j SET max_attempts = j.max_attempts + 1 WHERE j.run_id = $1;
	RETURN false;
END $$;
GRANT EXECUTE ON FUNCTION task_turn TO millrace_runner;

-- An attempt begins: how far the task is. No row where the lease is lost, or the process is gone.
CREATE OR REPLACE FUNCTION task_claim(run_id uuid, runner text, attempt int) RETURNS SETOF task LANGUAGE plpgsql AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NOT NULL THEN
		RETURN QUERY UPDATE task t SET status = 'processing', updated_at = now() WHERE t.id = $1 AND t.process_id IS NOT NULL RETURNING t.*;
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION task_claim TO millrace_runner;

-- Takes up to `most` rows that an earlier attempt has stored, and with the last of them its files;
-- true: there may be more. NULL where the lease is lost, as of all that follow.
CREATE OR REPLACE FUNCTION task_clear(run_id uuid, runner text, attempt int, most int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	END IF;
	DELETE FROM task_row r WHERE r.ctid = ANY (ARRAY(SELECT o.ctid FROM task_row o WHERE o.task_id = $1 LIMIT $4));
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n < $4 THEN
		DELETE FROM task_file f WHERE f.task_id = $1;
		UPDATE task t SET rows = 0, at = 0, progress = 0, pipeline = pipeline_set(pipeline_set(pipeline_new(), 'extract', 'running', 0, 0), 'load',
			'running', 0, 0), updated_at = now() WHERE t.id = $1;
	END IF;
	RETURN n >= $4;
END $$;
GRANT EXECUTE ON FUNCTION task_clear TO millrace_runner;

CREATE OR REPLACE FUNCTION task_file_add(run_id uuid, runner text, attempt int, file int, source uuid, document uuid, name text, columns text[])
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	END IF;
	INSERT INTO task_file (task_id, n, owner_id, source_id, document_id, name, columns)
	SELECT $1, $4, t.owner_id, (SELECT d.id FROM datasource d WHERE d.id = $5), $6, $7, $8 FROM task t WHERE t.id = $1 ON CONFLICT DO NOTHING;
	UPDATE task t SET filename = $7, updated_at = now() WHERE t.id = $1;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION task_file_add TO millrace_runner;

-- Stores rows of a file behind the first `before`, with what they are compared by, empty for
-- nothing. As many were `read`, and "progress" is that of reading.
CREATE OR REPLACE FUNCTION task_load(run_id uuid, runner text, attempt int, before int, file int, numbers int[], cells text[], e164 text[],
	phone_keys text[], email_keys text[], mailbox_keys text[], name_keys text[], read int, progress int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	upto CONSTANT int := $4 + cardinality($6);
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	ELSIF (SELECT t.rows >= upto FROM task t WHERE t.id = $1) THEN
		RETURN true;
	END IF;
	INSERT INTO task_row (task_id, n, file, row, cells, e164, phone_key, email_key, mailbox_key, name_key)
	SELECT $1, $4 + u.n, $5, u.number, u.cells::json, nullif(u.e164, ''), nullif(u.phone_key, ''), nullif(u.email_key, ''), nullif(u.mailbox_key, ''),
		nullif(u.name_key, '')
	FROM unnest($6, $7, $8, $9, $10, $11, $12) WITH ORDINALITY u (number, cells, e164, phone_key, email_key, mailbox_key, name_key, n)
	-- Not of a document that is being deleted.
	WHERE EXISTS (SELECT FROM task_file f WHERE f.task_id = $1 AND f.n = $5);
	UPDATE task t SET rows = upto, phone = coalesce(nullif($8[cardinality($8)], ''), t.phone), progress = greatest(t.progress, $14 * 6 / 10), updated_at = now(),
		pipeline = pipeline_set(pipeline_set(pipeline_set(t.pipeline, 'extract', 'running', $14, $13), 'load', 'running', $14, upto),
			'transform', 'running', $14, upto)
	WHERE t.id = $1;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION task_load TO millrace_runner;

-- The next step begins; `error` is what went wrong in the one before, which was completed all the
-- same.
CREATE OR REPLACE FUNCTION task_step(run_id uuid, runner text, attempt int, step text, error text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	END IF;
	UPDATE task t SET step = $4, at = 0, updated_at = now(), pipeline = CASE $4
		WHEN 'match' THEN pipeline_set(pipeline_set(pipeline_set(pipeline_set(t.pipeline, 'extract', 'completed', 100, t.rows, $5), 'load', 'completed',
			100, t.rows), 'transform', 'completed', 100, t.rows), 'match', 'running', 0, 0)
		WHEN 'end' THEN pipeline_set(t.pipeline, 'match', 'completed', 100, t.rows, $5)
		ELSE t.pipeline END
	WHERE t.id = $1 AND t.step <> $4;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION task_step TO millrace_runner;

-- Leads whose keys are missing, or of before their last change, by their ids behind `after`. What
-- is said of a number without a country depends on the region. What is longer than a key's 250
-- bytes has none, so its rest is not read.
CREATE OR REPLACE FUNCTION leads_without_keys(owner uuid, region text, after uuid, most int)
RETURNS TABLE (id uuid, changed_at text, name text, email text, phone text) LANGUAGE sql STABLE SET enable_seqscan = off AS $$
	SELECT l.id, l.updated_at::text, left(l.name, 251), left(l.email, 251), left(l.phone, 251) FROM lead l LEFT JOIN lead_key k ON k.lead_id = l.id
	WHERE l.owner_id = $1 AND l.id > $3 AND (k.lead_id IS NULL OR k.changed_at <> l.updated_at
		OR (k.region <> $2 AND k.e164 IS NULL AND l.phone IS NOT NULL)) ORDER BY l.id LIMIT $4
$$;
GRANT EXECUTE ON FUNCTION leads_without_keys TO millrace_runner;

CREATE OR REPLACE FUNCTION lead_keys_store(owner uuid, region text, leads uuid[], changed text[], e164 text[], phone_keys text[], email_keys text[],
	mailbox_keys text[], name_keys text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	stored bigint;
BEGIN
	-- Of those that are still there.
	PERFORM FROM lead l WHERE l.id = ANY ($3) ORDER BY l.id FOR KEY SHARE;
	INSERT INTO lead_key AS k (lead_id, owner_id, changed_at, region, e164, phone_key, email_key, mailbox_key, name_key)
	SELECT l.id, $1, u.changed::timestamptz, $2, nullif(u.e164, ''), nullif(u.phone_key, ''), nullif(u.email_key, ''), nullif(u.mailbox_key, ''),
		nullif(u.name_key, '')
	FROM unnest($3, $4, $5, $6, $7, $8, $9) u (lead_id, changed, e164, phone_key, email_key, mailbox_key, name_key) JOIN lead l ON l.id = u.lead_id
	ORDER BY l.id ON CONFLICT (lead_id) DO UPDATE SET changed_at = excluded.changed_at, region = excluded.region, e164 = excluded.e164,
		phone_key = excluded.phone_key, email_key = excluded.email_key, mailbox_key = excluded.mailbox_key, name_key = excluded.name_key;
	GET DIAGNOSTICS stored = ROW_COUNT;
	RETURN stored;
END $$;
GRANT EXECUTE ON FUNCTION lead_keys_store TO millrace_runner;

-- What is compared by is there for the whole task: what was stored lately is put where it is looked
-- up (lead_key_similar has a list of it else, which each look-up reads through).
-- As the owner: the index is no role's.
CREATE OR REPLACE FUNCTION lead_keys_stored(run_id uuid, runner text, attempt int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	END IF;
	PERFORM gin_clean_pending_list('lead_key_similar');
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION lead_keys_stored TO millrace_runner;

-- What is the same of a row and a lead: a bit for each reason.
CREATE OR REPLACE FUNCTION match_bits(email text, lead_email text, mailbox text, lead_mailbox text, e164 text, lead_e164 text, phone text, lead_phone text,
	name text, lead_name text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN $1 = $2 THEN 16 WHEN $3 = $4 THEN 2 ELSE 0 END + CASE WHEN $5 = $6 THEN 8 WHEN $7 = $8 THEN 4 ELSE 0 END
		+ CASE WHEN $9 = $10 THEN 1 ELSE 0 END
$$;
GRANT EXECUTE ON FUNCTION match_bits TO millrace_runner;

-- How well they fit: the best reason counts, and each further one a little. `likeness`: of their
-- names, which are not the same.
CREATE OR REPLACE FUNCTION match_score(bits int, likeness real DEFAULT NULL) RETURNS int LANGUAGE sql IMMUTABLE AS $$
	SELECT least(100, CASE WHEN $1 >= 8 THEN 96 WHEN $1 >= 4 THEN 85 WHEN $1 >= 2 THEN 75 ELSE round(60 * coalesce($2, 1))::int END
		+ 2 * (bit_count($1::bit(5))::int - 1))
$$;
GRANT EXECUTE ON FUNCTION match_score TO millrace_runner;

CREATE OR REPLACE FUNCTION match_reasons(bits int, likeness real DEFAULT NULL) RETURNS text[] LANGUAGE sql STABLE AS $$
	SELECT array_remove(ARRAY[
		CASE WHEN $1 & 16 > 0 THEN 'same e-mail address' END,
		CASE WHEN $1 & 8 > 0 THEN 'same phone number' END,
		CASE WHEN $1 & 4 > 0 THEN 'same country and last eight digits of the phone number' END,
		CASE WHEN $1 & 2 > 0 THEN 'same mailbox, perhaps' END,
		CASE WHEN $1 & 1 > 0 THEN CASE WHEN $2 IS NULL THEN 'same name' ELSE format('similar name (%s)', round($2::numeric, 2)) END END], NULL)
$$;
GRANT EXECUTE ON FUNCTION match_reasons TO millrace_runner;

-- The leads that have a key of a row's, for the rows behind `after`, up to `upto`. Of leads with
-- the same key twenty are looked at. A mailbox is an address's, and a country with the last eight
-- digits a number's: what has the same address or number is among those of the same mailbox or
-- digits, where these are not too many. All leads are gone through once for all these rows, in
-- joins by hashes, and counted in the order of the indexes; but where leads are many more than rows
-- each row looks for its own, as LATERAL makes any plan do.
CREATE OR REPLACE FUNCTION match_candidates(task uuid, owner uuid, after int, upto int)
RETURNS TABLE (n int, lead_id uuid, bits int)
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off
SET enable_sort = off SET work_mem = '32MB' SET jit = off AS $$
#variable_conflict use_column
DECLARE
	most CONSTANT int := 20;
	few CONSTANT bigint := 4 * ($4 - $3);
BEGIN
	IF (SELECT count(*) FROM (SELECT FROM lead_key k WHERE k.owner_id = $2 LIMIT few + 1) x) > few THEN
		RETURN QUERY SELECT r.n, (c.k).lead_id, match_bits(r.email_key, (c.k).email_key, r.mailbox_key, (c.k).mailbox_key, r.e164, (c.k).e164,
			r.phone_key, (c.k).phone_key, r.name_key, (c.k).name_key)
		FROM task_row r CROSS JOIN LATERAL (
			(SELECT k FROM lead_key k WHERE k.owner_id = $2 AND k.mailbox_key = r.mailbox_key AND k.email_key = r.email_key LIMIT most)
			UNION ALL (SELECT k FROM lead_key k WHERE k.owner_id = $2 AND k.mailbox_key = r.mailbox_key LIMIT most)
			UNION ALL (SELECT k FROM lead_key k WHERE k.owner_id = $2 AND k.phone_key = r.phone_key AND k.e164 = r.e164 LIMIT most)
			UNION ALL (SELECT k FROM lead_key k WHERE k.owner_id = $2 AND k.phone_key = r.phone_key LIMIT most)
			UNION ALL (SELECT k FROM lead_key k WHERE k.owner_id = $2 AND k.name_key = r.name_key LIMIT most)
		) c WHERE r.task_id = $1 AND r.n > $3 AND r.n <= $4;
		RETURN;
	END IF;
	RETURN QUERY WITH rows AS MATERIALIZED (
		SELECT r.n, r.email_key, r.mailbox_key, r.e164, r.phone_key, r.name_key FROM task_row r WHERE r.task_id = $1 AND r.n > $3 AND r.n <= $4
	), mailboxes AS MATERIALIZED (
		SELECT k.lead_id, k.email_key, k.mailbox_key, k.e164, k.phone_key, k.name_key, row_number() OVER (PARTITION BY k.mailbox_key) AS nth,
			row_number() OVER (PARTITION BY k.mailbox_key, k.email_key) AS nth_same
		FROM lead_key k WHERE k.owner_id = $2 AND k.mailbox_key IS NOT NULL
	), phones AS MATERIALIZED (
		SELECT k.lead_id, k.email_key, k.mailbox_key, k.e164, k.phone_key, k.name_key, row_number() OVER (PARTITION BY k.phone_key) AS nth,
			row_number() OVER (PARTITION BY k.phone_key, k.e164) AS nth_same
		FROM lead_key k WHERE k.owner_id = $2 AND k.phone_key IS NOT NULL
	), names AS (
		SELECT k.lead_id, k.email_key, k.mailbox_key, k.e164, k.phone_key, k.name_key, row_number() OVER (PARTITION BY k.name_key) AS nth, 1
		FROM lead_key k WHERE k.owner_id = $2 AND k.name_key IS NOT NULL
	)
	SELECT c.n, c.lead_id, match_bits(c.r_email, c.email_key, c.r_mailbox, c.mailbox_key, c.r_e164, c.e164, c.r_phone, c.phone_key, c.r_name, c.name_key)
	FROM (
		SELECT * FROM rows r JOIN mailboxes k ON k.mailbox_key = r.mailbox_key WHERE k.nth <= most
		UNION ALL SELECT * FROM rows r JOIN mailboxes k ON k.email_key = r.email_key WHERE k.nth_same <= most AND k.nth > most
		UNION ALL SELECT * FROM rows r JOIN phones k ON k.phone_key = r.phone_key WHERE k.nth <= most
		UNION ALL SELECT * FROM rows r JOIN phones k ON k.e164 = r.e164 WHERE k.nth_same <= most AND k.nth > most
		UNION ALL SELECT * FROM rows r JOIN names k ON k.name_key = r.name_key WHERE k.nth <= most
	) c (n, r_email, r_mailbox, r_e164, r_phone, r_name);
END $$;
GRANT EXECUTE ON FUNCTION match_candidates TO millrace_runner;

-- Matches the rows behind `after`, up to `upto`, by keys: each with the lead that fits it best.
CREATE OR REPLACE FUNCTION task_match(run_id uuid, runner text, attempt int, after int, upto int) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET enable_nestloop = off SET enable_mergejoin = off SET work_mem = '32MB' SET jit = off AS $$
DECLARE
	owner CONSTANT uuid := (SELECT t.owner_id FROM task t WHERE t.id = $1);
	found int;
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	ELSIF (SELECT t.step <> 'match' OR t.at >= $5 FROM task t WHERE t.id = $1) THEN
		RETURN true;
	END IF;
	INSERT INTO match (task_id, n, owner_id, lead_id, file, row, cells, score, reasons)
	SELECT $1, b.n, owner, b.lead_id, r.file, r.row, r.cells, b.score, match_reasons(b.bits)
	FROM (SELECT DISTINCT ON (c.n) c.*, match_score(c.bits) AS score FROM match_candidates($1, owner, $4, $5) c ORDER BY c.n, score DESC, c.lead_id) b
	JOIN task_row r ON r.task_id = $1 AND r.n = b.n AND r.n > $4 AND r.n <= $5 JOIN task_file f ON f.task_id = $1 AND f.n = r.file;
	GET DIAGNOSTICS found = ROW_COUNT;
	PERFORM task_matched($1, $5, found, 0, 60, 20);
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION task_match TO millrace_runner;

-- How far matching is: the task's progress is `base` and so many more at its end.
CREATE OR REPLACE FUNCTION task_matched(task uuid, upto int, found int, looked int, base int, more int) RETURNS void LANGUAGE sql AS $$
	UPDATE task t SET at = $2, matches = t.matches + $3, compared = t.compared + $4, updated_at = now(),
		progress = least(99, greatest(t.progress, $5 + ($2::bigint * $6 / t.rows)::int)),
		phone = coalesce((SELECT r.e164 FROM task_row r WHERE r.task_id = $1 AND r.n = $2), t.phone),
		pipeline = pipeline_set(t.pipeline, 'match', 'running', ($5 - 60) * 5 / 2 + ($2::bigint * $6 * 5 / 2 / t.rows)::int, $2)
	WHERE t.id = $1
$$;
GRANT EXECUTE ON FUNCTION task_matched TO millrace_runner;

-- Looks for leads with a similar name, for the rows behind `after`, up to `upto`, that no key found
-- one for; of so many that `names` are looked up at most. Names of fewer than four letters or with
-- a number are compared as a whole only, and those that begin differently not at all. Each name is
-- looked up once; the index knows the threshold. Returns how far it is, and how many names were
-- looked up in all.
CREATE OR REPLACE FUNCTION task_compare(run_id uuid, runner text, attempt int, after int, upto int, names int) RETURNS TABLE (at int, compared int)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
	owner CONSTANT uuid := (SELECT t.owner_id FROM task t WHERE t.id = $1);
	those int[];
	looked int;
	found int;
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN;
	END IF;
	-- An extension's setting, which a function may not have before the extension is loaded.
	PERFORM set_config('pg_trgm.similarity_threshold', '0.5', true);
	-- Numbers are bounded, and nothing is joined of which there may be many: the statistics
	-- may be older than the task, and a plan for a few rows reads all of them for each.
	those := ARRAY(SELECT r.n FROM task_row r WHERE r.task_id = $1 AND r.n > $4 AND r.n <= $5 AND length(r.name_key) >= 4 AND r.name_key !~ '[0-9]'
		EXCEPT SELECT m.n FROM match m WHERE m.task_id = $1 AND m.n > $4 AND m.n <= $5 ORDER BY n LIMIT $6);
	at := CASE WHEN cardinality(those) < $6 THEN $5 ELSE those[$6] END;
	looked := (SELECT count(DISTINCT r.name_key) FROM task_row r WHERE r.task_id = $1 AND r.n > $4 AND r.n <= at AND r.n = ANY (those));
	INSERT INTO match (task_id, n, owner_id, lead_id, file, row, cells, score, reasons)
	WITH rows AS MATERIALIZED (SELECT r.* FROM task_row r WHERE r.task_id = $1 AND r.n > $4 AND r.n <= at AND r.n = ANY (those))
	SELECT $1, s.n, owner, s.lead_id, s.file, s.row, s.cells, match_score(s.bits, s.likeness), match_reasons(s.bits, s.likeness)
	FROM (SELECT r.*, (b.k).lead_id, b.likeness, 1 | match_bits(r.email_key, (b.k).email_key, r.mailbox_key, (b.k).mailbox_key, r.e164, (b.k).e164,
			r.phone_key, (b.k).phone_key, r.name_key, (b.k).name_key) AS bits
		FROM (SELECT DISTINCT r.name_key AS name FROM rows r) w CROSS JOIN LATERAL (
			SELECT k, trigram.similarity(k.name_key, w.name) AS likeness FROM lead_key k
			WHERE k.owner_id = owner AND k.name_key OPERATOR(trigram.%) w.name AND left(k.name_key, 1) = left(w.name, 1)
			ORDER BY likeness DESC, k.lead_id LIMIT 1
		) b JOIN rows r ON r.name_key = w.name) s;
	GET DIAGNOSTICS found = ROW_COUNT;
	PERFORM task_matched($1, at, found, looked, 80, 20);
	compared := (SELECT t.compared FROM task t WHERE t.id = $1);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION task_compare TO millrace_runner;

-- A data source was read, or could not be, for this reason; its process's addressees are told when
-- it stops answering, at most once an hour, and when it is back, where they were told before.
-- As the owner: mails are no role's to write.
CREATE OR REPLACE FUNCTION datasource_answered(run_id uuid, runner text, attempt int, source uuid, error text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	d datasource;
	tells boolean;
	address text;
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT * INTO d FROM datasource x WHERE x.id = $4 FOR NO KEY UPDATE;
	IF d.id IS NULL OR ($5 IS NULL AND d.failed_at IS NULL) THEN
		RETURN true;
	END IF;
	tells := CASE WHEN $5 IS NULL THEN d.told_at >= d.failed_at
		ELSE d.failed_at IS NULL AND coalesce(d.told_at < now() - interval '1 hour', true) END;
	-- These go into the queue unasked, and to whom the owner names: a hundred of an owner's an
	-- hour, or a few more.
	tells := tells AND (SELECT count(*) FROM (SELECT FROM run r WHERE r.owner_id = d.owner_id AND r.kind = 'mail'
		AND r.id > uuid_v7_floor(now() - interval '1 hour') LIMIT 100) x) < 100;
	UPDATE datasource x SET failed_at = CASE WHEN $5 IS NOT NULL THEN coalesce(x.failed_at, now()) END, failure = $5,
		told_at = CASE WHEN tells AND $5 IS NOT NULL THEN now() ELSE x.told_at END
	WHERE x.id = d.id;
	FOR address IN SELECT DISTINCT unnest(p.emails) FROM agent_process p WHERE p.id = d.process_id AND tells LOOP
		PERFORM run_add(d.owner_id, 'mail', jsonb_build_object('template',
			CASE WHEN $5 IS NULL THEN 'source_back' ELSE 'source_lost' END, 'to', address, 'platform', d.platform), 5, 8);
	END LOOP;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION datasource_answered TO millrace_runner;

-- -- afterwards --

-- Takes up to `most` rows of a task that has ended; what is left of `most` is returned (not above
-- 0: there may be more).
CREATE OR REPLACE FUNCTION task_rows_erase(task uuid, most int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	most := most - rows_erase('task_row', 'task_id', $1, most);
	IF most > 0 AND NOT EXISTS (SELECT FROM agent_process p WHERE p.matched_task = $1) THEN
		most := most - rows_erase('match', 'task_id', $1, most);
	END IF;
	IF most > 0 THEN
		UPDATE task t SET swept = true WHERE t.id = $1;
	END IF;
	RETURN most;
END $$;

-- The same for all tasks that have ended; true: there may be more.
-- As the owner: tasks are everybody's.
CREATE OR REPLACE FUNCTION task_sweep(most int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t uuid;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.task_sweep')) THEN
		RETURN false;
	END IF;
	FOR t IN SELECT x.id FROM task x WHERE x.ended_at IS NOT NULL AND NOT x.swept ORDER BY x.ended_at LIMIT 100 LOOP
		most := task_rows_erase(t, most);
		EXIT WHEN most <= 0;
	END LOOP;
	RETURN most <= 0;
END $$;
GRANT EXECUTE ON FUNCTION task_sweep TO millrace_runner;

-- Takes up to about `most` rows that are copies of a document; returns how many.
CREATE OR REPLACE FUNCTION task_copies_erase(document uuid, most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	f task_file;
	n int;
	gone int := 0;
BEGIN
	FOR f IN SELECT * FROM task_file x WHERE x.document_id = $1 LOOP
		DELETE FROM task_row r WHERE r.ctid = ANY (ARRAY(SELECT o.ctid FROM task_row o WHERE o.task_id = f.task_id AND o.file = f.n LIMIT most - gone));
		GET DIAGNOSTICS n = ROW_COUNT;
		gone := gone + n;
		DELETE FROM match m WHERE m.ctid = ANY (ARRAY(SELECT o.ctid FROM match o WHERE o.task_id = f.task_id AND o.file = f.n LIMIT most - gone));
		GET DIAGNOSTICS n = ROW_COUNT;
		gone := gone + n;
		EXIT WHEN gone >= most;
		DELETE FROM task_file x WHERE x.task_id = f.task_id AND x.n = f.n;
	END LOOP;
	RETURN gone;
END $$;
