-- Slack: the apps of integrations, and what comes of their events.

-- What an integration shows of its app.
CREATE OR REPLACE FUNCTION slack_config_json(integration uuid, base text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT jsonb_build_object('eventsUrl', format('%s/api/integrations/slack/events?integration=%s', $2, $1),
		'teamId', b.team_id, 'team', b.team, 'botUserId', b.bot_user_id, 'botToken', CASE WHEN b.integration_id IS NOT NULL THEN '••••••••' END,
		'signingSecret', CASE WHEN b.has_signing THEN '••••••••' END)
	FROM (VALUES ($1)) x (id) LEFT JOIN slack_bot b ON b.integration_id = x.id);
END $$;
GRANT EXECUTE ON FUNCTION slack_config_json TO millrace_api;

-- Has the caller's credentials checked, and kept where Slack takes them: the token that is sealed
-- to key_id, or, where it is NULL, the one that is there.
CREATE OR REPLACE FUNCTION slack_credentials(integration uuid, sealed bytea, key_id uuid, signing bytea, base text, queue_max int)
RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM integration i WHERE i.id = $1 AND i.owner_id = caller_id() AND i.type = 'slack';
	IF NOT FOUND THEN
		PERFORM refuse('NOT_FOUND', 'There is no such integration with Slack.');
	ELSIF $2 IS NULL AND $4 IS NULL THEN
		PERFORM refuse('BAD_REQUEST', 'Neither bot_token nor signing_secret is given.');
	ELSIF $2 IS NULL AND NOT EXISTS (SELECT FROM slack_bot b WHERE b.integration_id = $1) THEN
		PERFORM refuse('BAD_REQUEST', 'The integration has no bot token yet: give that, too.');
	END IF;
	RETURN run_enqueue('slack', jsonb_strip_nulls(jsonb_build_object('what', 'check', 'integration', $1, 'sealed', encode($2, 'hex'), 'key_id', $3,
		'signing', encode($4, 'hex'), 'base', $5, 'reply', 'slack')), $6, priority => 10);
END $$;
GRANT EXECUTE ON FUNCTION slack_credentials TO millrace_api;

-- The caller starts an integration again: its token is checked. It is an error until there is one.
CREATE OR REPLACE FUNCTION slack_start(i integration) RETURNS integration LANGUAGE plpgsql AS $$
DECLARE
	queue_max CONSTANT int := 10000;
BEGIN
	IF EXISTS (SELECT FROM slack_bot b WHERE b.integration_id = i.id) THEN
		UPDATE integration x SET problem = NULL WHERE x.id = i.id RETURNING * INTO i;
		PERFORM run_enqueue('slack', jsonb_build_object('what', 'check', 'integration', i.id), queue_max);
	ELSE
		UPDATE integration x SET status = 'error', problem = 'It has no credentials yet.' WHERE x.id = i.id RETURNING * INTO i;
	END IF;
	RETURN i;
END $$;
GRANT EXECUTE ON FUNCTION slack_start TO millrace_api;

-- What calls Slack for an integration, and which of its tokens that is; `wait_ms`: how long Slack
-- wants nothing said in the channel.
CREATE OR REPLACE FUNCTION slack_token(integration uuid, channel text) RETURNS TABLE (sealed bytea, token bigint, status text, wait_ms bigint)
LANGUAGE sql STABLE AS $$
	SELECT b.sealed, b.token, i.status, greatest(coalesce(ceil(extract(epoch FROM (b.holds ->> $2)::timestamptz - now()) * 1000)::int8, 0), 0)
	FROM slack_bot b JOIN integration i ON i.id = b.integration_id WHERE b.integration_id = $1
$$;
GRANT EXECUTE ON FUNCTION slack_token TO millrace_runner;

-- Slack wants nothing said in a channel for a while.
CREATE OR REPLACE FUNCTION slack_hold(integration uuid, channel text, wait interval) RETURNS void LANGUAGE sql AS $$
	UPDATE slack_bot b SET holds = jsonb_build_object($2, now() + $3)
		|| coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(b.holds) WHERE value::timestamptz > now() AND key <> $2), '{}')
	WHERE b.integration_id = $1
$$;
GRANT EXECUTE ON FUNCTION slack_hold TO millrace_runner;

