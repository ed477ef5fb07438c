-- What follows from the end of a chatbot's answer. Applied before the migrations, as
-- functions/base.sql says.

-- What was reserved of a chatbot's tokens for an answer gives way to what it used. An answer that
-- ends on another day than it began counts for neither: the day's row has begun anew.
-- As the owner: what visitors use is no role's to write.
CREATE OR REPLACE FUNCTION chatbot_run_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
BEGIN
	UPDATE chatbot_use u SET tokens = greatest(u.tokens - (NEW.input ->> 'reserved')::bigint, 0)
		+ coalesce((SELECT sum(e.input_tokens + e.output_tokens) FROM usage_event e WHERE e.run_id = NEW.id), 0)
	FROM conversation c WHERE c.id = NEW.conversation_id AND u.chatbot_id = c.chatbot_id AND u.subject = ''
		AND u.day = (NEW.input ->> 'day')::date;
	RETURN NULL;
END $$;
