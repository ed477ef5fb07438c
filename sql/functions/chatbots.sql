-- Chatbots, their sessions, and what visitors of a site may do: these have no account, so that what
-- they call runs as the owner, finds a session by its secret, and is counted.

-- The settings of a chatbot that sets none.
CREATE OR REPLACE FUNCTION chatbot_defaults() RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT '{"model": null, "provider": null, "temperature": null, "maxTokens": null, "systemPrompt": null, "welcomeMessage": null,
		"allowedOrigins": [], "theme": {}, "topK": 6, "suggestedQuestions": [], "languages": [],
		"messagesPerDay": 1000, "tokensPerDay": 2000000}'::jsonb
$$;
GRANT EXECUTE ON FUNCTION chatbot_defaults TO millrace_api, millrace_runner;

CREATE OR REPLACE FUNCTION chatbot_json(b chatbot) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN json_build_object('id', b.id, 'userId', b.owner_id, 'name', b.name, 'description', b.description,
		'settings', chatbot_defaults() || b.settings,
		'documents', (SELECT coalesce(json_agg(d.id ORDER BY d.id), '[]') FROM chatbot_document x
			JOIN document d ON d.id = x.document_id AND d.deleted_at IS NULL WHERE x.chatbot_id = b.id),
		'createdAt', rfc3339(b.created_at), 'updatedAt', rfc3339(b.updated_at));
END $$;
GRANT EXECUTE ON FUNCTION chatbot_json TO millrace_api;

