-- Accounts: settings, export and erasure.

CREATE OR REPLACE FUNCTION user_json(u app_user) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', u.id, 'name', u.display_name, 'email', u.email, 'timezone', u.timezone,
		'credits', json_build_object('balanceUsd', u.balance_usd),
		'assistant', json_build_object('name', u.assistant_name, 'interests', u.interests),
		'container', CASE WHEN u.has_container THEN container_of(u.id) ELSE container_json(NULL) END)
$$;
GRANT EXECUTE ON FUNCTION user_json(app_user) TO millrace_api;

-- A user's row for the steps before anyone is signed in.
-- As the owner: nobody is signed in yet whose row it would be.
CREATE OR REPLACE FUNCTION user_account(id uuid) RETURNS SETOF app_user
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN QUERY SELECT * FROM app_user u WHERE u.id = $1;
END $$;
GRANT EXECUTE ON FUNCTION user_account TO millrace_api;

-- For millracectl: the user of this address, sign-in name or id.
CREATE OR REPLACE FUNCTION user_named(name text) RETURNS SETOF app_user LANGUAGE sql STABLE AS $$
	SELECT * FROM app_user u WHERE lower($1) IN (lower(u.email), lower(u.username))
		OR u.id = CASE WHEN $1 ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN $1::uuid END
$$;

-- The user as /api/v1 shows it.
CREATE OR REPLACE FUNCTION account_json(u app_user) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', u.id, 'username', u.username, 'email', u.email, 'name', u.display_name, 'role', u.role,
		'timezone', u.timezone, 'created_at', rfc3339(u.created_at), 'updated_at', rfc3339(u.updated_at))
$$;
GRANT EXECUTE ON FUNCTION account_json TO millrace_api;

CREATE OR REPLACE FUNCTION notification_json(n notification) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', n.id, 'severity', n.severity, 'title', n.title, 'message', n.message,
		'action_url', n.action_url, 'read', n.read, 'metadata', n.metadata, 'created_at', rfc3339(n.created_at))
$$;
GRANT EXECUTE ON FUNCTION notification_json TO millrace_api;

-- The caller's settings over the defaults, with the fields that are read-only.
CREATE OR REPLACE FUNCTION settings_json(u app_user) RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN ('{"theme": "system", "language": "en", "notifications": {"email": true, "push": false}}'::jsonb
		|| coalesce((SELECT s.settings FROM user_settings s WHERE s.user_id = u.id), '{}')
		|| jsonb_build_object('uid', u.id, 'email', u.email, 'displayName', u.display_name,
			'apiKey', (SELECT k.shown FROM api_key k WHERE k.user_id = u.id AND k.of_settings AND k.revoked_at IS NULL),
			'usage', (SELECT jsonb_build_object('messages', coalesce(sum(a.calls), 0), 'inputTokens', coalesce(sum(a.input_tokens), 0),
				'outputTokens', coalesce(sum(a.output_tokens), 0), 'costUsd', coalesce(sum(a.cost_usd), 0))
				FROM (
					SELECT t.calls, t.input_tokens, t.output_tokens, t.cost_usd FROM usage_total t WHERE t.owner_id = u.id
					UNION ALL
					SELECT 1, e.input_tokens, e.output_tokens, e.cost_usd FROM usage_event e
					WHERE e.owner_id = u.id AND e.id > (SELECT c.upto FROM usage_counted c)
				) a)))::json;
END $$;
GRANT EXECUTE ON FUNCTION settings_json TO millrace_api;

CREATE OR REPLACE FUNCTION settings_merge(given jsonb) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	mine jsonb;
BEGIN
	INSERT INTO user_settings AS s (user_id, settings)
	VALUES (caller_id(), given - ARRAY['uid', 'email', 'displayName', 'display_name', 'apiKey', 'api_key', 'usage'])
	ON CONFLICT (user_id) DO UPDATE SET settings = s.settings || excluded.settings, updated_at = now()
	RETURNING s.settings INTO mine;
	IF octet_length(mine::text) > 65536 THEN
		PERFORM refuse('TOO_LARGE', 'The settings would take more than 64 KiB.');
	END IF;
	RETURN (SELECT settings_json(u) FROM app_user u WHERE u.id = caller_id());
END $$;
GRANT EXECUTE ON FUNCTION settings_merge TO millrace_api;

-- An API key as its user sees it; `shown` is its beginning.
CREATE OR REPLACE FUNCTION api_key_json(k api_key) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('id', k.id, 'name', k.name, 'shown', k.shown, 'scopes', k.scopes, 'createdAt', rfc3339(k.created_at),
		'expiresAt', rfc3339(k.expires_at), 'lastUsedAt', rfc3339(k.last_used_at))
