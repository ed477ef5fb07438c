-- What services send us, and how an answer comes into their chats. A message is taken in one
-- transaction: that it came (inbox), the run that answers it, and a job that relays that run's
-- answer. So nothing is lost, nor answered twice, wherever a process ends.
--
-- A relay works in steps: it shows what there is, and is due again shortly, until the run has
-- ended. What it has sent is in its run's input: `sent`, the messages' ids in order; `sending`,
-- which message it was about to send, counted from 0; `shown`, how long the text was; `plain`,
-- whether the chat takes no drafts.

-- True where none of the keys came before. One that did may come with new ones: these count as
-- come from now on.
CREATE OR REPLACE FUNCTION inbox_accept(source text, keys text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	WITH taken AS (
		INSERT INTO inbox (source, key) SELECT $1, k FROM unnest($2) k ORDER BY k ON CONFLICT DO NOTHING RETURNING 1
	)
	SELECT count(*) INTO n FROM taken;
	RETURN n = cardinality($2);
END $$;

-- Forgets what came long ago: the services repeat an event for a day at most.
CREATE OR REPLACE FUNCTION inbox_sweep(most int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT i.ctid FROM inbox i WHERE i.received_at < now() - interval '7 days' LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n >= most;
END $$;

-- A JSON value that is a whole number; NULL for any other.
CREATE OR REPLACE FUNCTION json_whole(j jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN jsonb_typeof($1) = 'number' AND $1::text ~ '^-?\d{1,18}$' THEN $1::text::bigint END
$$;

-- A JSON value that is a text; NULL for any other.
CREATE OR REPLACE FUNCTION json_string(j jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN jsonb_typeof($1) = 'string' THEN $1 #>> '{}' END
$$;

-- The passages that an answer cites, a line each; '' where there are none.
CREATE OR REPLACE FUNCTION sources_text(sources jsonb) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(format(E'\n[%s] %s%s', e ->> 'n', e ->> 'documentName', ', ' || nullif(e ->> 'mark', '')), '' ORDER BY (e ->> 'n')::int), '')
	FROM jsonb_array_elements($1) e WHERE e ? 'n'
$$;
GRANT EXECUTE ON FUNCTION sources_text TO millrace_runner;

-- What a relay's chat is to show by now. No row: the answering run is gone.
CREATE OR REPLACE FUNCTION relay_progress(run_id uuid) RETURNS TABLE (content text, ended boolean, sent text, shown bigint, plain boolean,
	sending int)
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN c.ended_at IS NULL THEN run_text(c.id)
		WHEN m.id IS NOT NULL THEN m.content || coalesce(E'\n' || nullif(sources_text(m.sources::jsonb), ''), '')
		WHEN c.status = 'cancelled' THEN 'Stopped.'
		WHEN c.input ? 'visitor' THEN coalesce(c.outcome ->> 'message', 'There is no answer.')
		ELSE coalesce('No answer could be given: ' || c.error_message, 'There is no answer.') END,
		c.ended_at IS NOT NULL, coalesce(r.input -> 'sent', '[]')::text, coalesce((r.input ->> 'shown')::bigint, 0),
		coalesce((r.input ->> 'plain')::boolean, false), coalesce((r.input ->> 'sending')::int, -1)
	FROM run r JOIN run c ON c.id = (r.input ->> 'answer')::uuid
	LEFT JOIN message m ON m.run_id = c.id AND m.role = 'assistant'
	WHERE r.id = $1
$$;
GRANT EXECUTE ON FUNCTION relay_progress TO millrace_runner;

-- Keeps that the relay's n-th message is about to be sent, or, with -1, that none is. False where
-- the lease is lost.
CREATE OR REPLACE FUNCTION relay_sending(run_id uuid, runner text, attempt int, n int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN false;
	END IF;
	UPDATE run r SET input = r.input || jsonb_build_object('sending', $4) WHERE r.id = $1;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION relay_sending TO millrace_runner;

-- Keeps the id of the relay's n-th message, counted from 0. False where the lease is lost.
CREATE OR REPLACE FUNCTION relay_sent(run_id uuid, runner text, attempt int, n int, id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN false;
	END IF;
	UPDATE run r SET input = jsonb_set(r.input, '{sent}', coalesce(r.input -> 'sent', '[]') || to_jsonb($5))
	WHERE r.id = $1 AND jsonb_array_length(coalesce(r.input -> 'sent', '[]')) = $4;
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION relay_sent TO millrace_runner;

-- A relay's step is done; the next is due in `wait`. Steps that went well use up no attempts.
CREATE OR REPLACE FUNCTION relay_again(run_id uuid, runner text, attempt int, after bigint, wait interval, shown bigint, plain boolean) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	attempts_more CONSTANT int := 30;
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq = after THEN
		UPDATE run r SET status = 'queued', input = r.input || jsonb_build_object('shown', $6, 'plain', $7) WHERE r.id = $1;
		UPDATE job j SET state = 'queued', run_at = now() + wait, lease_until = NULL, runner = NULL, max_attempts = j.attempts + attempts_more
		WHERE j.run_id = $1;
		PERFORM notify_durable('millrace_job', '');
	END IF;
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION relay_again TO millrace_runner;
