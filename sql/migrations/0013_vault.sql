-- The vault: what a user gives us to keep secret. Workers seal it to a public key; only the runner holds the private one.

-- Key pairs, of which one is in force. The canary is a text sealed to the key, by which a runner sees whether it holds the other half.
CREATE TABLE vault_key (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	public_key	bytea NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
	canary		bytea NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	retired_at	timestamptz
);
CREATE UNIQUE INDEX vault_key_in_force ON vault_key ((true)) WHERE retired_at IS NULL;
GRANT SELECT (id, public_key, created_at, retired_at) ON vault_key TO millrace_api;
GRANT SELECT ON vault_key TO millrace_runner;

-- Workers write `sealed` and may not even read it back.
CREATE TABLE secret (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	key		text NOT NULL,			-- its name, as the user calls it
	sealed		bytea NOT NULL,
	key_id		uuid NOT NULL REFERENCES vault_key,
	masked		text NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	last_used_at	timestamptz,
	UNIQUE (owner_id, key)
);
CREATE INDEX secret_key_id ON secret (key_id, id);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secret TO millrace_api USING (owner_id = caller_id());
GRANT SELECT (id, owner_id, key, key_id, masked, created_at, updated_at, last_used_at), DELETE ON secret TO millrace_api;
GRANT SELECT, UPDATE (sealed, key_id, last_used_at) ON secret TO millrace_runner;

-- Stores a secret of the caller's, in the place of one with the same name. No row where `key_id` is not in force any more: the worker
-- then seals anew. Its row is held until we commit, so that nothing is sealed to a key after it was retired.
CREATE FUNCTION vault_put(key text, sealed bytea, key_id uuid, masked text, most int)
RETURNS TABLE (id uuid, body json) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
#variable_conflict use_column
BEGIN
	PERFORM FROM vault_key k WHERE k.id = $3 AND k.retired_at IS NULL FOR SHARE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	-- The user's row makes one of two that would both be the last that fits wait.
	PERFORM FROM app_user u WHERE u.id = caller_id() FOR NO KEY UPDATE;
	IF NOT EXISTS (SELECT FROM secret s WHERE s.owner_id = caller_id() AND s.key = $1)
		AND (SELECT count(*) FROM secret s WHERE s.owner_id = caller_id()) >= $5 THEN
		PERFORM refuse(409, 'The vault holds ' || $5 || ' secrets, and no more fit; delete one first.');
	END IF;
	RETURN QUERY
	INSERT INTO secret AS s (owner_id, key, sealed, key_id, masked) VALUES (caller_id(), $1, $2, $3, $4)
	ON CONFLICT (owner_id, key) DO UPDATE
		SET sealed = excluded.sealed, key_id = excluded.key_id, masked = excluded.masked, updated_at = now()
	RETURNING s.id, json_build_object('id', s.id, 'key', s.key, 'masked', s.masked, 'createdAt', rfc3339(s.created_at),
		'lastUsedAt', rfc3339(s.last_used_at));
END $$;
REVOKE ALL ON FUNCTION vault_put FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault_put TO millrace_api;

-- Into the audit chain, at the transaction's end. Re-sealing changes nothing that anybody could see, and is not told.
CREATE FUNCTION secret_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		PERFORM audit(caller_id(), OLD.owner_id, 'secret_deleted', jsonb_build_object('secret', OLD.id));
	ELSE
		PERFORM audit(caller_id(), NEW.owner_id, 'secret_stored', jsonb_build_object('secret', NEW.id));
	END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER secret_told AFTER INSERT OR DELETE ON secret DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION secret_told();
CREATE CONSTRAINT TRIGGER secret_replaced AFTER UPDATE OF updated_at ON secret DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION secret_told();

-- A secret that the runner is about to open, for `purpose`: each use goes into the audit chain.
CREATE FUNCTION vault_use(owner_id uuid, key text, purpose text) RETURNS TABLE (sealed bytea, key_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	used uuid;
BEGIN
	UPDATE secret s SET last_used_at = now() WHERE s.owner_id = $1 AND s.key = $2
	RETURNING s.id, s.sealed, s.key_id INTO used, vault_use.sealed, vault_use.key_id;
	IF FOUND THEN
		RETURN NEXT;
		PERFORM audit(NULL, $1, 'secret_used', jsonb_build_object('secret', used, 'purpose', $3));
	END IF;
END $$;

-- Puts a batch under another key. A secret that its user has replaced meanwhile (`was` is another's SHA-256) stays as it is. The rows
-- are locked in one order, so that two runners do not wait for each other in a circle.
CREATE FUNCTION vault_reseal(ids uuid[], was text[], sealed text[], key_id uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	PERFORM FROM secret s WHERE s.id = ANY ($1) ORDER BY s.id FOR NO KEY UPDATE;
	UPDATE secret s SET sealed = decode(new.sealed, 'base64'), key_id = $4
	FROM unnest($1, $2, $3) AS new (id, was, sealed)
	WHERE s.id = new.id AND encode(sha256(s.sealed), 'hex') = new.was;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;

-- A new key comes into force, and the one before is retired. With `first` only where there is none yet. NULL: not done.
CREATE FUNCTION vault_key_add(public_key bytea, canary bytea, first boolean) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
BEGIN
	LOCK TABLE vault_key IN SHARE ROW EXCLUSIVE MODE;
	IF first = EXISTS (SELECT FROM vault_key k WHERE k.retired_at IS NULL) THEN
		RETURN NULL;
	END IF;
	UPDATE vault_key k SET retired_at = now() WHERE k.retired_at IS NULL;
	INSERT INTO vault_key (public_key, canary) VALUES ($1, $2) RETURNING id INTO new_id;
	PERFORM audit(NULL, NULL, 'vault_key_made', jsonb_build_object('vault_key', new_id));
	RETURN new_id;
END $$;
