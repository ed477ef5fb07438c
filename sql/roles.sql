-- Run once per cluster by a superuser: the four roles. Each is the name of an operating system user too, so that
-- PostgreSQL's `peer` authentication needs no passwords and no map. Running it again changes nothing.
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['millrace_owner', 'millrace_api', 'millrace_stream', 'millrace_runner'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
			EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', name);
		END IF;
	END LOOP;
END $$;
-- The runner works for every user; workers and streamd never see past row-level security.
ALTER ROLE millrace_runner BYPASSRLS;
ALTER ROLE millrace_api NOBYPASSRLS;
ALTER ROLE millrace_stream NOBYPASSRLS;
