-- What a call of a model costs here: rows are looked up, and written to indexes, where somebody
-- asks for it.

-- Each of these rows is made by who holds, or has just made, the row that it names.
ALTER TABLE charge DROP CONSTRAINT charge_owner_id_fkey, DROP CONSTRAINT charge_project_id_fkey;
ALTER TABLE job DROP CONSTRAINT job_run_id_fkey;
ALTER TABLE usage_event DROP CONSTRAINT usage_event_price_id_fkey;
CREATE TRIGGER charge_gone AFTER DELETE ON project FOR EACH ROW EXECUTE FUNCTION charge_gone();
CREATE TRIGGER job_gone AFTER DELETE ON run FOR EACH ROW EXECUTE FUNCTION job_gone();

-- A charge of a run has the run's id.
UPDATE charge SET id = run_id WHERE run_id IS NOT NULL AND state = 'reserved';
DROP INDEX charge_run;

-- A charge stays on its page, and in its indexes, when it is settled: none has what changes then.
-- What a user was charged by day is in the ledger.
DROP INDEX charge_ended;
DROP INDEX charge_expiry;
CREATE INDEX charge_expiry ON charge (expires_at) WHERE expires_at IS NOT NULL;
ALTER TABLE charge SET (fillfactor = 50);
CREATE INDEX ledger_entry_made ON ledger_entry (owner_id, created_at) WHERE owner_id IS NOT NULL;
DROP INDEX ledger_entry_charge;
DROP INDEX ledger_entry_transfer;
-- A statement that writes to a table looks at the condition of each of its indexes.
DROP INDEX job_running;
DROP INDEX job_parked;
CREATE INDEX job_held ON job (owner_id, state) WHERE state IN ('running', 'waiting');
DROP INDEX job_dead;
DROP INDEX job_done_age;
CREATE INDEX job_ended ON job (state, ended_at) WHERE state IN ('done', 'dead');

-- The row changes twice with each call.
ALTER TABLE app_user SET (fillfactor = 80);

-- Who ends a call settles all that it has used.
DROP TRIGGER usage_settled ON usage_event;
CREATE TRIGGER usage_settled AFTER INSERT ON usage_event FOR EACH ROW
	WHEN (NEW.cost_usd > 0 AND current_setting('millrace.settles', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION usage_settled();
DROP TRIGGER run_settled ON run;
CREATE TRIGGER run_settled AFTER UPDATE OF ended_at ON run FOR EACH ROW
	WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NEW.owner_id IS NOT NULL AND NEW.kind <> 'call')
	EXECUTE FUNCTION run_settled();

DROP FUNCTION IF EXISTS notify_at_once(), ledger_move(uuid, numeric, numeric, text, text, uuid), project_today(project),
	charge_count(charge, project, numeric, bigint, boolean, timestamptz), charge_open(uuid), publish_two(text, text, json, text, json),
	usage_cost(provider_price, bigint, bigint, bigint, bigint, bigint, bigint);
