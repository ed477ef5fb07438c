-- Waits for nothing: false where another session migrates.
-- name: admin_migrate_try_lock
-- row: locked bool
SELECT pg_try_advisory_lock(hashtext('millrace.migrate')) AS locked;

-- The session's, until it ends.
-- name: admin_migrate_lock
-- row: locked bool
SELECT true AS locked FROM pg_advisory_lock(hashtext('millrace.migrate'));

-- Does the table exist? The first migration creates it.
-- name: admin_migration_exists
-- row: found bool
SELECT to_regclass('public.migration') IS NOT NULL AS found;

-- name: admin_migration_list
-- row: version int4, name text, sha256 text, applied text
SELECT version, name, sha256, rfc3339(applied_at) AS applied FROM migration ORDER BY version LIMIT 10000;

-- name: admin_migration_record
-- args: version int4, name text, sha256 text
INSERT INTO migration (version, name, sha256) VALUES ($1, $2, $3);

-- Whether this program's set of functions is in force, and since when the one in force is. No row
-- where none was applied yet.
-- name: admin_functions_state
-- args: sha256 text
-- row: current bool, applied text
SELECT sha256 = $1 AS current, rfc3339(applied_at) AS applied FROM function_set ORDER BY applied_at DESC LIMIT 1;

-- name: admin_functions_record
-- args: sha256 text
INSERT INTO function_set (sha256) VALUES ($1) ON CONFLICT (sha256) DO UPDATE SET applied_at = excluded.applied_at;

-- Functions are made in any order, whatever they name, as pg_dump does it; for this transaction.
-- name: admin_functions_unchecked
-- row: done text
SELECT set_config('check_function_bodies', 'off', true) AS done;

-- And then each body is checked, by what CREATE FUNCTION itself checks it with.
-- name: admin_functions_check
-- row: checked int8
SELECT count(CASE l.lanname WHEN 'sql' THEN fmgr_sql_validator(p.oid)::text ELSE plpgsql_validator(p.oid)::text END) AS checked
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang, set_config('check_function_bodies', 'on', true)
WHERE p.pronamespace = 'public'::regnamespace AND l.lanname IN ('sql', 'plpgsql');

-- name: admin_begin
BEGIN;

-- Whoever waits for a table holds up all that come behind: so not for long. For this transaction.
-- name: admin_migrate_patience
-- row: done text
SELECT set_config('lock_timeout', '2s', true) AS done;

-- name: admin_commit
COMMIT;

-- name: admin_rollback
ROLLBACK;
