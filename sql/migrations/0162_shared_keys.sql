-- An administrator's keys of providers, with which everybody is answered.
ALTER TABLE secret ADD COLUMN everybody boolean NOT NULL DEFAULT false;
CREATE INDEX secret_everybody ON secret (key) WHERE everybody;
CREATE TRIGGER shared_key_changed AFTER INSERT OR UPDATE OF sealed, everybody OR DELETE ON secret
	FOR EACH ROW EXECUTE FUNCTION shared_key_changed();
DROP FUNCTION IF EXISTS vault_put(text, bytea, uuid, text, int);
