-- Wrong passwords count by account and network, and for browsers that have signed in before apart.
-- Addresses and names are compared in one form.

DROP FUNCTION IF EXISTS login_wait(text);
DROP FUNCTION IF EXISTS login_waits(text, text, int);
DROP FUNCTION IF EXISTS login_failed(text, text, int);
DROP FUNCTION IF EXISTS login_succeeded(text);
DROP FUNCTION IF EXISTS session_open_by_login(uuid, text, text, interval, text, int);

COMMENT ON COLUMN login_failure.subject IS
	'"account <sha256 of the address or name>", from everywhere but known browsers; "network <sha256> 192.0.2.7", "device <sha256> <nonce>": '
	'the account from there; "address 192.0.2.7", "address 2001:db8:1:2::/64": the network, for all accounts';

-- One row of those that a wrong password writes.
DROP TRIGGER audit_login_failed ON login_failure;
CREATE CONSTRAINT TRIGGER audit_login_failed AFTER INSERT OR UPDATE ON login_failure DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW WHEN (NEW.subject LIKE 'account %' OR NEW.subject LIKE 'device %') EXECUTE FUNCTION audit_login_failed();

-- Addresses as the programs write them now (lib/address.c), as far as SQL can: a domain's A-labels
-- stay. Where two accounts' are the same then, one is as it was. Nobody has changed an address, so
-- no trigger says so; the functions are those of after all migrations, and need their columns.
ALTER TABLE app_user DISABLE TRIGGER USER;
WITH form AS (
	SELECT id, email AS was, lower(normalize(btrim(email, E' \t\r\n\u00a0\u3000'), NFC)) AS email FROM app_user
), one AS (
	SELECT DISTINCT ON (email) * FROM form ORDER BY email, lower(was) = email DESC, id
)
UPDATE app_user u SET email = o.email FROM one o
WHERE o.id = u.id AND o.email <> o.was AND NOT EXISTS (SELECT FROM app_user x WHERE x.id <> u.id AND lower(x.email) = o.email);
ALTER TABLE app_user ENABLE TRIGGER USER;
