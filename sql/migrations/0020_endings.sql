-- What ends with what: streams with the external token that they came by, and a stranger's ways in with the proof of an address.

-- Is somebody who is listening still who they were? One of `session`, `key` and `token_hash` is what they came by.
CREATE FUNCTION stream_person(who uuid, session uuid, key uuid, token_hash bytea) RETURNS TABLE (alive boolean, analytics boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
	SELECT p.alive AND NOT EXISTS (SELECT FROM token_denied d WHERE d.hash = $4), p.analytics
	FROM stream_person($1, $2, $3) p
$$;
REVOKE EXECUTE ON FUNCTION stream_person(uuid, uuid, uuid, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stream_person(uuid, uuid, uuid, bytea) TO millrace_stream;

CREATE FUNCTION access_denied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_notify('millrace_access', NEW.user_id::text);
	RETURN NULL;
END $$;
CREATE TRIGGER access_ended AFTER INSERT ON token_denied FOR EACH ROW EXECUTE FUNCTION access_denied();

-- An account's address was just shown to be somebody's, and never before: whoever made the account, or gave it that address, may have
-- been a stranger who waited for this day. What they could still come in by ends: sessions, keys, identities and their tokens.
CREATE FUNCTION address_proven() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	UPDATE session s SET revoked_at = now() WHERE s.user_id = NEW.id AND s.revoked_at IS NULL;
	UPDATE api_key k SET revoked_at = now() WHERE k.user_id = NEW.id AND k.revoked_at IS NULL;
	PERFORM oauth_forget(NEW.id, NULL);
	DELETE FROM external_identity i WHERE i.user_id = NEW.id;
	RETURN NULL;
END $$;
CREATE TRIGGER address_proven AFTER UPDATE OF email_verified_at ON app_user FOR EACH ROW
	WHEN (OLD.email_verified_at IS NULL AND NEW.email_verified_at IS NOT NULL) EXECUTE FUNCTION address_proven();
