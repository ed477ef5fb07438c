-- job_claim() says also what it has left in the queue. A runner of the version before, which asks
-- for its columns by name, goes on with it.
DROP FUNCTION IF EXISTS job_claim(text, int, int, interval);
