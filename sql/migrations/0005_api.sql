-- The shapes in which resources go out, each in one place, and the requests that write more than one table.

CREATE FUNCTION user_json(u app_user) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', u.id, 'name', u.display_name, 'email', u.email, 'timezone', u.timezone,
		'credits', json_build_object('balanceUsd', u.balance_usd),
		'assistant', json_build_object('name', u.assistant_name, 'interests', u.interests),
		'container', json_build_object('status', 'none', 'since', NULL))
$$;

CREATE FUNCTION conversation_json(c conversation) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', c.id, 'title', c.title,
		'createdAt', rfc3339(c.created_at), 'updatedAt', rfc3339(c.updated_at))
$$;

CREATE FUNCTION message_json(m message) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', m.id, 'conversationId', m.conversation_id, 'role', m.role, 'content', m.content,
		'sources', m.sources, 'runId', m.run_id, 'status', m.status, 'createdAt', rfc3339(m.created_at))
$$;

CREATE FUNCTION run_json(r run) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', r.id, 'kind', r.kind, 'status', r.status, 'conversationId', r.conversation_id,
		'documentId', r.document_id, 'outcome', r.outcome,
		'error', CASE WHEN r.error_code IS NOT NULL
			THEN json_build_object('code', r.error_code, 'message', r.error_message) END,
		'lastEventId', r.last_seq, 'createdAt', rfc3339(r.created_at),
		'startedAt', rfc3339(r.started_at), 'endedAt', rfc3339(r.ended_at))
$$;

CREATE FUNCTION document_json(d document) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', d.id, 'userId', d.owner_id, 'name', d.name, 'description', d.description,
		'type', d.type, 'size', d.size, 'status', d.status, 'error', d.error, 'chunkCount', d.chunk_count,
		'metadata', d.metadata, 'createdAt', rfc3339(d.created_at), 'updatedAt', rfc3339(d.updated_at))
$$;

-- POST /api/documents/upload's answer, at once and with ?wait=1.
CREATE FUNCTION upload_json(d document) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('documentId', d.id, 'id', d.id, 'name', d.name, 'status', d.status, 'message',
		CASE d.status WHEN 'ready' THEN 'The document is ready.' WHEN 'failed' THEN d.error
		ELSE 'The document was stored and is being processed.' END)
$$;

-- A chat turn: the conversation (a new one where none is named), the user's message, the run and its job.
CREATE FUNCTION chat_start(message text, conversation uuid, queue_max int)
RETURNS TABLE (run_id uuid, conversation_id uuid) LANGUAGE plpgsql AS $$
BEGIN
	IF conversation IS NULL THEN
		INSERT INTO conversation (owner_id, title)
		VALUES (caller_id(), left(regexp_replace(btrim($1), '\s+', ' ', 'g'), 80))
		RETURNING id INTO conversation_id;
	ELSE
		UPDATE conversation c SET updated_at = now() WHERE c.id = $2 RETURNING c.id INTO conversation_id;
		IF NOT FOUND THEN
			PERFORM refuse(404, 'There is no such conversation.');
		END IF;
	END IF;
	run_id := run_enqueue('chat', json_build_object('message', $1)::jsonb, queue_max, conversation_id);
	INSERT INTO message (conversation_id, owner_id, run_id, role, content)
	VALUES (chat_start.conversation_id, caller_id(), chat_start.run_id, 'user', $1);
	RETURN NEXT;
END $$;

-- Asks for a run's end. One that still waits ends here and now; a running one is ended by its runner, which hears of it.
CREATE FUNCTION run_cancel(run_id uuid) RETURNS json LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
	r run;
BEGIN
	SELECT * INTO r FROM run WHERE run.id = $1 AND run.owner_id = caller_id() FOR UPDATE;
	IF NOT FOUND THEN
		PERFORM refuse(404, 'There is no such run.');
	END IF;
	IF r.ended_at IS NULL THEN
		UPDATE run SET cancel_asked_at = coalesce(cancel_asked_at, now()) WHERE id = r.id;
		PERFORM pg_notify('millrace_cancel', r.id::text);
		PERFORM FROM job j WHERE j.run_id = r.id AND j.state = 'queued' FOR UPDATE SKIP LOCKED;
		IF FOUND THEN
			PERFORM run_end_unheard(r.id, 'cancelled', 'CANCELLED', 'The run was cancelled.', false);
		END IF;
	END IF;
	SELECT * INTO r FROM run WHERE run.id = $1;
	RETURN run_json(r);
END $$;

-- Ends a run that no runner speaks for (cancelled while it waited, or its attempts are used up), keeping what it has said. A
-- cancelled chat is done with what there is; anything else ends in an error.
CREATE FUNCTION run_end_unheard(run_id uuid, status text, code text, message text, dead boolean)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	r run;
	said text;
	answer uuid;
	data json;
