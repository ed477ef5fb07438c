-- job_publish() and publish_many() number events themselves.
DROP FUNCTION IF EXISTS publish_locked(text[], text[], text[]);
