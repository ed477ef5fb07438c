-- name: migration_version
-- row: version int4
SELECT max(version) AS version FROM migration;
