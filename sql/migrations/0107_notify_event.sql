-- Events are notified once they are on disk, by notify_durable.
DROP FUNCTION IF EXISTS notify_event(text, bigint, text, text);
