-- Telegram: whose chat with the bot is whose, and what comes of an update.

-- Makes the code that connects the caller's next chat; the one before is void. NULL: there is no
-- bot that works.
CREATE OR REPLACE FUNCTION telegram_connect(id uuid, code_hash bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	bot text := telegram_username();
BEGIN
	IF bot <> '' THEN
		INSERT INTO telegram_code AS c (owner_id, id, code_hash, expires_at) VALUES (caller_id(), $1, $2, now() + interval '15 minutes')
		ON CONFLICT (owner_id) DO UPDATE SET id = excluded.id, code_hash = excluded.code_hash, expires_at = excluded.expires_at;
	END IF;
	RETURN bot;
END $$;
GRANT EXECUTE ON FUNCTION telegram_connect TO millrace_api;

-- The bot's name; empty where it does not work, null where there is none.
-- As the owner: the bot's row is no role's.
CREATE OR REPLACE FUNCTION telegram_username() RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN (SELECT CASE WHEN b.problem IS NULL THEN b.username ELSE '' END FROM telegram_bot b);
END $$;
GRANT EXECUTE ON FUNCTION telegram_username TO millrace_api;

-- The runner has asked who the bot is. `problem`: it does not work.
-- As the owner: the bot's row is no role's.
CREATE OR REPLACE FUNCTION telegram_bot_store(username text, secret_hash bytea, problem text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	INSERT INTO telegram_bot AS b (username, secret_hash, problem) VALUES ($1, $2, $3)
	ON CONFLICT (single) DO UPDATE SET username = coalesce(excluded.username, b.username),
		secret_hash = excluded.secret_hash, problem = excluded.problem
	WHERE (b.username, b.secret_hash, b.problem) IS DISTINCT FROM (coalesce(excluded.username, b.username), excluded.secret_hash, excluded.problem)
$$;
GRANT EXECUTE ON FUNCTION telegram_bot_store TO millrace_runner;

-- The runner has no token any more: there is no bot, unless another runner asks for its updates
-- now. Chats stay connected for when it is back. True: it is still there.
-- As the owner: the bot's row is no role's.
CREATE OR REPLACE FUNCTION telegram_bot_forget() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	DELETE FROM telegram_bot b WHERE (b.poller_until >= now()) IS NOT TRUE;
	RETURN EXISTS (SELECT FROM telegram_bot);
END $$;
GRANT EXECUTE ON FUNCTION telegram_bot_forget TO millrace_runner;

-- Lets one runner at a time ask for updates: the first that it has not had. No row: it is
-- another's turn.
-- As the owner: the bot's row is no role's.
CREATE OR REPLACE FUNCTION telegram_poll(runner text) RETURNS TABLE (next_update bigint)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	UPDATE telegram_bot b SET poller = $1, poller_until = now() + interval '45 seconds'
	WHERE b.poller = $1 OR b.poller IS NULL OR b.poller_until < now() RETURNING b.next_update
$$;
GRANT EXECUTE ON FUNCTION telegram_poll TO millrace_runner;

-- As the owner: the bot's row is no role's.
CREATE OR REPLACE FUNCTION telegram_polled(next_update bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	UPDATE telegram_bot b SET next_update = $1
$$;
GRANT EXECUTE ON FUNCTION telegram_polled TO millrace_runner;

-- Has the bot say something in a chat, on the caller's account or nobody's.
CREATE OR REPLACE FUNCTION telegram_send(chat bigint, said text, queue_max int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM run_enqueue('telegram', jsonb_build_object('what', 'say', 'chat', $1, 'text', $2), $3, priority => 1);
END $$;

-- A chat shows the code of a link, and is that account's from now on. Whoever pressed Start is told
-- which account that is: a link may be somebody else's, who would read what is written here.
CREATE OR REPLACE FUNCTION telegram_start(chat bigint, code text, queue_max int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	owner uuid;
	who text;
BEGIN
	DELETE FROM telegram_code c WHERE c.code_hash = sha256(convert_to($2, 'UTF8')) AND c.expires_at > now() RETURNING c.owner_id INTO owner;
	IF owner IS NULL THEN
		RETURN false;
	END IF;
	DELETE FROM telegram_link l WHERE l.chat_id = $1 AND l.owner_id <> owner;
	INSERT INTO telegram_link (owner_id, chat_id) VALUES (owner, $1)
	ON CONFLICT (owner_id) DO UPDATE SET chat_id = excluded.chat_id, conversation_id = NULL;
	PERFORM set_config('millrace.caller', owner::text, true);
	SELECT coalesce(u.email, nullif(u.display_name, ''), 'without an address') INTO who FROM app_user u WHERE u.id = owner;
	PERFORM telegram_send($1, format('You are connected to the account %s, whose owner sees what is said here; if that is not you, write /stop.'
		' Ask me anything, or send me a document to read. /new begins a new conversation.', who), $3);
	RETURN true;
END $$;

-- The caller's assistant is asked in their chat. `draft` names what is shown of its answer.
CREATE OR REPLACE FUNCTION telegram_chat_start(chat bigint, draft bigint, said text, credits boolean, queue_max int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	asked record;
BEGIN
	SELECT s.* INTO asked FROM chat_start($3, (SELECT c.id FROM telegram_link l JOIN conversation c ON c.id = l.conversation_id AND c.deleted_at IS NULL
		WHERE l.owner_id = caller_id()), $5, $4) s;
	UPDATE telegram_link l SET conversation_id = asked.conversation_id WHERE l.owner_id = caller_id();
	PERFORM run_enqueue('telegram', jsonb_build_object('what', 'relay', 'chat', $1, 'draft', $2, 'answer', asked.run_id), $5, asked.conversation_id,
		priority => 1);
END $$;

-- What the caller has sent in their chat: a question, a command, a document, or none of these.
CREATE OR REPLACE FUNCTION telegram_receive(chat bigint, n bigint, message jsonb, credits boolean, queue_max int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	said text := btrim(json_string($3 -> 'text'), E' \t\n');
	file text := json_string($3 #> '{document,file_id}');
BEGIN
	IF said = '/new' THEN
		UPDATE telegram_link l SET conversation_id = NULL WHERE l.owner_id = caller_id();
		PERFORM telegram_send($1, 'This is a new conversation.', $5);
	ELSIF said = '/stop' THEN
		DELETE FROM telegram_link l WHERE l.owner_id = caller_id();
		PERFORM telegram_send($1, 'This chat is not connected any more.', $5);
	ELSIF said ~ '^/start( |$)' THEN
		PERFORM telegram_send($1, 'You are connected already. Ask me anything.', $5);
	ELSIF said <> '' THEN
		PERFORM telegram_chat_start($1, $2, said, $4, $5);
	ELSIF file IS NOT NULL THEN
		PERFORM run_enqueue('telegram', jsonb_build_object('what', 'file', 'chat', $1, 'file', file,
			'name', left(coalesce(json_string($3 #> '{document,file_name}'), 'document'), 200),
			'size', coalesce(json_whole($3 #> '{document,file_size}'), 0)), $5);
	ELSE
		PERFORM telegram_send($1, 'I read text and documents; I can make nothing of voice, pictures and the like yet. Please write to me.', $5);
	END IF;
END $$;

-- A message of a private chat. What is refused is said there; where the account's own queue is
-- full, not even that.
CREATE OR REPLACE FUNCTION telegram_message(chat bigint, n bigint, message jsonb, credits boolean, queue_max int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	owner uuid;
	code text;
	why text;
BEGIN
	IF json_string($3 -> 'text') ~ '^/start ' AND telegram_start($1, substr(json_string($3 -> 'text'), 8), $5) THEN
		RETURN;
	END IF;
	SELECT l.owner_id INTO owner FROM telegram_link l JOIN app_user u ON u.id = l.owner_id AND u.disabled_at IS NULL WHERE l.chat_id = $1;
	PERFORM set_config('millrace.caller', coalesce(owner::text, ''), true);
	IF owner IS NULL THEN
		-- Once a day, so that strangers make no work.
		IF inbox_accept('telegram', ARRAY[format('stranger %s %s', $1, (now() AT TIME ZONE 'UTC')::date)]) THEN
			PERFORM telegram_send($1, 'This chat is not connected to an account. Connect it in the settings of your account there.', $5);
		END IF;
		RETURN;
	END IF;
	BEGIN
		PERFORM telegram_receive($1, $2, $3, $4, $5);
	EXCEPTION WHEN SQLSTATE 'MR000' THEN
		GET STACKED DIAGNOSTICS why = MESSAGE_TEXT, code = PG_EXCEPTION_DETAIL;
		IF code = 'OVERLOADED' THEN
			RAISE;
		END IF;
		BEGIN
			PERFORM telegram_send($1, why, $5);
		EXCEPTION WHEN SQLSTATE 'MR000' THEN
			NULL;
		END;
	END;
END $$;

-- The person has pressed the button that stops the answer which `draft` shows.
CREATE OR REPLACE FUNCTION telegram_stop(chat bigint, draft bigint) RETURNS void LANGUAGE sql AS $$
	SELECT run_stop((r.input ->> 'answer')::uuid) FROM telegram_link l
	JOIN run r ON r.owner_id = l.owner_id AND r.kind = 'telegram' AND r.ended_at IS NULL AND json_whole(r.input -> 'draft') = $2
	WHERE l.chat_id = $1
$$;

-- Takes an update, once; it came with the webhook's secret, or was asked for (NULL).
-- As the owner: updates are the bot's, not a caller's.
CREATE OR REPLACE FUNCTION telegram_update(secret_hash bytea, update jsonb, credits boolean, queue_max int) RETURNS TABLE (taken boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	n bigint := json_whole(update -> 'update_id');
	m jsonb := update -> 'message';
	stopped jsonb := update -> 'stopped_message_generation';
BEGIN
	IF $1 IS NOT NULL AND NOT EXISTS (SELECT FROM telegram_bot b WHERE b.secret_hash = $1) THEN
		PERFORM refuse('UNAUTHORIZED', 'This is not the secret of the webhook.');
	ELSIF n IS NULL THEN
		PERFORM refuse('BAD_REQUEST', 'This is no update.');
	END IF;
	taken := inbox_accept('telegram', ARRAY[n::text]);
	RETURN NEXT;
	IF NOT taken THEN
		RETURN;
	END IF;
	IF stopped IS NOT NULL THEN
		PERFORM telegram_stop(json_whole(stopped #> '{chat,id}'), json_whole(stopped -> 'draft_id'));
	ELSIF update #>> '{my_chat_member,new_chat_member,status}' = 'kicked' THEN
		DELETE FROM telegram_link l WHERE l.chat_id = json_whole(update #> '{my_chat_member,chat,id}');
	ELSIF m #>> '{chat,type}' = 'private' AND json_whole(m #> '{chat,id}') IS NOT NULL AND m #> '{from,is_bot}' IS DISTINCT FROM 'true' THEN
		PERFORM telegram_message(json_whole(m #> '{chat,id}'), n, m, $3, $4);
	END IF;
	PERFORM set_config('millrace.caller', '', true);
END $$;
GRANT EXECUTE ON FUNCTION telegram_update TO millrace_api, millrace_runner;

-- The person has blocked the bot.
-- As the owner: the runner changes no links otherwise.
CREATE OR REPLACE FUNCTION telegram_unlink(chat bigint) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	DELETE FROM telegram_link l WHERE l.chat_id = $1
$$;
GRANT EXECUTE ON FUNCTION telegram_unlink TO millrace_runner;

-- The end of a job that fetched a file: it becomes a document of its owner's, as an upload does,
-- and the chat is told. What is refused is said there, too.
-- As the owner: it acts for the job's owner.
CREATE OR REPLACE FUNCTION telegram_file_end(run_id uuid, runner text, attempt int, after bigint, data bytea, bytes_max bigint, documents_max bigint,
	queue_max int) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	part CONSTANT int := 262144;
	seq bigint := job_fence($1, $2, $3);
	r run;
	file uuid;
	said text;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	SELECT * INTO r FROM run WHERE run.id = $1 FOR UPDATE;
	PERFORM set_config('millrace.caller', r.owner_id::text, true);
	BEGIN
		file := blob_create(octet_length($5), $6, $7);
		INSERT INTO blob_chunk (blob_id, n, data) SELECT file, k, substring($5 FROM k * part + 1 FOR part)
		FROM generate_series(0, (octet_length($5) - 1) / part) k WHERE octet_length($5) > 0;
		PERFORM document_create(file, sha256($5), octet_length($5), r.input ->> 'name', NULL, r.input ->> 'name', false, $6, $7, $8);
		said := format('I have “%s” now, and read it. Ask me about it in a moment.', r.input ->> 'name');
	EXCEPTION WHEN SQLSTATE 'MR000' THEN
		GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
	END;
	PERFORM telegram_send((r.input ->> 'chat')::bigint, said, $8 * 4);
	PERFORM run_finish($1, 'completed', 'done', '{}', NULL);
	PERFORM set_config('millrace.caller', '', true);
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION telegram_file_end TO millrace_runner;
