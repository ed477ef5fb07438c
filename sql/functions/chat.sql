-- Conversations, chats, artifacts, and the use of models. What the runner calls is fenced as
-- queue.sql says.

-- Stores a call's use at the price in force; again with the same (run, call) changes nothing. Of a
-- run that is nobody's (an anonymous preview, answered by `local`) nothing is stored. What a
-- provider counts as parts of the tokens is no more than these.
-- Returns the cost. (What is called for each chat is in PL/pgSQL, which keeps its plans: SQL plans
-- anew for each call, which was most of the time.)
CREATE OR REPLACE FUNCTION usage_record(run_id uuid, call int, provider text, model text, input_tokens bigint, output_tokens bigint,
	cached_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, units bigint, estimated boolean, ms int, failed boolean)
RETURNS numeric LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	cached CONSTANT bigint := least($7, $5);
	written CONSTANT bigint := least($8, $5 - cached);
	thought CONSTANT bigint := least($9, $6);
	cost numeric;
BEGIN
	INSERT INTO usage_event AS u (owner_id, run_id, call, provider, model, input_tokens, output_tokens, cached_tokens, cache_write_tokens,
		reasoning_tokens, units, estimated, ms, failed, price_id, input_usd, output_usd, cost_usd)
	SELECT r.owner_id, $1, $2, $3, $4, $5, $6, cached, written, thought, $10, $11, $12, $13, p.id, coalesce(p.input_usd, 0),
		coalesce(p.output_usd, 0), coalesce(cost_of_input(p, $5, cached, written) + cost_of_output(p, $6, thought, $10), 0)
	FROM run r LEFT JOIN LATERAL price_in_force($3, $4) p ON true WHERE r.id = $1 AND r.owner_id IS NOT NULL
	ON CONFLICT ON CONSTRAINT usage_event_run_id_call_key DO NOTHING RETURNING u.cost_usd INTO cost;
	IF NOT FOUND THEN
		SELECT u.cost_usd INTO cost FROM usage_event u WHERE u.run_id = $1 AND u.call = $2;
	END IF;
	RETURN cost;
END $$;
GRANT EXECUTE ON FUNCTION usage_record(uuid, int, text, text, bigint, bigint, bigint, bigint, bigint, bigint, boolean, int, boolean)
	TO millrace_runner;

-- Adds the next calls, `most` at most, to their users' totals; true: there are more. Only those of
-- ten minutes ago and before, which have all committed by now, in whatever order.
-- As the owner: totals are no role's to write.
CREATE OR REPLACE FUNCTION usage_count(most int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	last uuid;
	ids uuid[];
BEGIN
	SELECT c.upto INTO last FROM usage_counted c FOR UPDATE;
	ids := ARRAY(SELECT e.id FROM usage_event e WHERE e.id > last AND e.id < uuid_v7_floor(now() - interval '10 minutes')
		ORDER BY e.id LIMIT most);
	IF ids = '{}' THEN
		RETURN false;
	END IF;
	INSERT INTO usage_total AS t (owner_id, calls, input_tokens, output_tokens, cost_usd)
	SELECT u.id, s.calls, s.input_tokens, s.output_tokens, s.cost_usd FROM (
		SELECT e.owner_id, count(*) AS calls, sum(e.input_tokens) AS input_tokens, sum(e.output_tokens) AS output_tokens,
			sum(e.cost_usd) AS cost_usd
		FROM usage_event e WHERE e.id = ANY (ids) GROUP BY e.owner_id
	) s JOIN app_user u ON u.id = s.owner_id ORDER BY u.id FOR KEY SHARE OF u
	ON CONFLICT (owner_id) DO UPDATE SET calls = t.calls + excluded.calls, input_tokens = t.input_tokens + excluded.input_tokens,
		output_tokens = t.output_tokens + excluded.output_tokens, cost_usd = t.cost_usd + excluded.cost_usd;
	UPDATE usage_counted SET upto = ids[cardinality(ids)];
	RETURN cardinality(ids) >= most;
END $$;
GRANT EXECUTE ON FUNCTION usage_count TO millrace_runner;

CREATE OR REPLACE FUNCTION conversation_json(c conversation) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', c.id, 'title', c.title,
		'createdAt', rfc3339(c.created_at), 'updatedAt', rfc3339(c.updated_at))
