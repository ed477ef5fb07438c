-- Waits for nothing: false where another session migrates.
-- name: admin_migrate_try_lock
-- row: locked bool
SELECT pg_try_advisory_lock(hashtext('millrace.migrate')) AS locked;

-- The session's, until it ends.
-- name: admin_migrate_lock
-- row: locked bool
SELECT true AS locked FROM pg_advisory_lock(hashtext('millrace.migrate'));

-- Is there a table to ask? The first migration makes it.
-- name: admin_migration_exists
-- row: found bool
SELECT to_regclass('public.migration') IS NOT NULL AS found;

-- name: admin_migration_list
-- row: version int4, name text, sha256 text, applied text
SELECT version, name, sha256, rfc3339(applied_at) AS applied FROM migration ORDER BY version LIMIT 10000;

-- name: admin_migration_record
-- args: version int4, name text, sha256 text
INSERT INTO migration (version, name, sha256) VALUES ($1, $2, $3);

-- name: admin_begin
BEGIN;

-- name: admin_commit
COMMIT;

-- name: admin_rollback
ROLLBACK;
