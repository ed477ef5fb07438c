-- Runs that nobody has asked for now are stored by run_add.
DROP FUNCTION IF EXISTS oauth_enqueue(jsonb, int);