$$;
GRANT EXECUTE ON FUNCTION conversation_json TO millrace_api;

CREATE OR REPLACE FUNCTION message_json(m message) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', m.id, 'conversationId', m.conversation_id, 'role', m.role, 'content', m.content,
		'sources', m.sources, 'runId', m.run_id, 'status', m.status, 'createdAt', rfc3339(m.created_at))
$$;
GRANT EXECUTE ON FUNCTION message_json TO millrace_api;

-- A chat turn: the conversation (a new one where none is named), the user's message, the run and
-- its job; and what it may cost is reserved, from the credits where `credits` says so.
CREATE OR REPLACE FUNCTION chat_start(message text, conversation uuid, queue_max int, credits boolean)
RETURNS TABLE (run_id uuid, conversation_id uuid) LANGUAGE plpgsql AS $$
DECLARE
	nothing text;	-- an assignment is no statement of its own, as PERFORM is
BEGIN
	IF conversation IS NULL THEN
		INSERT INTO conversation (owner_id, title)
		VALUES (caller_id(), title_of($1))
		RETURNING id INTO conversation_id;
	ELSE
		UPDATE conversation c SET updated_at = now() WHERE c.id = $2 AND c.chatbot_id IS NULL RETURNING c.id INTO conversation_id;
		IF NOT FOUND THEN
			PERFORM refuse('NOT_FOUND', 'There is no such conversation.');
		END IF;
	END IF;
	run_id := run_enqueue('chat', json_build_object('message', $1)::jsonb, queue_max, conversation_id);
	INSERT INTO message (conversation_id, owner_id, run_id, role, content)
	VALUES (chat_start.conversation_id, caller_id(), chat_start.run_id, 'user', $1);
	nothing := chat_reserve(chat_start.run_id, $4);
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION chat_start(text, uuid, int, boolean) TO millrace_api;

