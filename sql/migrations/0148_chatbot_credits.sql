-- Other arguments: whether credits are required.
DROP FUNCTION IF EXISTS session_say(uuid, text, boolean, int);
DROP FUNCTION IF EXISTS visitor_ask(chatbot, uuid, text, jsonb, bytea, int, int, int, int, int, int);
DROP FUNCTION IF EXISTS widget_say(uuid, bytea, text, boolean, bytea, int, int, int, int, int, int);
DROP FUNCTION IF EXISTS chatbot_preview(jsonb, text, uuid[], jsonb, int);
DROP FUNCTION IF EXISTS slack_ask(slack_bot, uuid, bytea, text, text, jsonb, int, int, int, int, int, int);
DROP FUNCTION IF EXISTS slack_message(slack_bot, uuid, text, jsonb, int, int, int, int, int, int);
DROP FUNCTION IF EXISTS slack_event(uuid, jsonb, bytea, bytea, int, int, int, int, int, int);
