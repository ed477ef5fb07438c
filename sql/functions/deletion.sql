-- Deleting and erasing. What may be large is only marked by the request (erased_at, deleted_at).
-- From then on nothing shows it; deletion_step() takes some of its rows at a time, the marked row
-- last. The mark is all that a step goes by, so that any runner goes on where another was killed.
-- Steps try for a lock on what they work on, and one that finds it taken leaves it to the other.

-- Is the owner of a row that is being deleted going, too?
CREATE OR REPLACE FUNCTION owner_is_going(owner uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT NOT EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.erased_at IS NULL)
$$;
GRANT EXECUTE ON FUNCTION owner_is_going TO millrace_api, millrace_runner;

CREATE OR REPLACE FUNCTION conversation_is_shown(conversation uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM conversation c WHERE c.id = $1 AND c.deleted_at IS NULL);
END $$;
GRANT EXECUTE ON FUNCTION conversation_is_shown TO millrace_api;

CREATE OR REPLACE FUNCTION document_is_shown(document uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN EXISTS (SELECT FROM document d WHERE d.id = $1 AND d.deleted_at IS NULL);
END $$;
GRANT EXECUTE ON FUNCTION document_is_shown TO millrace_api;

-- Is what a run is for still there?
CREATE OR REPLACE FUNCTION run_is_shown(r run) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT (r.conversation_id IS NULL OR conversation_is_shown(r.conversation_id)) AND (r.document_id IS NULL OR document_is_shown(r.document_id))
$$;
GRANT EXECUTE ON FUNCTION run_is_shown TO millrace_api;

CREATE OR REPLACE FUNCTION artifact_is_shown(a artifact) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT a.conversation_id IS NULL OR conversation_is_shown(a.conversation_id)
$$;
GRANT EXECUTE ON FUNCTION artifact_is_shown TO millrace_api;

-- Requests the end of what runs for a conversation or a document; true while some of it has not
-- ended. What was used until then is still counted, which only its runner can.
CREATE OR REPLACE FUNCTION runs_stop(conversation uuid, document uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	r uuid;
BEGIN
	FOR r IN SELECT x.id FROM run x WHERE (x.conversation_id = $1 OR x.document_id = $2) AND x.ended_at IS NULL ORDER BY x.id LOOP
		PERFORM run_stop(r);
	END LOOP;
	RETURN EXISTS (SELECT FROM run x WHERE (x.conversation_id = $1 OR x.document_id = $2) AND x.ended_at IS NULL);
END $$;

-- Takes up to `most` events of an ended run, and with the last of them the run; returns how many.
-- Where `said` is given, it becomes the log's last event: whoever is just reading gets an end. What
-- says that the run was cancelled holds nothing of anybody's, and stays until its partition goes.
CREATE OR REPLACE FUNCTION run_erase(run_id uuid, most int, said json) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	log CONSTANT text := 'run:' || $1;
	n int;
BEGIN
	IF said IS NOT NULL THEN
		UPDATE stream_event e SET type = 'error', data = said FROM run r
		WHERE r.id = $1 AND e.topic = log AND e.seq = r.last_seq;
		UPDATE stream_event e SET data = error_reply($1, 409, said ->> 'code', said ->> 'message')
		WHERE e.topic = log AND e.type = 'result';
	END IF;
	WITH gone AS (
		SELECT e.seq FROM stream_event e WHERE e.topic = log AND (e.type NOT IN ('result', 'error')
			OR coalesce(e.data ->> 'code', e.data #>> '{body,code}') IS DISTINCT FROM 'CANCELLED')
		ORDER BY e.seq LIMIT most
	)
	DELETE FROM stream_event e USING gone WHERE e.topic = log AND e.seq = gone.seq;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n < most THEN
		n := n + rows_erase('workflow_step', 'workflow_run_id', $1, most - n);
	END IF;
	IF n < most THEN
		DELETE FROM job j WHERE j.run_id = $1;
		DELETE FROM run r WHERE r.id = $1;
	END IF;
	RETURN n;
END $$;

-- Takes the ended runs of a conversation or a document; returns what is left of `most` (not above
-- 0: there may be more).
CREATE OR REPLACE FUNCTION runs_erase(conversation uuid, document uuid, most int, said json) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	r uuid;
BEGIN
	FOR r IN SELECT x.id FROM run x WHERE (x.conversation_id = $1 OR x.document_id = $2) AND x.ended_at IS NOT NULL ORDER BY x.id LIMIT most LOOP
		most := most - 1 - run_erase(r, most, said);
		EXIT WHEN most <= 0;
	END LOOP;
	RETURN most;
END $$;

-- Deletes up to `most` rows of a table whose column is `owner`; returns how many.
CREATE OR REPLACE FUNCTION rows_erase(tab text, col text, owner uuid, most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	EXECUTE format('DELETE FROM %1$I WHERE ctid = ANY (ARRAY(SELECT ctid FROM %1$I WHERE %2$I = $1 LIMIT $2))', tab, col) USING owner, most;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;

-- Removes what others' requests have left of a user: unfinished sign-ins, failed ones, invitations
-- to the address, and replies kept for an Idempotency-Key of whoever created the account (nobody
-- yet, or an administrator). Skips a sign-in that is just being redeemed: it ends by itself, and
-- may be waiting for us.
CREATE OR REPLACE FUNCTION user_forget(u app_user) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO identity_erased (hash) SELECT identity_hash(i.provider, i.subject) FROM external_identity i WHERE i.user_id = u.id
	ON CONFLICT (hash) DO UPDATE SET at = now();
	DELETE FROM reset_request r WHERE r.subject IN (login_subject(u.email), login_subject(u.username));
	PERFORM login_forget(u.email, u.username);
	DELETE FROM oauth_flow f WHERE f.state_hash IN (SELECT o.state_hash FROM oauth_flow o WHERE lower(o.email) = lower(u.email)
		OR EXISTS (SELECT FROM external_identity i WHERE i.user_id = u.id AND i.provider = o.provider AND i.subject = o.subject)
		FOR UPDATE SKIP LOCKED);
	DELETE FROM invitation i WHERE lower(i.email) = lower(u.email);
	DELETE FROM idempotency i WHERE i.created_at = u.created_at AND strpos(array_to_string(i.reply, ' '), u.id::text) > 0;
END $$;

-- Ends up to `most` open runs of a user, and tells who listens; returns how many.
CREATE OR REPLACE FUNCTION account_runs_end(account uuid, most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	said CONSTANT json := '{"code": "CANCELLED", "message": "The account was erased."}';
	locked uuid[];
	r run;
BEGIN
	locked := ARRAY(SELECT x.id FROM run x JOIN job j ON j.run_id = x.id WHERE x.owner_id = $1 AND x.ended_at IS NULL
		ORDER BY x.id LIMIT most FOR UPDATE OF j);
	FOR r IN SELECT * FROM run WHERE run.id = ANY (locked) AND run.ended_at IS NULL ORDER BY run.id FOR UPDATE LOOP
		PERFORM run_finish(r.id, 'cancelled', 'error', said, CASE WHEN r.input ? 'reply'
			THEN error_reply(r.id, 409, said ->> 'code', said ->> 'message') END);
		PERFORM pg_notify('millrace_cancel', r.id::text);
	END LOOP;
	RETURN cardinality(locked);
END $$;

-- Shuts an account for good: sessions and streams end, nothing signs in, its address and name are
-- free for another account, and the rest of its data goes in steps. Usage and audit rows stay under
-- an id that identifies nobody. False where there is no such account, or it was shut before. Ends
-- what runs (the first 200 here) before it takes the user's row, in the order of locks.
CREATE OR REPLACE FUNCTION account_shut(account uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	u app_user;
BEGIN
	PERFORM account_runs_end($1, 200);
	SELECT * INTO u FROM app_user w WHERE w.id = $1 AND w.erased_at IS NULL FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM oauth_forget($1, NULL);
	PERFORM user_forget(u);
	DELETE FROM schedule s WHERE s.owner_id = $1;
	DELETE FROM container c WHERE c.owner_id = $1;
	DELETE FROM external_identity i WHERE i.user_id = $1;
	DELETE FROM session s WHERE s.user_id = $1;
	UPDATE app_user w SET erased_at = now(), disabled_at = coalesce(w.disabled_at, now()), email = NULL, username = NULL,
		email_verified_at = NULL, display_name = '', interests = '{}', assistant_name = '', timezone = 'UTC'
	WHERE w.id = $1;
	RETURN true;
END $$;

-- Takes up to about `most` rows of a user's; true: there may be more.
CREATE OR REPLACE FUNCTION account_rows_erase(account uuid, most int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	tables CONSTANT text[] := ARRAY['idempotency', 'match', 'lead', 'notification', 'artifact', 'message_feedback', 'message', 'chatbot_document', 'chatbot_use',
		'chunk', 'cloud_item', 'cloud_folder', 'document', 'conversation', 'integration', 'chatbot', 'secret', 'datasource', 'workflow', 'topic_owner', 'audit_entry',
		'payment', 'approval', 'charge', 'project', 'ledger_note',
		'user_subscription', 'stripe_payment', 'stripe_customer'];
	t text;
	r uuid;
	n int := most;
BEGIN
	IF account_runs_end($1, least(most, 200)) > 0 THEN
		RETURN true;
	END IF;
	FOR r IN SELECT t.id FROM task t WHERE t.owner_id = $1 AND NOT t.swept LIMIT most LOOP
		n := task_rows_erase(r, n);
		EXIT WHEN n <= 0;
	END LOOP;
	FOR r IN SELECT x.id FROM run x WHERE x.owner_id = $1 AND x.ended_at IS NOT NULL AND n > 0 ORDER BY x.id LIMIT most LOOP
		n := n - 1 - run_erase(r, n, NULL);
		EXIT WHEN n <= 0;
	END LOOP;
	IF n > 0 THEN
		WITH gone AS (SELECT e.seq FROM stream_event e WHERE e.topic = 'user:' || $1 ORDER BY e.seq LIMIT n), done AS (
			DELETE FROM stream_event e USING gone WHERE e.topic = 'user:' || $1 AND e.seq = gone.seq RETURNING 1
		)
		SELECT n - count(*) INTO n FROM done;
	END IF;
	FOREACH t IN ARRAY tables LOOP
		EXIT WHEN n <= 0;
		n := n - rows_erase(t, 'owner_id', $1, n);
	END LOOP;
	-- Whom a service account has named goes with it.
	FOR r IN SELECT s.user_id FROM service_user s WHERE s.service_id = $1 LIMIT most LOOP
		EXIT WHEN n <= 0;
		PERFORM account_shut(r);
		DELETE FROM service_user s WHERE s.user_id = r;
		n := n - 10;
	END LOOP;
	FOR r IN SELECT b.id FROM blob b WHERE b.owner_id = $1 LOOP
		EXIT WHEN n <= 0;
		n := n - 1 - 10 * blob_erase(r, n / 10 + 1);
	END LOOP;
	IF n > 0 THEN
		n := n - rows_erase('session', 'user_id', $1, n);
	END IF;
	RETURN n <= 0;
END $$;

-- A step of an erasure. The user's row goes when nothing else is left, and nothing can come any
-- more: whoever adds rows holds that row, or waits for it.
CREATE OR REPLACE FUNCTION account_step(account uuid, most int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF account_rows_erase($1, most) THEN
		RETURN 0;
	ELSIF EXISTS (SELECT FROM run r WHERE r.owner_id = $1) THEN
		RETURN 1000;	-- lost by its runner: the sweep of jobs ends it
	END IF;
	-- A request that came by a key has locked that one first, a sign-in the password.
	DELETE FROM api_key k WHERE k.user_id = $1;
	DELETE FROM password p WHERE p.user_id = $1;
	PERFORM FROM app_user u WHERE u.id = $1 AND u.erased_at IS NOT NULL FOR UPDATE;
	IF FOUND THEN
		IF EXISTS (SELECT FROM run r WHERE r.owner_id = $1) OR account_rows_erase($1, most) THEN
			RETURN 0;
		END IF;
		DELETE FROM app_user u WHERE u.id = $1;
	END IF;
	RETURN NULL;
END $$;

-- A step of a conversation's end: first what runs for it, then copies, then its own rows.
CREATE OR REPLACE FUNCTION conversation_step(conversation uuid, most int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF runs_stop($1, NULL) THEN
		RETURN 200;
	END IF;
	most := runs_erase($1, NULL, most, '{"code": "CANCELLED", "message": "The conversation was deleted."}');
	IF most > 0 THEN
		most := most - rows_erase('artifact', 'conversation_id', $1, most);
	END IF;
	IF most > 0 THEN
		most := most - rows_erase('message', 'conversation_id', $1, most);
	END IF;
	IF most <= 0 THEN
		RETURN 0;
	END IF;
	DELETE FROM conversation c WHERE c.id = $1 AND c.deleted_at IS NOT NULL;
	RETURN NULL;
END $$;

-- A step of a chatbot's end: its sessions are marked, and go by steps of their own; it goes after
-- the last of them.
CREATE OR REPLACE FUNCTION chatbot_step(chatbot uuid, most int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	UPDATE conversation c SET deleted_at = now() WHERE c.id = ANY (ARRAY(SELECT o.id FROM conversation o
		WHERE o.chatbot_id = $1 AND o.deleted_at IS NULL ORDER BY o.id LIMIT most));
	IF EXISTS (SELECT FROM conversation c WHERE c.chatbot_id = $1) THEN
		RETURN 100;
	ELSIF rows_erase('chatbot_use', 'chatbot_id', $1, most) >= most THEN
		RETURN 0;
	END IF;
	DELETE FROM chatbot b WHERE b.id = $1 AND b.deleted_at IS NOT NULL;
	RETURN NULL;
END $$;

-- What is left of JSON without the passages of a document, at any depth.
CREATE OR REPLACE FUNCTION json_without(j jsonb, document text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF jsonb_typeof(j) = 'array' THEN
		RETURN (SELECT coalesce(jsonb_agg(json_without(e.value, $2) ORDER BY e.n), '[]') FROM jsonb_array_elements(j) WITH ORDINALITY e (value, n)
			WHERE e.value ->> 'documentId' IS DISTINCT FROM $2);
	ELSIF jsonb_typeof(j) = 'object' THEN
		RETURN (SELECT coalesce(jsonb_object_agg(e.key, json_without(e.value, $2)), '{}') FROM jsonb_each(j) e);
	END IF;
	RETURN j;
END $$;

-- Takes a document's passages out of up to `most` answers that cite it, and out of their runs;
-- returns how many.
CREATE OR REPLACE FUNCTION document_uncite(d document, most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	m message;
	n int := 0;
BEGIN
	FOR m IN SELECT * FROM message x WHERE x.role = 'assistant' AND source_documents(x.sources) <> '{}'
		AND source_documents(x.sources) @> ARRAY[d.id::text] AND x.owner_id = d.owner_id LIMIT most LOOP
		UPDATE run r SET outcome = json_without(r.outcome::jsonb, d.id::text)::json WHERE r.id = m.run_id AND r.outcome IS NOT NULL;
		UPDATE message x SET sources = json_without(x.sources::jsonb, d.id::text)::json WHERE x.id = m.id;
		n := n + 1;
	END LOOP;
	RETURN n;
END $$;

-- Takes a document's passages out of what came of a run, and out of its log: replies and sources
-- name the document; what a tool gave the model, and then whoever listened to an agent, or gave a
-- client of the Model Context Protocol, has its name alone, and goes as a whole.
CREATE OR REPLACE FUNCTION document_unlog(d document, run_id uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE run r SET outcome = json_without(r.outcome::jsonb, d.id::text)::json
	WHERE r.id = $2 AND strpos(r.outcome::text, d.id::text) > 0;
	UPDATE stream_event e SET data = json_without(e.data::jsonb, d.id::text)::json
	WHERE e.topic = 'run:' || $2 AND e.type IN ('result', 'done') AND strpos(e.data::text, d.id::text) > 0;
	WITH gone AS (
		UPDATE stream_event e SET data = (e.data::jsonb || '{"output": ""}')::json
		WHERE e.topic = 'run:' || $2 AND e.type = 'activity' AND e.data ->> 'type' = 'tool_result'
			AND (e.data ->> 'name' = 'search_documents' AND strpos(e.data ->> 'output', '] ' || d.name || ', ') > 0
				OR e.data ->> 'name' = 'read_file' AND e.data #>> '{input,name}' IN (d.name, d.file_name))
		RETURNING e.data ->> 'id' AS id
	)
	UPDATE stream_event e SET data = (e.data::jsonb || '{"content": ""}')::json FROM gone g, run r
	WHERE r.id = $2 AND e.topic = ANY (event_topics(r.owner_id, 'agent_action', json_build_object('agent_id', r.input ->> 'process')))
		AND e.type = 'agent_action' AND e.data ->> 'request_id' = $2::text AND e.data ->> 'id' = g.id || '/tool_result';
	UPDATE stream_event e SET data = error_reply($2, 409, 'CANCELLED', 'The document was deleted.') FROM run r
	WHERE r.id = $2 AND r.kind = 'tool' AND e.topic = 'run:' || $2 AND e.type = 'result'
		AND (strpos(e.data #>> '{body,result,content,0,text}', '] ' || d.name || ', ') > 0
			OR r.input ->> 'tool' = 'read_file' AND r.input #>> '{arguments,name}' IN (d.name, d.file_name));
	UPDATE workflow_run w SET outputs = json_without(w.outputs::jsonb, d.id::text)::json
	WHERE w.id = $2 AND strpos(w.outputs::text, d.id::text) > 0;
	UPDATE workflow_step s SET input = json_without(s.input::jsonb, d.id::text)::json, output = json_without(s.output::jsonb, d.id::text)::json
	WHERE s.workflow_run_id = $2 AND strpos(concat(s.input, s.output), d.id::text) > 0
$$;

-- Is a workflow's run at rest, with no agent at work for it? Then all that it holds is in its rows.
-- It stays so until the caller commits.
CREATE OR REPLACE FUNCTION workflow_is_quiet(run_id uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM job j WHERE j.run_id = $1 AND j.state = 'waiting' FOR UPDATE;
	RETURN FOUND AND NOT EXISTS (SELECT FROM workflow_step s WHERE s.workflow_run_id = $1 AND s.status = 'waiting' AND s.child IS NOT NULL);
END $$;

-- The same for up to `most` of the owner's runs since the document came. Returns the milliseconds
-- until it is to be called again, NULL where it is done: runs under way may hold passages, and are
-- waited for.
CREATE OR REPLACE FUNCTION document_unlog_some(d document, most int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	r run;
	n int := 0;
	still boolean;
	waits boolean := false;
	upto uuid := d.deleted_run;
BEGIN
	FOR r IN SELECT * FROM run x WHERE x.owner_id = d.owner_id AND x.id > d.deleted_run AND x.id < uuid_v7_floor(d.deleted_at + interval '1 minute')
		AND x.kind IN ('chat', 'search', 'preview', 'agent', 'workflow', 'tool') ORDER BY x.id LIMIT most LOOP
		n := n + 1;
		still := r.ended_at IS NULL AND NOT (r.kind = 'workflow' AND workflow_is_quiet(r.id));
		waits := waits OR (still AND r.created_at <= d.deleted_at);
		IF NOT still THEN
			PERFORM document_unlog(d, r.id);
		END IF;
		IF NOT waits THEN
			upto := r.id;
		END IF;
	END LOOP;
	UPDATE document x SET deleted_run = upto WHERE x.id = d.id;
	RETURN CASE WHEN waits THEN 1000 WHEN n = most THEN 0 END;
END $$;

-- A step of a document's end: what runs for it, its passages, their copies in answers and in the
-- log, then the row.
CREATE OR REPLACE FUNCTION document_step(document uuid, most int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	d document;
	again bigint;
BEGIN
	SELECT * INTO d FROM document x WHERE x.id = $1 AND x.deleted_at IS NOT NULL;
	IF NOT FOUND THEN
		RETURN NULL;
	ELSIF runs_stop(NULL, d.id) THEN
		RETURN 200;
	END IF;
	most := runs_erase(NULL, d.id, most, '{"code": "CANCELLED", "message": "The document was deleted."}');
	IF most > 0 THEN
		most := most - rows_erase('chunk', 'document_id', d.id, most);
	END IF;
	IF most > 0 THEN
		most := most - document_uncite(d, most);
	END IF;
	IF most > 0 THEN
		most := most - task_copies_erase(d.id, most);
	END IF;
	IF most <= 0 THEN
		RETURN 0;
	END IF;
	again := document_unlog_some(d, most / 10 + 1);
	IF again IS NULL THEN
		DELETE FROM document x WHERE x.id = d.id;
	END IF;
	RETURN again;
END $$;

-- Deletes up to `most` chunks (of a quarter MiB) of a file, and with the last of them the file;
-- returns how many.
CREATE OR REPLACE FUNCTION blob_erase(blob uuid, most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	n int := rows_erase('blob_chunk', 'blob_id', $1, most);
BEGIN
	IF n < most THEN
		DELETE FROM blob b WHERE b.id = $1;
	END IF;
	RETURN n;
END $$;

-- Takes up to about `most` rows of something that is marked. Returns in how many milliseconds it is
-- to be called again, 0: at once; NULL: nothing is left.
-- As the owner: what is deleted is another's to whoever does this.
CREATE OR REPLACE FUNCTION deletion_step(kind text, thing uuid, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtextextended('millrace.deletion ' || $2, 0)) THEN
		RETURN 1000;
	END IF;
	CASE $1
	WHEN 'account' THEN
		RETURN account_step($2, $3);
	WHEN 'conversation' THEN
		RETURN conversation_step($2, $3);
	WHEN 'chatbot' THEN
		RETURN chatbot_step($2, $3);
	WHEN 'document' THEN
		RETURN document_step($2, $3);
	WHEN 'file' THEN
		RETURN CASE WHEN blob_erase($2, $3 / 10 + 1) > $3 / 10 THEN 0 END;
	END CASE;
END $$;
GRANT EXECUTE ON FUNCTION deletion_step TO millrace_runner;

-- Up to `most` of what is marked, in any order: none waits behind a large one. What is an erased
-- account's goes with that; a document's file comes after the document.
-- As the owner: what is deleted is another's to whoever asks.
CREATE OR REPLACE FUNCTION deletions_due(most int) RETURNS TABLE (kind text, thing uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT w.kind, w.id FROM (
		SELECT 'account' AS kind, u.id FROM app_user u WHERE u.erased_at IS NOT NULL
		UNION ALL
		SELECT m.kind, m.id FROM (
			SELECT 'conversation' AS kind, c.id, c.owner_id FROM conversation c WHERE c.deleted_at IS NOT NULL
			UNION ALL
			SELECT 'chatbot', b.id, b.owner_id FROM chatbot b WHERE b.deleted_at IS NOT NULL
			UNION ALL
			SELECT 'document', d.id, d.owner_id FROM document d WHERE d.deleted_at IS NOT NULL
			UNION ALL
			SELECT 'file', b.id, b.owner_id FROM blob b WHERE b.deleted_at IS NOT NULL
				AND NOT EXISTS (SELECT FROM document d WHERE d.blob_id = b.id)
		) m JOIN app_user u ON u.id = m.owner_id WHERE u.erased_at IS NULL
	) w ORDER BY random() LIMIT most
$$;
GRANT EXECUTE ON FUNCTION deletions_due TO millrace_runner;

-- The caller deletes a conversation. The first step is done here, which is all of it for most.
-- As the owner: runs and the log are not the caller's to delete.
CREATE OR REPLACE FUNCTION conversation_delete(conversation uuid) RETURNS TABLE (id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	-- Before the conversation, in the order of locks.
	PERFORM runs_stop(c.id, NULL) FROM conversation c WHERE c.id = $1 AND c.owner_id = caller_id() AND c.deleted_at IS NULL;
	UPDATE conversation c SET deleted_at = now() WHERE c.id = $1 AND c.owner_id = caller_id() AND c.deleted_at IS NULL
	RETURNING c.id INTO conversation_delete.id;
	IF conversation_delete.id IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such conversation.');
	END IF;
	PERFORM deletion_step('conversation', $1, 500);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION conversation_delete TO millrace_api;

-- The caller deletes a document; no row where there is none. As conversation_delete. A folder that
-- is kept in step makes it no document again. While an ingestion of the user's counts words
-- (passage_word_lock), which it does before it locks what this has locked, the runner does the
-- first step, too.
-- As the owner: runs and the log are not the caller's to delete.
CREATE OR REPLACE FUNCTION document_delete(document uuid) RETURNS TABLE (id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	is_free CONSTANT boolean := pg_try_advisory_xact_lock(passage_word_lock(caller_id()));
BEGIN
	IF NOT EXISTS (SELECT FROM document d WHERE d.id = $1 AND d.owner_id = caller_id()) THEN
		RETURN;
	END IF;
	PERFORM FROM cloud_folder f WHERE f.id IN (SELECT i.folder_id FROM cloud_item i WHERE i.document_id = $1) ORDER BY f.id FOR UPDATE;
	UPDATE cloud_item i SET left_out = 'deleted', document_id = NULL, due_at = NULL WHERE i.document_id = $1;
	IF documents_drop(ARRAY[$1]) > 0 THEN
		document_delete.id := $1;
		IF is_free THEN
			PERFORM deletion_step('document', $1, 500);
		END IF;
		RETURN NEXT;
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION document_delete TO millrace_api;
