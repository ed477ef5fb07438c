-- What follows from a change of an account, a document or an artifact. Applied before the
-- migrations, as functions/base.sql says.

-- Ends a disabled user's sessions, so that a session alone says whether it is valid.
-- As the owner: it ends what is another's row to the one who writes.
CREATE OR REPLACE FUNCTION user_disabled() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE session SET revoked_at = now() WHERE user_id = NEW.id AND revoked_at IS NULL;
	RETURN NULL;
END $$;

-- Keeps the API and millracectl from taking the last administrator away. An administrator whose row
-- is locked counts as none: of two who take each other's role at once, neither waits for the other.
-- As the owner: administrators' rows are others' to the one who writes.
CREATE OR REPLACE FUNCTION admin_kept() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF session_user IN ('millrace_api', 'millrace_owner') THEN
		PERFORM FROM app_user u WHERE u.role = 'admin' AND u.disabled_at IS NULL AND u.id <> OLD.id LIMIT 1 FOR SHARE SKIP LOCKED;
		IF NOT FOUND THEN
			PERFORM refuse('CONFLICT', 'This is the only administrator; make somebody else one first.');
		END IF;
	END IF;
	IF TG_OP = 'DELETE' THEN
		RETURN OLD;
	END IF;
	RETURN NEW;
END $$;

-- Marks a document as failed where its ingestion ended without saying how it is.
CREATE OR REPLACE FUNCTION document_ingest_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE document d SET status = 'failed', error = NEW.error_message, updated_at = now()
	WHERE d.id = NEW.document_id AND d.status IN ('pending', 'processing');
	RETURN NULL;
END $$;

-- Deletes a file with what it belongs to.
-- As the owner: it ends what is another's row to the one who writes.
CREATE OR REPLACE FUNCTION blob_unused() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE blob SET deleted_at = coalesce(deleted_at, now()) WHERE id = OLD.blob_id;
	RETURN NULL;
END $$;

-- An account that is deleted by hand, or at the end of its erasure.
-- As the owner: what others' requests have left of a user is no role's.
CREATE OR REPLACE FUNCTION user_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM user_forget(OLD);
	RETURN OLD;
END $$;

-- Refuses an identity whose account was just erased.
-- As the owner: identity_erased is no role's.
CREATE OR REPLACE FUNCTION identity_refused() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF EXISTS (SELECT FROM identity_erased e WHERE e.hash = identity_hash(NEW.provider, NEW.subject) AND e.at > now() - interval '1 hour') THEN
		PERFORM refuse('UNAUTHORIZED', 'The account was erased; sign up again in an hour.');
	END IF;
	RETURN NEW;
END $$;

-- Revokes an erased user's tokens at their providers.
-- As the owner: oauth_flow and oauth_token are no role's to write.
CREATE OR REPLACE FUNCTION oauth_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM oauth_forget(OLD.id, NULL);
	RETURN OLD;
END $$;

-- An account's address was verified for the first time. Whoever created the account, or gave it
-- that address, may have been a stranger who waited for this: end their sessions, keys, identities
-- and tokens.
-- As the owner: it ends what is another's row to the one who writes.
CREATE OR REPLACE FUNCTION address_proven() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	UPDATE session s SET revoked_at = now() WHERE s.user_id = NEW.id AND s.revoked_at IS NULL;
	UPDATE api_key k SET revoked_at = now() WHERE k.user_id = NEW.id AND k.revoked_at IS NULL;
	PERFORM oauth_forget(NEW.id, NULL);
	DELETE FROM external_identity i WHERE i.user_id = NEW.id;
	RETURN NULL;
END $$;