-- The names of a user's own providers' keys, separated by spaces.
CREATE OR REPLACE FUNCTION own_keys(owner uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN coalesce((SELECT string_agg(s.key, ' ') FROM secret s WHERE s.owner_id = $1 AND s.key LIKE '%_API_KEY'), '');
END $$;
GRANT EXECUTE ON FUNCTION own_keys TO millrace_runner;

-- What a chat needs at its start: its user, whether there are passages to look in and servers of
-- tools, the number of the last model call that is stored; and the conversation's messages before
-- this run's own question, newest first, at most `most` of them and `bytes` bytes. NULL where the
-- run is nobody's (an anonymous preview), or where the rows cannot be read, now or later: it is
-- asked with each claim, and one bad row would keep everybody's jobs in the queue. An error that
-- may pass fails the claim, which is made again.
CREATE OR REPLACE FUNCTION chat_begin(run_id uuid, owner uuid, conversation uuid, most int, bytes int) RETURNS json
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
	RETURN (SELECT json_build_object('name', u.display_name, 'assistantName', u.assistant_name,
		'interests', array_to_string(u.interests, ', '),
		'documents', EXISTS (SELECT FROM chunk c WHERE c.owner_id = u.id),
		'servers', EXISTS (SELECT FROM mcp_server t WHERE t.owner_id = u.id),
		'ownKeys', own_keys(u.id),
		'lastCall', (SELECT coalesce(max(e.call), 0) FROM usage_event e WHERE e.run_id = $1),
		'history', (SELECT coalesce(json_agg(json_build_object('role', h.role, 'content', h.content) ORDER BY h.id DESC), '[]') FROM (
			SELECT m.id, m.role, m.content, sum(octet_length(m.content)) OVER (ORDER BY m.id DESC) AS len
			FROM (
				SELECT o.id, o.role, o.content FROM message o WHERE o.conversation_id = $3
					AND o.id < (SELECT q.id FROM message q WHERE q.conversation_id = $3 AND q.run_id = $1 AND q.role = 'user'
						ORDER BY q.id DESC LIMIT 1)
				ORDER BY o.id DESC LIMIT most
			) m
		) h WHERE h.len <= bytes))
	FROM app_user u WHERE u.id = $2);
EXCEPTION WHEN data_exception OR program_limit_exceeded OR data_corrupted OR index_corrupted THEN
	RAISE WARNING 'chat: the conversation % cannot be read: %', $3, SQLERRM;
	RETURN NULL;
END $$;
GRANT EXECUTE ON FUNCTION chat_begin TO millrace_runner;

-- A chat's terminal `done` event; its use is the sum of the run's calls, which is none of a
-- visitor's business.
CREATE OR REPLACE FUNCTION chat_done(run_id uuid, message_id uuid, content text, sources json, reason text)
RETURNS json LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
	RETURN (SELECT json_build_object('messageId', $2, 'conversationId', r.conversation_id, 'content', $3,
		'usage', (SELECT json_build_object('inputTokens', coalesce(sum(u.input_tokens), 0),
			'outputTokens', coalesce(sum(u.output_tokens), 0), 'costUsd', coalesce(sum(u.cost_usd), 0),
			'model', (array_agg(u.model ORDER BY u.id DESC))[1],
			'provider', (array_agg(u.provider ORDER BY u.id DESC))[1])
			FROM usage_event u WHERE u.run_id = $1 AND NOT r.input ? 'visitor'),
		'sources', $4, 'finishReason', $5)
	FROM run r WHERE r.id = $1);
END $$;
GRANT EXECUTE ON FUNCTION chat_done TO millrace_runner;

-- Keeps what goes back to a model's server with a round, for the run's later attempts; returns the
-- round's number, NULL where the lease is lost.
CREATE OR REPLACE FUNCTION chat_round_keep(run_id uuid, runner text, attempt int, n int, kept text) RETURNS int
LANGUAGE plpgsql AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN NULL;
	END IF;
	INSERT INTO chat_round AS r (run_id, n, kept) VALUES ($1, $4, $5)
	ON CONFLICT ON CONSTRAINT chat_round_pkey DO UPDATE SET kept = excluded.kept;
	RETURN $4;
END $$;
GRANT EXECUTE ON FUNCTION chat_round_keep TO millrace_runner;

-- A chat's end without its runner: its text so far is kept. A cancelled chat ends as done with that
-- text, any other in an error. A provider's words, and what an administrator has to look at, are
-- for the run's owner: a visitor is told that there is no answer.
CREATE OR REPLACE FUNCTION chat_abort(r run, status text, code text, message text, dead boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	said text := run_text(r.id);
	answer uuid;
	data json;
	told text := CASE WHEN r.input ? 'visitor' AND $3 <> 'CANCELLED' THEN 'No answer could be given; please try again later.' ELSE $4 END;
BEGIN
	DELETE FROM chat_round c WHERE c.run_id = r.id;
	IF said <> '' AND EXISTS (SELECT FROM conversation c WHERE c.id = r.conversation_id AND c.deleted_at IS NULL) THEN
		INSERT INTO message (conversation_id, owner_id, run_id, role, content, status)
		VALUES (r.conversation_id, r.owner_id, r.id, 'assistant', said, 'partial')
		ON CONFLICT DO NOTHING RETURNING id INTO answer;
	END IF;
	IF $2 <> 'cancelled' OR r.input ? 'reply' THEN
		IF NOT run_finish(r.id, $2, 'error', json_build_object('code', $3, 'message', told), CASE WHEN r.input ? 'reply'
			THEN error_reply(r.id, CASE $3 WHEN 'CANCELLED' THEN 409 WHEN 'UPSTREAM_FAILED' THEN 502 ELSE 500 END, $3, told) END, $5) THEN
			RETURN false;
		END IF;
		UPDATE run x SET error_message = $4 WHERE x.id = r.id AND told <> $4;
		UPDATE job j SET last_error = $4 WHERE j.run_id = r.id AND told <> $4;
		RETURN true;
	END IF;
	data := chat_done(r.id, answer, said, '[]', 'cancelled');
	RETURN run_finish(r.id, $2, 'done', data, NULL, $5);
END $$;
GRANT EXECUTE ON FUNCTION chat_abort TO millrace_runner;

-- An answer's sources without the passages of documents that are deleted. Documents are locked, so
-- that one whose deletion is asked for just now waits, and then finds the answer.
CREATE OR REPLACE FUNCTION sources_kept(sources json) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	cited text[] := source_documents(sources);
	kept text[];
BEGIN
	IF cited = '{}' THEN
		RETURN sources;
	END IF;
	kept := ARRAY(SELECT d.id::text FROM document d WHERE d.id = ANY (cited::uuid[]) AND d.deleted_at IS NULL ORDER BY d.id FOR SHARE);
	RETURN CASE WHEN kept @> cited THEN sources ELSE (SELECT coalesce(json_agg(e.value ORDER BY e.n), '[]')
		FROM json_array_elements(sources) WITH ORDINALITY e (value, n) WHERE e.value ->> 'documentId' = ANY (kept)) END;
END $$;
GRANT EXECUTE ON FUNCTION sources_kept TO millrace_runner;

-- The `result` event of a chat whose request waits for an ordinary reply.
CREATE OR REPLACE FUNCTION chat_reply(r run, answer uuid, content text, sources json) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF answer IS NULL AND r.kind = 'chat' THEN
		RETURN error_reply(r.id, 409, 'CANCELLED', 'The answer was cancelled, or what it belongs to was deleted.');
	END IF;
	RETURN json_build_object('status', 200, 'headers', '{}'::json, 'body', session_reply(r, $2, $3, $4));
END $$;
GRANT EXECUTE ON FUNCTION chat_reply TO millrace_runner;

-- A chat's end: stores the answer as a message (none where it is empty, or where the conversation
-- was deleted meanwhile). `reason` is the model's (stop, length …) or 'cancelled', which leaves the
-- message partial.
CREATE OR REPLACE FUNCTION chat_finish(run_id uuid, runner text, attempt int, after bigint, content text, sources json, reason text)
RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	kept json;
	answer uuid;
	r run;
	data json;
	reply json;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	SELECT * INTO r FROM run WHERE run.id = $1 FOR UPDATE;
	DELETE FROM chat_round c WHERE c.run_id = $1;
	kept := sources_kept($6);
	UPDATE conversation c SET updated_at = now() WHERE c.id = r.conversation_id AND c.deleted_at IS NULL;
	IF FOUND AND content <> '' THEN
		INSERT INTO message (conversation_id, owner_id, run_id, role, content, sources, status)
		VALUES (r.conversation_id, r.owner_id, $1, 'assistant', $5, kept,
			CASE reason WHEN 'cancelled' THEN 'partial' ELSE 'complete' END)
		RETURNING id INTO answer;
	END IF;
	data := chat_done($1, answer, $5, kept, reason);
	IF r.input ? 'reply' THEN
		reply := chat_reply(r, answer, $5, kept);
	END IF;
	PERFORM run_finish($1, CASE reason WHEN 'cancelled' THEN 'cancelled' ELSE 'completed' END, 'done', data,
		reply);
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION chat_finish TO millrace_runner;

-- Charges an attempt that ended without its provider's count, as far as the text tells; its call
-- number is the attempt's last.
CREATE OR REPLACE FUNCTION usage_estimate(run_id uuid, attempt int, provider text, model text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	-- A call's text is of events, of about a token each.
	said bigint := (SELECT CASE r.kind WHEN 'call' THEN 4 * (length(t.text) - length(replace(t.text, 'data: ', ''))) / 6 ELSE octet_length(t.text) END
			FROM run r CROSS JOIN run_text($1) AS t (text) WHERE r.id = $1)
		- 4 * coalesce((SELECT sum(u.output_tokens) FROM usage_event u WHERE u.run_id = $1), 0);
BEGIN
	IF said > 0 AND NOT EXISTS (SELECT FROM usage_event u WHERE u.run_id = $1 AND u.call / 1000 = attempt) THEN
		PERFORM usage_record($1, attempt * 1000 + 999, provider, model,
			(SELECT (coalesce((SELECT sum(octet_length(m.content)) FROM message m
				WHERE m.conversation_id = r.conversation_id AND m.created_at <= r.created_at), 0)
			 + coalesce(octet_length(r.input ->> 'payload'), 0)) / 4 FROM run r WHERE r.id = $1), said / 4 + 1, 0, 0, 0, 0, true, NULL, true);
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION usage_estimate TO millrace_runner;

-- Stores a file that a tool call writes as the next version of that name in the conversation. The
-- same call tried again finds what it wrote, and whether the run's log has its event already
-- (`told`). No row where the lease is lost; no id where the user's files leave no room (bytes_max:
-- of them all; 0: no limit).
CREATE OR REPLACE FUNCTION artifact_write(run_id uuid, runner text, attempt int, call_id text, name text, mime_type text, content bytea, bytes_max bigint)
RETURNS TABLE (id uuid, version int, told boolean) LANGUAGE plpgsql AS $$
DECLARE
	artifacts_max CONSTANT int := 10000;
	r run;
	file uuid;
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN;
	END IF;
	SELECT * INTO r FROM run WHERE run.id = $1;
	SELECT a.id, a.version INTO id, version FROM artifact a WHERE a.run_id = $1 AND a.call_id = $4;
	IF FOUND THEN
		told := EXISTS (SELECT FROM stream_event e WHERE e.topic = 'run:' || $1 AND e.type = 'artifact'
			AND e.data ->> 'id' = artifact_write.id::text);
		RETURN NEXT;
		RETURN;
	END IF;
	-- What a user's runs write at the same moment may exceed it together, by a file each.
	IF (bytes_max > 0 AND octet_length($7) + coalesce((SELECT s.bytes FROM storage s WHERE s.owner_id = r.owner_id), 0) > bytes_max)
		OR (SELECT count(*) FROM (SELECT FROM artifact o WHERE o.owner_id = r.owner_id LIMIT artifacts_max) x) = artifacts_max THEN
		RETURN NEXT;
		RETURN;
	END IF;
	PERFORM FROM conversation c WHERE c.id = r.conversation_id FOR UPDATE;
	IF NOT FOUND THEN
		r.conversation_id := NULL;	-- deleted meanwhile
	END IF;
	INSERT INTO blob (owner_id, sha256, size) VALUES (r.owner_id, sha256($7), octet_length($7)) RETURNING blob.id INTO file;
	INSERT INTO blob_chunk (blob_id, n, data) SELECT file, k, substring($7 FROM k * 262144 + 1 FOR 262144)
	FROM generate_series(0, (octet_length($7) - 1) / 262144) k WHERE octet_length($7) > 0;
	INSERT INTO artifact AS a (owner_id, conversation_id, run_id, name, version, mime_type, size, blob_id, call_id)
	SELECT r.owner_id, r.conversation_id, $1, $5, 1 + coalesce(max(o.version), 0), $6, octet_length($7), file, $4
	FROM artifact o WHERE o.conversation_id = r.conversation_id AND o.name = $5
	RETURNING a.id, a.version INTO id, version;
	told := false;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION artifact_write(uuid, text, int, text, text, text, bytea, bigint) TO millrace_runner;

CREATE OR REPLACE FUNCTION artifact_json(a artifact) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', a.id, 'conversationId', a.conversation_id, 'name', a.name, 'mimeType', a.mime_type, 'size', a.size,
		'version', a.version, 'url', '/api/artifacts/' || a.id, 'createdAt', rfc3339(a.created_at))
$$;
GRANT EXECUTE ON FUNCTION artifact_json TO millrace_api;
