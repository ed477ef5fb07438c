-- What erasure, export and the audit chain have to know of external identities and secrets.

INSERT INTO export_section (place, name, query) VALUES
(22, 'external_identities', $q$SELECT i.user_id, i.n, json_build_object('provider', i.provider, 'subject', i.subject, 'email', i.email,
	'created_at', rfc3339(i.created_at))
	FROM (SELECT e.*, row_number() OVER (ORDER BY e.provider, e.subject) AS n FROM external_identity e WHERE e.user_id = caller_id()) i
	WHERE i.n > $2 ORDER BY i.n LIMIT $3$q$),
(24, 'secrets', $q$SELECT id, 0::int8, json_build_object('id', id, 'key', key, 'masked', masked, 'createdAt', rfc3339(created_at),
	'updatedAt', rfc3339(updated_at), 'lastUsedAt', rfc3339(last_used_at))
	FROM secret WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);

CREATE FUNCTION identity_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	PERFORM audit(coalesce(caller_id(), NEW.user_id), NEW.user_id, 'identity_linked', jsonb_build_object('provider', NEW.provider));
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER identity_told AFTER INSERT ON external_identity DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION identity_told();

-- A token of somebody erased goes on being right at its issuer's, and would make the user anew. For an hour, which is as long as
-- such tokens commonly last, the identity makes nobody. Only a hash of it is kept.
CREATE TABLE identity_erased (
	hash		bytea PRIMARY KEY,
	at		timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION identity_hash(provider text, subject text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT sha256(convert_to(jsonb_build_array(provider, subject)::text, 'UTF8'))
$$;

CREATE FUNCTION user_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	DELETE FROM identity_erased e WHERE e.at < now() - interval '1 hour';
	INSERT INTO identity_erased (hash) SELECT identity_hash(i.provider, i.subject) FROM external_identity i WHERE i.user_id = OLD.id
	ON CONFLICT (hash) DO UPDATE SET at = now();
	DELETE FROM reset_ask r WHERE r.subject IN (login_subject(OLD.email), login_subject(OLD.username));
	RETURN OLD;
END $$;
CREATE TRIGGER user_erased BEFORE DELETE ON app_user FOR EACH ROW EXECUTE FUNCTION user_erased();

CREATE FUNCTION identity_refused() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	IF EXISTS (SELECT FROM identity_erased e WHERE e.hash = identity_hash(NEW.provider, NEW.subject) AND e.at > now() - interval '1 hour') THEN
		PERFORM refuse(401, 'The account was erased; sign up again in an hour.');
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER identity_refused BEFORE INSERT ON external_identity FOR EACH ROW EXECUTE FUNCTION identity_refused();
