-- Takes the row: what looks it up does so in its own plan.
UPDATE export_section SET query = replace(query, 'container_json(owner_id)', 'container_json(container)') WHERE name = 'container';
DROP FUNCTION IF EXISTS container_json(uuid);
