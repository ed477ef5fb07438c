-- What a process tells of itself is kept as it is written: jsonb would sort it, and Prometheus wants a histogram's buckets in order.
ALTER TABLE process ALTER COLUMN stats DROP DEFAULT;
ALTER TABLE process ALTER COLUMN stats TYPE json USING stats::json;
ALTER TABLE process ALTER COLUMN stats SET DEFAULT '{}';
DROP FUNCTION IF EXISTS process_seen(text, text, int, text, timestamptz, jsonb);
