-- Takes the rating: what looks it up does so in its own plan.
DROP FUNCTION IF EXISTS session_message_json(message);