$$;
GRANT EXECUTE ON FUNCTION api_key_json TO millrace_api;

-- Refuses a new key of the caller's that may do more, or lasts longer, than whoever asks for it.
-- `by_key` is the hash of the key that they came by; NULL: by a session, or another's token.
CREATE OR REPLACE FUNCTION api_key_admit(scopes text[], expires_at timestamptz, by_key bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF $3 IS NOT NULL AND NOT EXISTS (SELECT FROM api_key k WHERE k.hash = $3 AND k.scopes @> $1
		AND (k.expires_at IS NULL OR k.expires_at >= $2)) THEN
		PERFORM refuse('FORBIDDEN', 'An API key makes no key that may do more or lasts longer than itself.');
	ELSIF 'analytics:read' = ANY ($1) AND NOT caller_is_admin() THEN
		PERFORM refuse('FORBIDDEN', 'Only an administrator makes a key with the scope analytics:read.');
	END IF;
END $$;
GRANT EXECUTE ON FUNCTION api_key_admit TO millrace_api;

-- Stores a new key of the caller's.
CREATE OR REPLACE FUNCTION api_key_create(hash bytea, shown text, name text, scopes text[], expires_at timestamptz, by_key bytea)
RETURNS api_key LANGUAGE plpgsql AS $$
DECLARE
	keys_max CONSTANT int := 100;
	made api_key;
BEGIN
	PERFORM api_key_admit($4, $5, $6);
	IF $5 <= now() THEN
		PERFORM refuse('BAD_REQUEST', 'expiresAt must be in the future.');
	END IF;
	PERFORM FROM app_user u WHERE u.id = caller_id() FOR NO KEY UPDATE;
	IF (SELECT count(*) FROM api_key k WHERE k.user_id = caller_id() AND k.revoked_at IS NULL) >= keys_max THEN
		PERFORM refuse('CONFLICT', format('An account has at most %s API keys; delete one that is not used.', keys_max));
	END IF;
	INSERT INTO api_key (user_id, hash, shown, name, scopes, expires_at)
	VALUES (caller_id(), $1, $2, $3, ARRAY(SELECT DISTINCT s FROM unnest($4) s ORDER BY s), $5) RETURNING * INTO made;
	RETURN made;
END $$;
GRANT EXECUTE ON FUNCTION api_key_create TO millrace_api;

-- Replaces the settings' API key; the old one stops at once. `by_key` as in api_key_admit.
CREATE OR REPLACE FUNCTION settings_new_key(hash bytea, shown text, by_key bytea) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
BEGIN
	PERFORM api_key_admit(ARRAY['read', 'write'], NULL, $3);
	UPDATE api_key k SET revoked_at = now() WHERE k.user_id = caller_id() AND k.of_settings AND k.revoked_at IS NULL;
	INSERT INTO api_key (user_id, hash, shown, name, scopes, of_settings)
	VALUES (caller_id(), $1, $2, 'settings', ARRAY['read', 'write'], true) RETURNING id INTO new_id;
	RETURN new_id;
END $$;
GRANT EXECUTE ON FUNCTION settings_new_key TO millrace_api;

-- An account by id: one's own, or anybody's for an administrator.
-- As the owner: an administrator's accounts are others' rows.
CREATE OR REPLACE FUNCTION account_find(account uuid) RETURNS SETOF app_user
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	RETURN QUERY SELECT * FROM app_user u WHERE u.id = $1 AND u.erased_at IS NULL AND (u.id = caller_id() OR caller_is_admin());
END $$;
GRANT EXECUTE ON FUNCTION account_find TO millrace_api;

-- Accounts whose name, address or sign-in name contains `q` (NFC), ignoring case; newest first.
-- Looks at `most`; the last row then has no body, as in lead_search.
-- As the owner: an administrator's accounts are others' rows.
CREATE OR REPLACE FUNCTION account_search(q text, rows bigint, before uuid, most bigint) RETURNS TABLE (body json, cursor uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT CASE WHEN k.n <= $4 THEN (SELECT account_json(u) FROM app_user u WHERE u.id = k.id) END, CASE WHEN k.n <= $4 THEN k.id ELSE k.above END
	FROM (
		SELECT o.id, row_number() OVER newest AS n, lag(o.id) OVER newest AS above,
			$1 IS NULL OR strpos(folded(concat_ws(' ', o.username, o.email, o.display_name)), lower($1)) > 0 AS fits
		FROM app_user o WHERE caller_is_admin() AND o.erased_at IS NULL AND o.id < (SELECT page_before($3))
		WINDOW newest AS (ORDER BY o.id DESC)
		ORDER BY o.id DESC LIMIT $4 + 1
	) k
	WHERE k.fits OR k.n > $4
	ORDER BY k.id DESC LIMIT $2;
END $$;
GRANT EXECUTE ON FUNCTION account_search(text, bigint, uuid, bigint) TO millrace_api;

-- Refuses a change of the address soon after another: each writes a mail, and costs a hash.
CREATE OR REPLACE FUNCTION account_address_pause(changed_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF $1 > now() - interval '5 minutes' THEN
		PERFORM refuse('CONFLICT', 'The address was changed less than five minutes ago; wait before changing it again.');
	END IF;
END $$;

-- What the caller signs in by, where `email` would be another address of their own, and they have a
-- password: then that is to be checked. No row otherwise. Refuses first what would fail after that
-- in any case.
-- As the owner: passwords are no role's to read, and a taken address is in another's row.
CREATE OR REPLACE FUNCTION account_address_begin(account uuid, email text) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	u app_user;
BEGIN
	SELECT * INTO u FROM app_user a WHERE a.id = $1 AND a.id = caller_id() AND lower(a.email) IS DISTINCT FROM lower($2)
		AND EXISTS (SELECT FROM password p WHERE p.user_id = a.id);
	IF u.id IS NULL THEN
		RETURN;
	ELSIF EXISTS (SELECT FROM app_user a WHERE lower(a.email) = lower($2)) THEN
		PERFORM refuse('CONFLICT', 'An account with this name or address exists already.');
	END IF;
	PERFORM account_address_pause(u.email_changed_at);
	RETURN NEXT coalesce(u.email, u.username);
END $$;
GRANT EXECUTE ON FUNCTION account_address_begin TO millrace_api;

-- Whoever has got hold of a session must not take the account along: a new address of one's own
-- needs the password, `hash` being what it was just checked against. An account without one needs a
-- sign-in of just before, which the worker knows (`fresh`).
-- As the owner: password is no role's to read.
CREATE OR REPLACE FUNCTION account_address_admit(account uuid, hash text, fresh boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	stored text;
BEGIN
	SELECT p.hash INTO stored FROM password p WHERE p.user_id = $1 FOR SHARE;
	IF stored IS NULL AND NOT $3 THEN
		PERFORM refuse('FORBIDDEN', 'An account without a password changes its address within 15 minutes after signing in: sign in again.');
	ELSIF stored IS NOT NULL AND $2 IS NULL THEN
		PERFORM refuse('FORBIDDEN', 'Another address needs the account''s password: PUT /api/v1/user/dao/{id} takes it as `password`.');
	ELSIF stored <> $2 THEN
		PERFORM refuse('CONFLICT', 'The password was changed meanwhile; try again.');
	END IF;
END $$;

-- Writes to the address that the account had until now. The run has it, since the account has it no
-- more.
CREATE OR REPLACE FUNCTION account_address_notify(account uuid, was text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM run_add($1, 'mail', jsonb_build_object('template', 'address_changed', 'to', $2), 10, 8);
END $$;

-- Changes what is given (NULL leaves a column as it is). No row: there is no such account for this
-- caller. `hash` and `fresh` as in account_address_admit; with `mails` the old address is told.
-- As the owner: an administrator's accounts are others' rows.
CREATE OR REPLACE FUNCTION account_change(account uuid, username text, email text, display_name text, timezone text, role text,
	hash text, fresh boolean, mails boolean)
RETURNS SETOF app_user LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	was app_user;
	moves boolean;
BEGIN
	SELECT * INTO was FROM app_user u WHERE u.id = (SELECT f.id FROM account_find($1) f) AND u.erased_at IS NULL FOR NO KEY UPDATE;
	IF was.id IS NULL THEN
		RETURN;
	ELSIF $6 <> was.role AND NOT caller_is_admin() THEN
		PERFORM refuse('FORBIDDEN', 'Only an administrator gives roles.');
	END IF;
	moves := $3 IS NOT NULL AND lower($3) IS DISTINCT FROM lower(was.email);
	IF moves AND $1 = caller_id() THEN
		PERFORM account_address_pause(was.email_changed_at);
		PERFORM account_address_admit($1, $7, $8);
	END IF;
	RETURN QUERY UPDATE app_user u SET username = coalesce($2, u.username), email = coalesce($3, u.email),
		display_name = coalesce($4, u.display_name), timezone = coalesce($5, u.timezone), role = coalesce($6, u.role),
		email_verified_at = CASE WHEN NOT moves THEN u.email_verified_at END,
		email_changed_at = CASE WHEN moves THEN now() ELSE u.email_changed_at END, updated_at = now()
	WHERE u.id = $1 RETURNING u.*;
	IF moves AND was.email IS NOT NULL AND $9 THEN
		PERFORM account_address_notify($1, was.email);
	END IF;
EXCEPTION WHEN unique_violation THEN
	PERFORM refuse('CONFLICT', 'An account with this name or address exists already.');
END $$;
GRANT EXECUTE ON FUNCTION account_change TO millrace_api;

-- An administrator creates somebody else's account, which needs a name or an address to sign in by;
-- anybody else completes their own.
-- As the owner: an administrator's accounts are others' rows.
CREATE OR REPLACE FUNCTION account_create(username text, password_hash text, email text, display_name text, timezone text, role text,
	fresh boolean, mails boolean)
RETURNS TABLE (u app_user, made boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	made := caller_is_admin();
	IF NOT made AND $2 IS NOT NULL THEN
		PERFORM refuse('FORBIDDEN', 'Only an administrator makes accounts for others.');
	ELSIF NOT made THEN
		SELECT a.* INTO u FROM account_change(caller_id(), $1, $3, $4, $5, $6, NULL, $7, $8) a;
	ELSIF coalesce($1, $3) IS NULL THEN
		PERFORM refuse('BAD_REQUEST', 'An account needs a username or an email.');
	ELSE
		INSERT INTO app_user (username, email, display_name, timezone, role)
		VALUES ($1, $3, coalesce($4, $1, $3), coalesce($5, 'UTC'), coalesce($6, 'user'))
		ON CONFLICT DO NOTHING RETURNING * INTO u;
		IF u.id IS NULL THEN
			PERFORM refuse('CONFLICT', 'An account with this name or address exists already.');
		END IF;
		-- Without a password nobody can sign in until one is set.
		IF $2 IS NOT NULL THEN
			INSERT INTO password (user_id, hash) VALUES (u.id, $2);
		END IF;
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION account_create TO millrace_api;

-- Erases an account; false where the caller may not, or there is no such account.
-- As the owner: an administrator's accounts are others' rows.
CREATE OR REPLACE FUNCTION account_erase(account uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM account_find($1)) THEN
		RETURN false;
	END IF;
	RETURN account_shut($1);
END $$;
GRANT EXECUTE ON FUNCTION account_erase TO millrace_api;

-- The export's beginning; export_page() gives what follows, `}` at its end.
-- As the owner: the audit log is no role's to write; each part names the caller.
CREATE OR REPLACE FUNCTION export_begin() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM audit(caller_id(), caller_id(), 'exported', '{}');
	RETURN (SELECT '{"exported_at":' || to_json(rfc3339(now())) || ',"user":' || account_json(u)
		|| ',"assistant":' || json_build_object('name', u.assistant_name, 'interests', u.interests)
		|| ',"balance_usd":' || u.balance_usd
		|| ',"settings":' || coalesce((SELECT s.settings FROM user_settings s WHERE s.user_id = u.id), '{}')
		FROM app_user u WHERE u.id = caller_id());
END $$;
GRANT EXECUTE ON FUNCTION export_begin TO millrace_api;

-- The next piece of some 256 KiB (one row where that is larger) from the cursor (section, key,
-- part); section is NULL after the last. A section begins at the key of zeros.
CREATE OR REPLACE FUNCTION export_page(from_section int, from_key uuid, from_part bigint)
RETURNS TABLE (piece text, section int, key uuid, part bigint) LANGUAGE plpgsql AS $$
DECLARE
	zero CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
	rows_max CONSTANT int := 100;
	s export_section;
	pieces text[] := '{}';
	len bigint := 0;
	n int;
	body json;
BEGIN
	section := from_section;
	key := from_key;
	part := from_part;
	WHILE len < 262144 LOOP
		SELECT * INTO s FROM export_section e WHERE e.position >= export_page.section ORDER BY e.position LIMIT 1;
		IF NOT FOUND THEN
			pieces := pieces || '}'::text;
			section := NULL;
			EXIT;
		END IF;
		IF s.position <> section OR key = zero THEN
			pieces := pieces || (',' || to_json(s.name) || ':[');
			key := zero;
			part := -1;
		END IF;
		n := 0;
		FOR key, part, body IN EXECUTE s.query USING key, part, rows_max LOOP
			pieces := pieces || (CASE WHEN n = 0 AND pieces[array_upper(pieces, 1)] LIKE '%:[' THEN '' ELSE ',' END || body);
			len := len + octet_length(body::text);
			n := n + 1;
			EXIT WHEN len >= 262144;
		END LOOP;
		IF n < rows_max AND len < 262144 THEN
			pieces := pieces || ']'::text;
			section := s.position + 1;
			key := zero;
			part := -1;
		ELSE
			section := s.position;
		END IF;
	END LOOP;
	piece := array_to_string(pieces, '');
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION export_page TO millrace_api;