-- An integration does not work any more with this token of its; another may have come meanwhile.
-- As the owner: integrations are their owners' to change.
CREATE OR REPLACE FUNCTION slack_problem(integration uuid, problem text, token bigint) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM FROM integration i WHERE i.id = $1 FOR NO KEY UPDATE;
	UPDATE integration i SET status = 'error', problem = $2, updated_at = now()
	FROM slack_bot b WHERE b.integration_id = i.id AND b.token = $3 AND i.id = $1 AND i.status = 'active';
END $$;
GRANT EXECUTE ON FUNCTION slack_problem TO millrace_runner;

-- What was given with a check is kept no longer than that takes.
CREATE OR REPLACE FUNCTION slack_given_forget(run_id uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE run r SET input = r.input - ARRAY['sealed', 'key_id', 'signing'] WHERE r.id = $1
$$;
GRANT EXECUTE ON FUNCTION slack_given_forget TO millrace_runner;

-- The end of a check that went well: what was given counts, and the integration works unless its
-- owner has stopped it. `token`: which of its tokens was checked, where none was given. Of two
-- integrations with one bot the later counts, which two checks at once agree on by a lock.
-- As the owner: integrations are their owners' to change.
CREATE OR REPLACE FUNCTION slack_checked(run_id uuid, runner text, attempt int, after bigint, team_id text, team text, bot_user_id text, token bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
	seq bigint;
	given jsonb;
	i integration;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended(format('millrace.slack_bot %s %s', $5, $7), 0));
	seq := job_fence($1, $2, $3);
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	SELECT r.input INTO given FROM run r WHERE r.id = $1;
	PERFORM slack_given_forget($1);
	SELECT x.* INTO i FROM integration x WHERE x.id = (given ->> 'integration')::uuid FOR NO KEY UPDATE;
	IF i.id IS NULL THEN
		RETURN job_refuse($1, $2, $3, $4, 404, 'NOT_FOUND', 'There is no such integration with Slack.');
	ELSIF NOT given ? 'sealed' AND NOT EXISTS (SELECT FROM slack_bot b WHERE b.integration_id = i.id AND b.token = $8) THEN
		RETURN job_refuse($1, $2, $3, $4, 409, 'CONFLICT', 'Another bot token was given meanwhile; try again.');
	END IF;
	UPDATE integration x SET status = CASE x.status WHEN 'inactive' THEN 'inactive' ELSE 'active' END, problem = NULL, updated_at = now()
	WHERE x.id = i.id RETURNING * INTO i;
	IF given ? 'sealed' THEN
		INSERT INTO slack_bot AS b (integration_id, owner_id, team_id, team, bot_user_id, sealed, key_id)
		VALUES (i.id, i.owner_id, $5, $6, $7, decode(given ->> 'sealed', 'hex'), (given ->> 'key_id')::uuid)
		ON CONFLICT (integration_id) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id, token = b.token + 1;
	END IF;
	UPDATE slack_bot b SET team_id = $5, team = $6, bot_user_id = $7, checked_at = clock_timestamp(),
		signing = coalesce(decode(given ->> 'signing', 'hex'), b.signing),
		signing_before = CASE WHEN given ? 'signing' THEN b.signing ELSE b.signing_before END,
		before_until = CASE WHEN given ? 'signing' THEN now() + interval '1 day' ELSE b.before_until END
	WHERE b.integration_id = i.id;
	UPDATE integration o SET status = 'error', problem = 'Another integration answers as this bot now.', updated_at = now()
	FROM slack_bot b WHERE b.integration_id = o.id AND b.team_id = $5 AND b.bot_user_id = $7 AND o.id <> i.id AND o.status = 'active';
	PERFORM run_finish($1, 'completed', 'done', '{}', CASE WHEN given ? 'reply' THEN
		json_build_object('status', 200, 'headers', '{}'::json, 'body', integration_json(i, given ->> 'base')) END);
	RETURN seq;
END $$;
GRANT EXECUTE ON FUNCTION slack_checked TO millrace_runner;

-- The end of one that did not: where Slack has refused the token that is there, the integration
-- does not work.
CREATE OR REPLACE FUNCTION slack_refused(run_id uuid, runner text, attempt int, after bigint, status int, code text, message text, token bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	IF status < 500 THEN
		PERFORM slack_problem((r.input ->> 'integration')::uuid, $7, $8) FROM run r WHERE r.id = $1 AND NOT r.input ? 'sealed';
	END IF;
	PERFORM slack_given_forget($1);
	RETURN job_refuse($1, $2, $3, $4, $5, $6, $7);
END $$;
GRANT EXECUTE ON FUNCTION slack_refused TO millrace_runner;

-- What an integration's events are signed with, as workers have closed it; NULL: this server's.
-- As the owner: Slack has no account.
CREATE OR REPLACE FUNCTION slack_signing(integration uuid) RETURNS TABLE (signing bytea, before bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT b.signing, CASE WHEN b.before_until > now() THEN b.signing_before END FROM slack_bot b WHERE b.integration_id = $1;
END $$;
GRANT EXECUTE ON FUNCTION slack_signing TO millrace_api;

-- A message as people read it: without the bot's name, links by their addresses.
CREATE OR REPLACE FUNCTION slack_plain(said text, bot_user text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT btrim(replace(replace(replace(regexp_replace(regexp_replace($1, format('<@%s(\|[^>]*)?>', $2), '', 'g'),
		'<((https?|mailto):[^|>]+)(\|[^>]*)?>', '\1', 'g'), '&lt;', '<'), '&gt;', '>'), '&amp;', '&'), E' \t\n')
$$;

-- The session that a thread is, or, outside of threads, a direct conversation.
CREATE OR REPLACE FUNCTION slack_session(b chatbot, session bytea) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	id uuid;
BEGIN
	INSERT INTO conversation AS c (owner_id, chatbot_id, visitor_hash, title) VALUES (b.owner_id, b.id, $2, b.name)
	ON CONFLICT (visitor_hash) WHERE visitor_hash IS NOT NULL DO NOTHING;
	SELECT c.id INTO id FROM conversation c WHERE c.visitor_hash = $2 AND c.deleted_at IS NULL;
	IF id IS NULL THEN
		PERFORM refuse('OVERLOADED', 'The conversation is being deleted; try again shortly.');
	END IF;
	RETURN id;
END $$;

-- A message that is for the bot: its chatbot is asked, and a job brings the answer to `place`. What
-- is refused is said there, in each conversation once an hour.
CREATE OR REPLACE FUNCTION slack_chat_start(s slack_bot, bot uuid, session bytea, said text, sender text, place jsonb, user_minute int, user_day int,
	session_minute int, session_day int, chatbot_minute int, queue_max int, credits boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	said_max CONSTANT int := 20000;
	b chatbot;
	c uuid;
	asked uuid;
	code text;
	why text;
BEGIN
	SELECT * INTO b FROM chatbot_serving(bot);
	IF b.id IS NULL THEN
		RETURN;
	END IF;
	PERFORM set_config('millrace.caller', b.owner_id::text, true);
	BEGIN
		IF said = '' THEN
			PERFORM refuse('BAD_REQUEST', 'I read text only. What would you like to know?');
		ELSIF length(said) > said_max THEN
			PERFORM refuse('BAD_REQUEST', 'That is too long for me; please say it in fewer words.');
		END IF;
		c := slack_session(b, session);
		asked := visitor_chat_start(b, c, said, '{}', sha256(convert_to(format('slack %s %s', s.team_id, sender), 'UTF8')), user_minute, user_day,
			session_minute, session_day, chatbot_minute, queue_max, credits);
		PERFORM run_enqueue('slack', place || jsonb_build_object('what', 'relay', 'answer', asked), queue_max, c, priority => 1);
	EXCEPTION WHEN SQLSTATE 'MR000' THEN
		GET STACKED DIAGNOSTICS why = MESSAGE_TEXT, code = PG_EXCEPTION_DETAIL;
		IF code = 'OVERLOADED' THEN
			RAISE;
		ELSIF code = 'BAD_REQUEST' OR inbox_accept('slack', ARRAY[format('told %s %s', encode(session, 'hex'), date_trunc('hour', now(), 'UTC'))]) THEN
			PERFORM run_enqueue('slack', place || jsonb_build_object('what', 'say', 'text', why), 4 * queue_max, priority => 1);
		END IF;
	END;
	PERFORM set_config('millrace.caller', '', true);
END $$;

-- A message in a channel that the bot is in: it is for the bot where it names it, is a direct one,
-- or stands in a thread that the bot has answered in. What bots say, this one too, is for nobody.
CREATE OR REPLACE FUNCTION slack_message(s slack_bot, bot uuid, event_id text, e jsonb, user_minute int, user_day int, session_minute int,
	session_day int, chatbot_minute int, queue_max int, credits boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	channel text := substring(json_string(e -> 'channel') FROM '^[A-Z0-9]{1,40}$');
	sender text := json_string(e -> 'user');
	ts text := substring(json_string(e -> 'ts') FROM '^\d{1,12}\.\d{1,9}$');
	thread text := substring(json_string(e -> 'thread_ts') FROM '^\d{1,12}\.\d{1,9}$');
	said text := coalesce(json_string(e -> 'text'), '');
	direct boolean;
	session bytea;
BEGIN
	IF channel IS NULL OR ts IS NULL OR sender IS NULL OR sender = s.bot_user_id OR e ->> 'bot_id' IS NOT NULL OR
		coalesce(e ->> 'subtype', 'file_share') NOT IN ('file_share', 'thread_broadcast') THEN
		RETURN false;
	END IF;
	direct := channel LIKE 'D%' OR e ->> 'channel_type' IS NOT DISTINCT FROM 'im';
	IF NOT direct THEN
		thread := coalesce(thread, ts);
	END IF;
	session := sha256(convert_to(format('slack %s %s %s %s', s.integration_id, bot, channel, thread), 'UTF8'));
	IF NOT (direct OR said ~ format('<@%s[|>]', s.bot_user_id) OR
		EXISTS (SELECT FROM conversation c WHERE c.visitor_hash = session AND c.deleted_at IS NULL)) OR
		NOT inbox_accept('slack', ARRAY[format('%s %s', s.integration_id, event_id), format('%s %s %s', s.integration_id, channel, ts)]) THEN
		RETURN false;
	END IF;
	PERFORM slack_chat_start(s, bot, session, slack_plain(said, s.bot_user_id), sender, jsonb_strip_nulls(jsonb_build_object('integration', s.integration_id,
		'channel', channel, 'thread', thread, 'after', ts)), $5, $6, $7, $8, $9, $10, $11);
	RETURN true;
END $$;

-- Slack says that it has ended a bot's permission. That may be of a token before the one that is
-- there now: Slack is asked.
CREATE OR REPLACE FUNCTION slack_ended(s slack_bot, queue_max int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('millrace.caller', s.owner_id::text, true);
	PERFORM run_enqueue('slack', jsonb_build_object('what', 'check', 'integration', s.integration_id), queue_max);
	PERFORM set_config('millrace.caller', '', true);
END $$;

-- Takes an event whose signature is good: of the integration that its address names, else of the
-- one whose bot it is for; of two, where one is started again and not checked yet, the one that
-- Slack was asked about last. `signing`: the secret that was `was`, closed anew. What is for nobody
-- is left alone.
-- As the owner: Slack has no account.
CREATE OR REPLACE FUNCTION slack_event(integration uuid, event jsonb, was bytea, signing bytea, user_minute int, user_day int, session_minute int,
	session_day int, chatbot_minute int, queue_max int, credits boolean) RETURNS TABLE (taken boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	teams text[] := ARRAY[json_string(event -> 'team_id')];
	bots text[];
	e jsonb := event -> 'event';
	s slack_bot;
	bot uuid;
BEGIN
	IF $4 IS NOT NULL THEN
		UPDATE slack_bot b SET signing = $4 WHERE b.integration_id = $1 AND b.signing = $3;
	END IF;
	IF jsonb_typeof(event -> 'authorizations') = 'array' AND event -> 'authorizations' <> '[]' THEN
		SELECT array_agg(a ->> 'team_id'), array_agg(a ->> 'user_id') INTO teams, bots FROM jsonb_array_elements(event -> 'authorizations') a;
	END IF;
	SELECT b.* INTO s FROM slack_bot b JOIN integration i ON i.id = b.integration_id AND i.status = 'active'
	WHERE b.team_id = ANY (teams) AND (bots IS NULL OR b.bot_user_id = ANY (bots))
		AND CASE WHEN $1 IS NULL THEN NOT b.has_signing ELSE b.integration_id = $1 END
	ORDER BY b.checked_at DESC LIMIT 1;
	SELECT i.chatbot_id INTO bot FROM integration i WHERE i.id = s.integration_id;
	taken := false;
	IF bot IS NULL OR event ->> 'type' IS DISTINCT FROM 'event_callback' THEN
		NULL;
	ELSIF e ->> 'type' IN ('message', 'app_mention') THEN
		taken := slack_message(s, bot, event ->> 'event_id', e, $5, $6, $7, $8, $9, $10, $11);
	ELSIF e ->> 'type' = 'app_uninstalled' OR (e ->> 'type' = 'tokens_revoked' AND e #> '{tokens,bot}' @> to_jsonb(s.bot_user_id)) THEN
		PERFORM slack_ended(s, $10);
		taken := true;
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION slack_event TO millrace_api;
