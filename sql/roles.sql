-- Run once per cluster by a superuser: the four roles. Each is the name of an operating system user
-- too, so that PostgreSQL's `peer` authentication needs no passwords and no map. Running it again
-- is harmless, and due after an upgrade.
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['millrace_owner', 'millrace_api', 'millrace_stream', 'millrace_runner'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
			EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', name);
		END IF;
		-- Whatever of statements the server logs, what users gave is not in it.
		EXECUTE format('ALTER ROLE %I SET log_parameter_max_length = 0', name);
		EXECUTE format('ALTER ROLE %I SET log_parameter_max_length_on_error = 0', name);
	END LOOP;
END $$;
-- What the API refuses is no error of the server's: log_nothing() keeps it out of the log.
GRANT SET ON PARAMETER log_min_messages TO millrace_owner;
-- The runner works for every user; workers and streamd never see past row-level security.
ALTER ROLE millrace_runner BYPASSRLS;
ALTER ROLE millrace_api NOBYPASSRLS;
ALTER ROLE millrace_stream NOBYPASSRLS;
