-- Is the database at least at this program's migration, and were this program's functions applied
-- to it? A later release's may have been applied since: migrations expand first.
-- name: migration_current
-- args: version int4, functions text
-- row: current bool
SELECT coalesce(max(version), 0) >= $1 AND EXISTS (SELECT FROM function_set f WHERE f.sha256 = $2) AS current FROM migration;