BEGIN
	SELECT * INTO r FROM run WHERE run.id = $1 AND run.ended_at IS NULL FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	said := run_said(r.id);
	IF r.kind = 'chat' AND said <> '' AND EXISTS (SELECT FROM conversation c WHERE c.id = r.conversation_id) THEN
		INSERT INTO message (conversation_id, owner_id, run_id, role, content, status)
		VALUES (r.conversation_id, r.owner_id, r.id, 'assistant', said, 'partial')
		ON CONFLICT DO NOTHING RETURNING id INTO answer;
	END IF;
	IF r.document_id IS NOT NULL AND r.kind = 'ingest' THEN
		UPDATE document d SET status = 'failed', error = $4, updated_at = now()
		WHERE d.id = r.document_id AND d.status <> 'ready';
	END IF;
	IF $2 = 'cancelled' AND r.kind = 'chat' THEN
		data := chat_done(r.id, answer, said, '[]', 'cancelled');
		RETURN run_finish(r.id, $2, 'done', data, data_reply(r.id, data), dead);
	END IF;
	data := json_build_object('code', code, 'message', message);
	RETURN run_finish(r.id, $2, 'error', data, CASE WHEN r.kind <> 'chat' THEN json_build_object('status',
		CASE code WHEN 'CANCELLED' THEN 409 ELSE 500 END, 'headers', '{}'::json, 'body',
		json_build_object('error', message, 'code', code, 'detail', message, 'request_id', r.id)) END, dead);
END $$;

-- A chat's terminal `done` event; its use is the sum of the run's calls.
CREATE FUNCTION chat_done(run_id uuid, message_id uuid, content text, sources json, reason text)
RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('messageId', $2, 'conversationId', r.conversation_id, 'content', $3,
		'usage', (SELECT json_build_object('inputTokens', coalesce(sum(u.input_tokens), 0),
			'outputTokens', coalesce(sum(u.output_tokens), 0), 'costUsd', coalesce(sum(u.cost_usd), 0),
			'model', (array_agg(u.model ORDER BY u.id DESC))[1],
			'provider', (array_agg(u.provider ORDER BY u.id DESC))[1])
			FROM usage_event u WHERE u.run_id = $1),
		'sources', $4, 'finishReason', $5)
	FROM run r WHERE r.id = $1
$$;

-- The `result` event of a run whose request waits for an ordinary reply (input.reply is set); NULL for the others.
CREATE FUNCTION data_reply(run_id uuid, body json) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('status', 200, 'headers', '{}'::json, 'body', $2)
	FROM run r WHERE r.id = $1 AND r.input ? 'reply'
$$;

-- An upload's last step: the blob is whole, the document and its ingestion begin.
CREATE FUNCTION document_create(blob uuid, sha256 bytea, size bigint, name text, description text, file_name text,
	waits boolean, queue_max int) RETURNS TABLE (body json, run_id uuid) LANGUAGE plpgsql AS $$
DECLARE
	d document;
BEGIN
	UPDATE blob b SET sha256 = $2, size = $3 WHERE b.id = $1 AND b.sha256 IS NULL;
	IF NOT FOUND THEN
		PERFORM refuse(409, 'The upload was given up; send the file again.');
	END IF;
	INSERT INTO document (owner_id, name, description, file_name, size, blob_id)
	VALUES (caller_id(), $4, $5, $6, $3, $1) RETURNING * INTO d;
	run_id := run_enqueue('ingest', CASE WHEN waits THEN '{"reply": "upload"}' ELSE '{}' END::jsonb, queue_max,
		document_id => d.id);
	body := upload_json(d);
	RETURN NEXT;
END $$;

CREATE FUNCTION document_reindex(document uuid, queue_max int) RETURNS TABLE (run_id uuid) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE document d SET status = 'pending', error = NULL, updated_at = now() WHERE d.id = $1;
	IF NOT FOUND THEN
		PERFORM refuse(404, 'There is no such document.');
	END IF;
	run_id := run_enqueue('ingest', '{"reply": "document"}', queue_max, document_id => $1);
	RETURN NEXT;
END $$;

CREATE FUNCTION conversation_delete(conversation uuid) RETURNS TABLE (id uuid) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM conversation c WHERE c.id = $1 RETURNING c.id INTO conversation_delete.id;
	IF conversation_delete.id IS NULL THEN
		PERFORM refuse(404, 'There is no such conversation.');
	END IF;
	PERFORM publish('user:' || caller_id(), 'conversation_deleted', json_build_object('conversation_id', $1,
		'user_id', caller_id(), 'deleted_at', rfc3339(now())));
	RETURN NEXT;
END $$;

-- Who may listen to a topic: streamd asks this for every join and subscribe.
CREATE FUNCTION topic_allowed(caller uuid, is_admin boolean, topic text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT coalesce(CASE split_part(topic, ':', 1)
		WHEN 'user' THEN split_part(topic, ':', 2) = caller::text
		WHEN 'run' THEN EXISTS (SELECT FROM run r WHERE r.id::text = split_part(topic, ':', 2) AND r.owner_id = caller)
		WHEN 'analytics' THEN is_admin
		ELSE false END, false)
$$;

-- How far everything is behind, for /metrics, /readyz and `millracectl status`, whoever asks.
CREATE FUNCTION system_state() RETURNS TABLE (migration int, queued bigint, running bigint, dead bigint, oldest_wait float8,
	runs_open bigint) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT (SELECT max(version) FROM migration),
		(SELECT count(*) FROM job WHERE state = 'queued'), (SELECT count(*) FROM job WHERE state = 'running'),
		(SELECT count(*) FROM job WHERE state = 'dead'),
		coalesce((SELECT extract(epoch FROM now() - min(run_at)) FROM job WHERE state = 'queued' AND run_at <= now()), 0)::float8,
		(SELECT count(*) FROM run WHERE ended_at IS NULL)
$$;