-- Gives a chatbot documents of the caller's.
CREATE OR REPLACE FUNCTION chatbot_assign(chatbot uuid, documents uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	documents_max CONSTANT int := 1000;
	n int;
BEGIN
	INSERT INTO chatbot_document AS x (chatbot_id, document_id, owner_id)
	SELECT $1, d.id, d.owner_id FROM document d WHERE d.id = ANY ($2) AND d.owner_id = caller_id() ORDER BY d.id
	ON CONFLICT ON CONSTRAINT chatbot_document_pkey DO UPDATE SET owner_id = x.owner_id;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n < (SELECT count(DISTINCT u) FROM unnest($2) u) THEN
		PERFORM refuse('NOT_FOUND', 'There is no such document.');
	ELSIF (SELECT count(*) FROM chatbot_document x WHERE x.chatbot_id = $1) > documents_max THEN
		PERFORM refuse('CONFLICT', format('A chatbot answers from at most %s documents.', documents_max));
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION chatbot_assign TO millrace_api;

CREATE OR REPLACE FUNCTION chatbot_create(name text, description text, settings jsonb, documents uuid[]) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	made chatbot;
BEGIN
	PERFORM room_for('chatbot', 1, 200);
	INSERT INTO chatbot (owner_id, name, description, settings) VALUES (caller_id(), $1, $2, $3) RETURNING * INTO made;
	PERFORM chatbot_assign(made.id, $4);
	RETURN chatbot_json(made);
END $$;
GRANT EXECUTE ON FUNCTION chatbot_create TO millrace_api;

-- Changes what is given (NULL leaves a column as it is). Settings are merged; what `body`, the
-- whole request, gives as null there has its default again. Without documents in it they stay.
CREATE OR REPLACE FUNCTION chatbot_change(chatbot uuid, name text, description text, settings jsonb, documents uuid[], body jsonb)
RETURNS SETOF json LANGUAGE plpgsql AS $$
DECLARE
	made chatbot;
BEGIN
	UPDATE chatbot b SET name = coalesce($2, b.name), updated_at = now(),
		description = CASE WHEN $6 -> 'description' = 'null' THEN NULL ELSE coalesce($3, b.description) END,
		settings = (b.settings || coalesce($4, '{}')) - ARRAY(SELECT k FROM jsonb_object_keys(chatbot_defaults()) k
			JOIN jsonb_each(CASE jsonb_typeof($6 -> 'settings') WHEN 'object' THEN $6 -> 'settings' ELSE '{}' END) e
				ON lower(k) = replace(lower(e.key), '_', '') WHERE e.value = 'null')
	WHERE b.id = $1 AND b.owner_id = caller_id() RETURNING * INTO made;
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such chatbot.');
	ELSIF jsonb_typeof($6 -> 'documents') = 'array' THEN
		DELETE FROM chatbot_document x WHERE x.chatbot_id = $1 AND x.document_id <> ALL ($5);
		PERFORM chatbot_assign($1, $5);
	END IF;
	RETURN NEXT chatbot_json(made);
END $$;
GRANT EXECUTE ON FUNCTION chatbot_change TO millrace_api;

-- Takes a document from a chatbot, or gives it some (one of both is NULL).
CREATE OR REPLACE FUNCTION chatbot_documents_change(chatbot uuid, added uuid[], removed uuid) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	made chatbot;
BEGIN
	UPDATE chatbot b SET updated_at = now() WHERE b.id = $1 AND b.owner_id = caller_id() RETURNING * INTO made;
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such chatbot.');
	ELSIF $3 IS NULL THEN
		PERFORM chatbot_assign($1, $2);
	ELSE
		DELETE FROM chatbot_document x WHERE x.chatbot_id = $1 AND x.document_id = $3;
		IF NOT FOUND THEN
			PERFORM refuse('NOT_FOUND', 'The chatbot has no such document.');
		END IF;
	END IF;
	RETURN chatbot_json(made);
END $$;
GRANT EXECUTE ON FUNCTION chatbot_documents_change TO millrace_api;

-- The caller deletes a chatbot; its sessions go in steps.
-- As the owner: sessions' runs and logs are not the caller's to delete.
CREATE OR REPLACE FUNCTION chatbot_delete(chatbot uuid) RETURNS TABLE (id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE chatbot b SET deleted_at = now() WHERE b.id = $1 AND b.owner_id = caller_id() AND b.deleted_at IS NULL
	RETURNING b.id INTO chatbot_delete.id;
	IF FOUND THEN
		DELETE FROM integration i WHERE i.chatbot_id = $1;
		PERFORM deletion_step('chatbot', $1, 500);
		RETURN NEXT;
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION chatbot_delete TO millrace_api;

-- Only what a page shows.
CREATE OR REPLACE FUNCTION chatbot_widget_json(b chatbot) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT json_build_object('id', b.id, 'name', b.name, 'welcomeMessage', s -> 'welcomeMessage', 'theme', s -> 'theme',
		'suggestedQuestions', s -> 'suggestedQuestions', 'languages', s -> 'languages')
	FROM (SELECT chatbot_defaults() || b.settings AS s) x);
END $$;

-- A chatbot that serves, whoever asks.
CREATE OR REPLACE FUNCTION chatbot_serving(chatbot uuid) RETURNS SETOF chatbot LANGUAGE sql STABLE AS $$
	SELECT b.* FROM chatbot b JOIN app_user u ON u.id = b.owner_id AND u.disabled_at IS NULL WHERE b.id = $1 AND b.deleted_at IS NULL
$$;

-- What the widget shows, and the page's origin where the chatbot allows it. No row: there is no
-- such chatbot.
-- As the owner: visitors have no account.
CREATE OR REPLACE FUNCTION widget_config(chatbot uuid, origin text) RETURNS TABLE (body json, allowed text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT chatbot_widget_json(b), CASE WHEN chatbot_allows(b, $2) THEN $2 END FROM chatbot_serving($1) b;
END $$;
GRANT EXECUTE ON FUNCTION widget_config TO millrace_api;

-- A conversation's title by its first message.
CREATE OR REPLACE FUNCTION title_of(message text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT left(btrim(regexp_replace($1, '\s+', ' ', 'g')), 80)
$$;
GRANT EXECUTE ON FUNCTION title_of TO millrace_api;

CREATE OR REPLACE FUNCTION session_message_json(m message, rating text) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', m.id, 'sessionId', m.conversation_id, 'role', m.role, 'content', m.content, 'sources', m.sources,
		'rating', $2, 'createdAt', rfc3339(m.created_at))
$$;
GRANT EXECUTE ON FUNCTION session_message_json TO millrace_api, millrace_runner;

-- A visitor's session is nobody's (userId NULL).
CREATE OR REPLACE FUNCTION session_json(c conversation, messages json) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', c.id, 'chatbotId', c.chatbot_id, 'userId', CASE WHEN c.visitor_hash IS NULL THEN c.owner_id END,
		'title', c.title, 'messages', coalesce($2, '[]'), 'createdAt', rfc3339(c.created_at), 'updatedAt', rfc3339(c.updated_at))
$$;
GRANT EXECUTE ON FUNCTION session_json TO millrace_api;

-- A page of a session's messages, the newest, oldest of them first; `cursor` is NULL where there
-- are no older ones.
CREATE OR REPLACE FUNCTION session_messages(session uuid, rows bigint, before uuid) RETURNS TABLE (messages json, cursor uuid)
LANGUAGE sql STABLE AS $$
	SELECT coalesce(json_agg(p.body ORDER BY p.id) FILTER (WHERE p.body IS NOT NULL), '[]'),
		CASE WHEN count(*) > count(p.body) THEN (array_agg(p.id ORDER BY p.id) FILTER (WHERE p.body IS NOT NULL))[1] END
	FROM (
		SELECT o.id, CASE WHEN count(*) OVER page < $2 AND
			page_has_room(sum(octet_length(o.content) + octet_length(o.sources::text)) OVER page, count(*) OVER page)
			THEN session_message_json(o, f.rating) END AS body
		FROM message o LEFT JOIN message_feedback f ON f.message_id = o.id
		WHERE o.conversation_id = $1 AND o.id < (SELECT page_before($3))
		WINDOW page AS (ORDER BY o.id DESC ROWS UNBOUNDED PRECEDING)
		ORDER BY o.id DESC LIMIT $2
	) p
$$;
GRANT EXECUTE ON FUNCTION session_messages TO millrace_api;

-- A session of the caller's with a chatbot of theirs.
CREATE OR REPLACE FUNCTION session_create(chatbot uuid) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	made conversation;
BEGIN
	INSERT INTO conversation (owner_id, chatbot_id, title)
	SELECT b.owner_id, b.id, b.name FROM chatbot b WHERE b.id = $1 AND b.owner_id = caller_id() RETURNING * INTO made;
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such chatbot.');
	END IF;
	RETURN session_json(made, NULL);
END $$;
GRANT EXECUTE ON FUNCTION session_create TO millrace_api;

-- Stores a message of a session with the run that answers it, for the caller. `input` says how the
-- run's outcome goes out.
CREATE OR REPLACE FUNCTION session_chat_start(session uuid, message text, input jsonb, queue_max int, priority int) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	new_run uuid;
BEGIN
	UPDATE conversation c SET updated_at = clock_timestamp(),
		title = CASE WHEN EXISTS (SELECT FROM message m WHERE m.conversation_id = c.id) THEN c.title ELSE title_of($2) END
	WHERE c.id = $1 AND c.owner_id = caller_id();
	new_run := run_enqueue('chat', $3 || jsonb_build_object('message', $2, 'chatbot', true), $4, $1, priority => $5);
	INSERT INTO message (conversation_id, owner_id, run_id, role, content) VALUES ($1, caller_id(), new_run, 'user', $2);
	RETURN new_run;
END $$;
GRANT EXECUTE ON FUNCTION session_chat_start TO millrace_api;

-- The caller says something in a session of theirs; `streams`: the answer goes out as events, else
-- as one reply.
CREATE OR REPLACE FUNCTION session_send_message(session uuid, message text, streams boolean, queue_max int, credits boolean)
RETURNS TABLE (run_id uuid, conversation_id uuid) LANGUAGE plpgsql AS $$
BEGIN
	SELECT c.id INTO conversation_id FROM conversation c JOIN chatbot b ON b.id = c.chatbot_id
	WHERE c.id = $1 AND c.owner_id = caller_id() AND c.visitor_hash IS NULL;
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such session.');
	END IF;
	run_id := session_chat_start($1, $2, CASE WHEN $3 THEN '{}' ELSE '{"reply": "message"}' END::jsonb, $4, 0);
	PERFORM chat_reserve(run_id, $5);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION session_send_message TO millrace_api;

-- What a run answers with, where that is a chatbot's: the settings, and the documents that it may
-- answer from. A preview brings its own.
CREATE OR REPLACE FUNCTION run_documents(run_id uuid) RETURNS uuid[] LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
	r run;
BEGIN
	SELECT * INTO r FROM run WHERE run.id = $1;
	IF r.input ? 'documents' THEN
		RETURN ARRAY(SELECT d.id FROM document d WHERE d.owner_id = r.owner_id AND d.deleted_at IS NULL
			AND d.id IN (SELECT e::uuid FROM jsonb_array_elements_text(r.input -> 'documents') e));
	END IF;
	RETURN ARRAY(SELECT d.id FROM conversation c JOIN chatbot_document x ON x.chatbot_id = c.chatbot_id
		JOIN document d ON d.id = x.document_id AND d.deleted_at IS NULL WHERE c.id = r.conversation_id);
END $$;
GRANT EXECUTE ON FUNCTION run_documents TO millrace_runner;

-- What a request that waits for a chatbot's answer gets: a message, or what a page needs of it.
CREATE OR REPLACE FUNCTION session_reply(r run, answer uuid, content text, sources json) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	CASE r.input ->> 'reply'
	WHEN 'message' THEN
		RETURN (SELECT session_message_json(m, f.rating) FROM message m LEFT JOIN message_feedback f ON f.message_id = m.id WHERE m.id = $2);
	WHEN 'widget' THEN
		RETURN json_build_object('response', $3, 'sources', $4, 'messageId', $2);
	ELSE
		RETURN json_build_object('response', $3, 'sources', $4);
	END CASE;
END $$;
GRANT EXECUTE ON FUNCTION session_reply TO millrace_runner;

-- Counts something that visitors do for `subject`; refuses beyond so many in a minute or on a day.
CREATE OR REPLACE FUNCTION chatbot_count(b chatbot, subject bytea, minute_max int, day_max int, reserved bigint, tokens_max bigint)
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	u chatbot_use;
BEGIN
	INSERT INTO chatbot_use AS o (chatbot_id, owner_id, subject, minute, in_minute, day, in_day, tokens)
	VALUES (b.id, b.owner_id, $2, date_trunc('minute', now()), 1, (now() AT TIME ZONE 'UTC')::date, 1, $5)
	ON CONFLICT ON CONSTRAINT chatbot_use_pkey DO UPDATE SET minute = excluded.minute, day = excluded.day,
		in_minute = CASE WHEN o.minute = excluded.minute THEN o.in_minute ELSE 0 END + 1,
		in_day = CASE WHEN o.day = excluded.day THEN o.in_day ELSE 0 END + 1,
		tokens = CASE WHEN o.day = excluded.day THEN o.tokens ELSE 0 END + $5
	RETURNING * INTO u;
	IF u.in_minute > minute_max THEN
		PERFORM refuse('RATE_LIMITED', 'Too many messages within a minute; wait a little.');
	ELSIF u.in_day > day_max OR u.tokens > tokens_max THEN
		PERFORM refuse('RATE_LIMITED', 'This chat has reached its limit for today; come back tomorrow.');
	END IF;
END $$;

-- Lets a visitor's request in: the chatbot, where it serves and the page's origin is one that it
-- allows. A GET of a page of the server's own has no Origin.
-- As the owner: visitors have no account.
CREATE OR REPLACE FUNCTION widget_admit(chatbot uuid, origin text, reads boolean) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	b chatbot;
BEGIN
	SELECT * INTO b FROM chatbot_serving($1);
	IF b.id IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such chatbot.');
	ELSIF origin = 'null' THEN
		PERFORM refuse('FORBIDDEN', 'The page has no origin that could be allowed: it is a file, or its frame is sandboxed without allow-same-origin.');
	ELSIF NOT ((origin IS NULL AND reads) OR chatbot_allows(b, origin)) IS TRUE THEN
		PERFORM refuse('FORBIDDEN', 'Pages of this origin may not use the chatbot; its owner has to allow the origin.');
	END IF;
	RETURN origin;
END $$;
GRANT EXECUTE ON FUNCTION widget_admit TO millrace_api;

-- A visitor's session. It costs nothing until something is asked, so that the limits of an address
-- and of the chatbot's minute are enough.
-- As the owner: visitors have no account.
CREATE OR REPLACE FUNCTION widget_session_create(chatbot uuid, visitor_hash bytea, address bytea, address_minute int, address_day int, chatbot_minute int)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	b chatbot;
BEGIN
	SELECT * INTO b FROM chatbot_serving($1);
	IF b.id IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such chatbot.');
	END IF;
	INSERT INTO conversation (owner_id, chatbot_id, visitor_hash, title) VALUES (b.owner_id, b.id, $2, b.name);
	PERFORM chatbot_count(b, $3, $4, $5, 0, NULL);
	PERFORM chatbot_count(b, 'sessions', $6, NULL, 0, NULL);
	RETURN b.settings ->> 'welcomeMessage';
END $$;
GRANT EXECUTE ON FUNCTION widget_session_create TO millrace_api;

-- The visitor's session, by its secret.
CREATE OR REPLACE FUNCTION widget_session(b chatbot, visitor_hash bytea) RETURNS conversation LANGUAGE plpgsql STABLE AS $$
DECLARE
	c conversation;
BEGIN
	SELECT * INTO c FROM conversation o WHERE o.visitor_hash = $2 AND o.chatbot_id = b.id AND o.deleted_at IS NULL;
	IF c.id IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such session.');
	END IF;
	RETURN c;
END $$;

-- How many tokens a visitor's answer may have; the model is told so.
CREATE OR REPLACE FUNCTION chatbot_answer_tokens(settings jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(($1 ->> 'maxTokens')::bigint, 4096)
$$;
GRANT EXECUTE ON FUNCTION chatbot_answer_tokens TO millrace_runner;

-- How many tokens an answer may take: what the model is shown, at three bytes a token and passages
-- of 1,800 characters, which few languages pass, what it may say, and what another model is shown
-- that chooses among passages.
CREATE OR REPLACE FUNCTION chatbot_tokens_guess(settings jsonb, session uuid, message text) RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT (1200 + octet_length($3) + coalesce(octet_length($1 ->> 'systemPrompt'), 0) + 1800 * ($1 ->> 'topK')::bigint
		+ least((SELECT coalesce(sum(octet_length(m.content)), 0) FROM (SELECT o.content FROM message o WHERE o.conversation_id = $2
			ORDER BY o.id DESC LIMIT 40) m), 65536)) / 3 + chatbot_answer_tokens($1)
		+ coalesce((SELECT c.choosing_tokens + octet_length($3) / 3 FROM chat_model c WHERE c.choosing_tokens > 0), 0)
$$;

-- Somebody without an account asks in a session: counted for them (`subject`), the session and the
-- chatbot, and charged to the chatbot's owner, who is the caller from now on and whose own work
-- goes first. The chatbot's row is counted late, since all its visitors wait for each other there,
-- and the owner's row is locked after it, as a run's end does. What the owner's credits or budget
-- refuse is said in words that tell a visitor nothing of them.
CREATE OR REPLACE FUNCTION visitor_chat_start(b chatbot, session uuid, message text, input jsonb, subject bytea, subject_minute int, subject_day int,
	session_minute int, session_day int, chatbot_minute int, queue_max int, credits boolean) RETURNS uuid LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	code text;
	s jsonb := chatbot_defaults() || b.settings;
	reserved bigint := chatbot_tokens_guess(s, $2, $3);
	asked uuid;
BEGIN
	PERFORM set_config('millrace.caller', b.owner_id::text, true);
	asked := session_chat_start($2, $3, jsonb_build_object('visitor', true, 'reserved', reserved, 'day', (now() AT TIME ZONE 'UTC')::date) || $4, $11, -1);
	PERFORM chatbot_count(b, $5, $6, $7, 0, NULL);
	PERFORM chatbot_count(b, convert_to($2::text, 'UTF8'), $8, $9, 0, NULL);
	PERFORM chatbot_count(b, '', $10, (s ->> 'messagesPerDay')::int, reserved, (s ->> 'tokensPerDay')::bigint);
	BEGIN
		PERFORM chat_reserve(asked, $12);
	EXCEPTION WHEN SQLSTATE 'MR000' THEN
		GET STACKED DIAGNOSTICS code = PG_EXCEPTION_DETAIL;
		IF code = 'RATE_LIMITED' THEN
			PERFORM refuse('RATE_LIMITED', 'Too many messages within a minute; wait a little.');
		END IF;
		PERFORM refuse('FORBIDDEN', 'This chat gives no answers at the moment; its owner has to look at it.');
	END;
	RETURN asked;
END $$;

-- A visitor says something, counted by address.
-- As the owner: visitors have no account.
CREATE OR REPLACE FUNCTION widget_send(chatbot uuid, visitor_hash bytea, message text, streams boolean, address bytea, address_minute int, address_day int,
	session_minute int, session_day int, chatbot_minute int, queue_max int, credits boolean) RETURNS TABLE (run_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	b chatbot;
	c conversation;
BEGIN
	SELECT * INTO b FROM chatbot_serving($1);
	c := widget_session(b, $2);
	run_id := visitor_chat_start(b, c.id, $3, CASE WHEN $4 THEN '{}' ELSE '{"reply": "widget"}' END::jsonb, $5, $6, $7, $8, $9, $10, $11, $12);
	PERFORM set_config('millrace.caller', '', true);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION widget_send TO millrace_api;

-- What a visitor has said and was answered; `answering`: an answer is under way.
-- As the owner: visitors have no account.
CREATE OR REPLACE FUNCTION widget_history(chatbot uuid, visitor_hash bytea, rows bigint, before uuid) RETURNS TABLE (body json, cursor uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
	b chatbot;
	c conversation;
	said json;
BEGIN
	SELECT * INTO b FROM chatbot_serving($1);
	c := widget_session(b, $2);
	SELECT m.messages, m.cursor INTO said, widget_history.cursor FROM session_messages(c.id, $3, $4) m;
	body := json_build_object('welcomeMessage', b.settings -> 'welcomeMessage',
		'messages', (SELECT coalesce(json_agg((e.value::jsonb - 'sessionId') ORDER BY e.n), '[]') FROM json_array_elements(said) WITH ORDINALITY e (value, n)),
		'answering', EXISTS (SELECT FROM run r WHERE r.conversation_id = c.id AND r.ended_at IS NULL));
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION widget_history TO millrace_api;

-- What is needed to resume the stream of a visitor's newest answer; as run_resume.
-- As the owner: visitors have no account.
CREATE OR REPLACE FUNCTION widget_resume(chatbot uuid, visitor_hash bytea) RETURNS TABLE (run_id uuid, conversation_id uuid, last_seq bigint, kept boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
	b chatbot;
	c conversation;
BEGIN
	SELECT * INTO b FROM chatbot_serving($1);
	c := widget_session(b, $2);
	RETURN QUERY SELECT r.id, NULL::uuid, r.last_seq, r.ended_at IS NULL
		OR EXISTS (SELECT FROM stream_event e WHERE e.topic = 'run:' || r.id AND e.seq = r.last_seq)
	FROM run r WHERE r.conversation_id = c.id ORDER BY r.id DESC LIMIT 1;
END $$;
GRANT EXECUTE ON FUNCTION widget_resume TO millrace_api;

-- Answers as a chatbot with these settings would, of the caller's documents; nothing of it is kept
-- but its run, until the reply was sent. Who has not signed in has no documents, and causes no
-- costs: then only `local` answers.
-- As the owner: a run that is nobody's is none of a caller's.
CREATE OR REPLACE FUNCTION chatbot_preview(settings jsonb, message text, documents uuid[], history jsonb, queue_max int, credits boolean) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	made uuid;
	given uuid[] := ARRAY(SELECT d.id FROM document d WHERE d.id = ANY ($3) AND d.owner_id = caller_id() AND d.deleted_at IS NULL ORDER BY d.id);
BEGIN
	IF caller_id() IS NOT NULL AND cardinality(given) < (SELECT count(DISTINCT u) FROM unnest($3) u) THEN
		PERFORM refuse('NOT_FOUND', 'There is no such document.');
	END IF;
	made := run_enqueue('preview', jsonb_build_object('message', $2, 'chatbot', true,
		'settings', CASE WHEN caller_id() IS NULL THEN $1 || '{"provider": "local"}' ELSE $1 END, 'documents', to_jsonb(given),
		'history', $4, 'reply', 'preview'), $5);
	IF caller_id() IS NOT NULL THEN
		PERFORM chat_reserve(made, $6);
	END IF;
	RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION chatbot_preview TO millrace_api;

-- Deletes previews that have ended a minute ago; true: there are more.
CREATE OR REPLACE FUNCTION preview_sweep(most int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	r uuid;
	n int := 0;
BEGIN
	FOR r IN SELECT x.id FROM run x WHERE x.kind = 'preview' AND x.ended_at < now() - interval '1 minute' LIMIT most FOR UPDATE SKIP LOCKED LOOP
		n := n + 1;
		PERFORM run_erase(r, 1000000, NULL);
	END LOOP;
	RETURN n >= most;
END $$;

CREATE OR REPLACE FUNCTION feedback_json(f message_feedback) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', f.id, 'messageId', f.message_id, 'chatbotId', f.chatbot_id, 'rating', f.rating, 'comment', f.comment,
		'createdAt', rfc3339(f.created_at), 'updatedAt', rfc3339(f.updated_at))
$$;
GRANT EXECUTE ON FUNCTION feedback_json TO millrace_api;

-- What somebody thinks of an answer: its owner, or who has the session's secret. The later word
-- counts.
-- As the owner: visitors have no account.
CREATE OR REPLACE FUNCTION feedback_give(message uuid, visitor_hash bytea, origin text, rating text, comment text) RETURNS TABLE (body json, allowed text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
	c conversation;
	f message_feedback;
BEGIN
	SELECT o.* INTO c FROM message m JOIN conversation o ON o.id = m.conversation_id AND o.deleted_at IS NULL
	WHERE m.id = $1 AND m.role = 'assistant' AND (m.owner_id = caller_id() OR o.visitor_hash = $2);
	IF c.id IS NULL THEN
		PERFORM refuse('NOT_FOUND', 'There is no such answer.');
	ELSIF caller_id() IS DISTINCT FROM c.owner_id THEN
		feedback_give.allowed := widget_admit(c.chatbot_id, $3, false);
	END IF;
	INSERT INTO message_feedback AS o (message_id, owner_id, chatbot_id, rating, comment) VALUES ($1, c.owner_id, c.chatbot_id, $4, $5)
	ON CONFLICT ON CONSTRAINT message_feedback_message_id_key DO UPDATE SET rating = excluded.rating, comment = excluded.comment, updated_at = now()
	RETURNING * INTO f;
	feedback_give.body := feedback_json(f);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION feedback_give TO millrace_api;
