-- Rows are stored with what they are matched by, and never updated: no room is left for that, and
-- what it was made of stands in their cells.
ALTER TABLE task_row RESET (fillfactor);
ALTER TABLE task_row DROP COLUMN name, DROP COLUMN email, DROP COLUMN phone, DROP COLUMN region;

-- A task that had read all its rows, and not yet looked at each, reads them anew.
UPDATE task SET step = 'extract' WHERE step = 'transform';
ALTER TABLE task DROP CONSTRAINT task_step_check;
ALTER TABLE task ADD CONSTRAINT task_step_check CHECK (step IN ('extract', 'match', 'compare', 'end'));

-- Their arguments are others.
DROP FUNCTION IF EXISTS task_load(uuid, text, int, int, int, int[], text[], text[], text[], text[], text, int);
DROP FUNCTION IF EXISTS task_transformed(uuid, text, int, int[], text[], text[], text[], text[], text[]);
DROP FUNCTION IF EXISTS match_candidates(uuid, uuid, int, int);
DROP FUNCTION IF EXISTS match_rate(text, text, text, text, text, text, text, text, text, text, real);
