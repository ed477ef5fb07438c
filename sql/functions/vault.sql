-- The vault: secrets and key pairs.

-- Stores a secret of the caller's, replacing one of the same name; `everybody`: it is a provider's
-- key, with which everybody is answered. No row where `key_id` is not in
-- force any more: the worker then seals anew. The key's row is locked until commit, so that nothing
-- is sealed to a key after it was retired.
-- As the owner: workers do not write secret.sealed, nor read it.
CREATE OR REPLACE FUNCTION vault_put(key text, sealed bytea, key_id uuid, masked text, most int, everybody boolean)
RETURNS TABLE (id uuid, body json)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
	IF $6 AND $1 !~ '^[A-Z0-9_]+_API_KEY$' THEN
		PERFORM refuse('BAD_REQUEST', 'key must be the name of a provider''s key: OPENAI_API_KEY, ANTHROPIC_API_KEY, …');
	END IF;
	PERFORM FROM vault_key k WHERE k.id = $3 AND k.retired_at IS NULL FOR SHARE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	-- The user's row makes one of two that would both be the last that fits wait.
	PERFORM FROM app_user u WHERE u.id = caller_id() FOR NO KEY UPDATE;
	IF NOT EXISTS (SELECT FROM secret s WHERE s.owner_id = caller_id() AND s.key = $1)
		AND (SELECT count(*) FROM secret s WHERE s.owner_id = caller_id()) >= $5 THEN
		PERFORM refuse('CONFLICT', 'The vault holds ' || $5 || ' secrets, and no more fit; delete one first.');
	END IF;
	RETURN QUERY
	INSERT INTO secret AS s (owner_id, key, sealed, key_id, masked, everybody) VALUES (caller_id(), $1, $2, $3, $4, $6)
	ON CONFLICT (owner_id, key) DO UPDATE
		SET sealed = excluded.sealed, key_id = excluded.key_id, masked = excluded.masked, everybody = excluded.everybody, updated_at = now()
	RETURNING s.id, json_build_object('id', s.id, 'key', s.key, 'masked', s.masked, 'everybody', s.everybody,
		'createdAt', rfc3339(s.created_at), 'lastUsedAt', rfc3339(s.last_used_at));
END $$;
GRANT EXECUTE ON FUNCTION vault_put TO millrace_api;

-- Returns a secret that the runner is about to open, for `purpose`; each use goes into the audit
-- chain.
CREATE OR REPLACE FUNCTION vault_use(owner_id uuid, key text, purpose text) RETURNS TABLE (sealed bytea, key_id uuid)
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
GRANT EXECUTE ON FUNCTION vault_use TO millrace_runner;

-- The keys of these names that are everybody's, the newest where several administrators have put
-- one: whose each is, and when it was put.
CREATE OR REPLACE FUNCTION shared_keys(names text[]) RETURNS TABLE (key text, owner_id uuid, put text) LANGUAGE sql STABLE AS $$
	SELECT DISTINCT ON (s.key) s.key, s.owner_id, s.id || ' ' || s.updated_at
	FROM secret s JOIN app_user u ON u.id = s.owner_id AND u.role = 'admin' AND u.disabled_at IS NULL
	WHERE s.everybody AND s.key = ANY ($1) ORDER BY s.key, s.updated_at DESC, s.id
$$;
GRANT EXECUTE ON FUNCTION shared_keys TO millrace_runner;

-- Seals a batch of a table's rows to another key. What was replaced meanwhile (its SHA-256 is not
-- `was`) is left alone. Rows are locked in one order, so that two runners do not deadlock.
-- As the owner: these tables are no role's to write, or only some columns of them.
CREATE OR REPLACE FUNCTION sealed_change(of text, ids uuid[], was text[], sealed text[], key_id uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	id CONSTANT text := CASE $1 WHEN 'slack_bot' THEN 'integration_id' ELSE 'id' END;
	n bigint;
BEGIN
	IF $1 NOT IN ('secret', 'oauth_token', 'slack_bot', 'chain_account') THEN
		RAISE 'nothing lies sealed in %', $1;
	END IF;
	EXECUTE format('SELECT FROM %I t WHERE t.%2$I = ANY ($1) ORDER BY t.%2$I FOR NO KEY UPDATE', $1, id) USING $2;
	EXECUTE format($q$
		UPDATE %I t SET sealed = decode(new.sealed, 'base64'), key_id = $4
		FROM unnest($1, $2, $3) AS new (id, was, sealed)
		WHERE t.%I = new.id AND encode(sha256(t.sealed), 'hex') = new.was$q$, $1, id) USING $2, $3, $4, $5;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;
GRANT EXECUTE ON FUNCTION sealed_change TO millrace_runner;

-- Puts a new key into force and retires the one before; with `first` only where there is none yet.
-- NULL: not done.
CREATE OR REPLACE FUNCTION vault_key_add(public_key bytea, canary bytea, first boolean) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
BEGIN
	LOCK TABLE vault_key IN SHARE ROW EXCLUSIVE MODE;
	IF first = EXISTS (SELECT FROM vault_key k WHERE k.retired_at IS NULL) THEN
		RETURN NULL;
	END IF;
	UPDATE vault_key k SET retired_at = now() WHERE k.retired_at IS NULL;
	INSERT INTO vault_key (public_key, canary) VALUES ($1, $2) RETURNING id INTO new_id;
	PERFORM pg_notify('millrace_periodic', 'vault');
	PERFORM audit(NULL, NULL, 'vault_key_made', jsonb_build_object('vault_key', new_id));
	RETURN new_id;
END $$;
