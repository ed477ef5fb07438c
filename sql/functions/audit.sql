-- The audit chain and its checkpoints.

CREATE OR REPLACE FUNCTION audit_hash(r audit_log) RETURNS bytea LANGUAGE sql STABLE AS $$
	SELECT sha256(convert_to(jsonb_build_array(r.seq, (extract(epoch FROM r.at) * 1000000)::bigint, r.actor, r.subject, r.type,
		r.data, encode(r.prev, 'hex'), encode(r.subject_prev, 'hex'))::text, 'UTF8'))
$$;

-- The log's only writer. `data.by` names the database role where it is not the workers'. Call it
-- last in a transaction, or from a deferred trigger: the next event of anybody waits for this
-- transaction's end.
-- As the owner: audit_log and audit_head are no role's to write.
CREATE OR REPLACE FUNCTION audit(actor uuid, subject uuid, type text, data jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	head audit_head;
	r audit_log;
BEGIN
	SELECT * INTO head FROM audit_head FOR UPDATE;
	r := ROW(head.seq + 1, clock_timestamp(), $1, $2, $3,
		$4 || CASE WHEN session_user = 'millrace_api' THEN '{}' ELSE jsonb_build_object('by', session_user) END, head.hash,
		coalesce((SELECT l.hash FROM audit_log l WHERE l.subject = $2 ORDER BY l.seq DESC LIMIT 1),
			decode(repeat('00', 32), 'hex')), NULL);
	r.hash := audit_hash(r);
	INSERT INTO audit_log SELECT r.*;
	UPDATE audit_head SET seq = r.seq, hash = r.hash;
	PERFORM pg_notify('millrace_periodic', 'audit');
END $$;
GRANT EXECUTE ON FUNCTION audit TO millrace_runner;

-- The first row that is not as it was written, and why; no row: the chain holds.
CREATE OR REPLACE FUNCTION audit_verify() RETURNS TABLE (seq bigint, problem text)
LANGUAGE sql STABLE AS $$
	WITH walked AS (
		SELECT l.seq, CASE
			WHEN l.seq <> 1 + coalesce(lag(l.seq) OVER overall, 0) THEN 'the row before it is missing'
			WHEN l.prev <> coalesce(lag(l.hash) OVER overall, decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it'
			WHEN l.subject IS NOT NULL AND l.subject_prev <> coalesce(lag(l.hash) OVER (PARTITION BY l.subject ORDER BY l.seq),
				decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it about the same user'
			WHEN l.hash <> audit_hash(l) THEN 'its content was changed'
		END AS problem
		FROM audit_log l WINDOW overall AS (ORDER BY l.seq)
	), ended AS (
		SELECT h.seq, 'the rows up to it were cut off' FROM audit_head h
		WHERE NOT EXISTS (SELECT FROM audit_log l WHERE l.seq = h.seq AND l.hash = h.hash)
	)
	(SELECT w.seq, w.problem FROM walked w WHERE w.problem IS NOT NULL ORDER BY w.seq LIMIT 1)
	UNION ALL
	SELECT * FROM ended
	LIMIT 1
$$;

-- What a runner needs before it signs: the last checkpoint (0 and NULL: there is none), whether its
-- row is still as it was signed, the chain's last row, how long the oldest row behind the
-- checkpoint has waited, and the key in force.
-- As the owner: audit_log and its checkpoints are no role's.
CREATE OR REPLACE FUNCTION audit_state() RETURNS TABLE (n bigint, seq bigint, hash text, kept boolean, last_seq bigint, last_hash text,
	waited_s bigint, public_key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	WITH c AS (SELECT * FROM audit_checkpoint k ORDER BY k.n DESC LIMIT 1), l AS (SELECT * FROM audit_log r ORDER BY r.seq DESC LIMIT 1)
	SELECT coalesce(c.n, 0), coalesce(c.seq, 0), encode(c.hash, 'hex'),
		c.n IS NULL OR EXISTS (SELECT FROM audit_log r WHERE r.seq = c.seq AND r.hash = c.hash),
		coalesce(l.seq, 0), encode(l.hash, 'hex'),
		coalesce((SELECT extract(epoch FROM now() - r.at) FROM audit_log r WHERE r.seq > coalesce(c.seq, 0) ORDER BY r.seq LIMIT 1), 0)::bigint,
		(SELECT encode(k.public_key, 'hex') FROM audit_key k WHERE k.retired_at IS NULL)
	FROM (VALUES (1)) one LEFT JOIN c ON true LEFT JOIN l ON true
$$;
GRANT EXECUTE ON FUNCTION audit_state TO millrace_runner;

-- As audit_verify, for the rows behind `after` alone, which itself is taken to be right; for a
-- runner that signs those.
-- As the owner: audit_log and its checkpoints are no role's.
CREATE OR REPLACE FUNCTION audit_verify_after(after bigint) RETURNS TABLE (seq bigint, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	WITH walked AS (
		SELECT l.seq, CASE
			WHEN l.seq <> 1 + coalesce(lag(l.seq) OVER overall, 0) THEN 'the row before it is missing'
			WHEN l.prev <> coalesce(lag(l.hash) OVER overall, decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it'
			WHEN l.subject IS NOT NULL AND l.subject_prev <> coalesce((SELECT p.hash FROM audit_log p
				WHERE p.subject = l.subject AND p.seq < l.seq ORDER BY p.seq DESC LIMIT 1), decode(repeat('00', 32), 'hex'))
			THEN 'it does not follow from the row before it about the same user'
			WHEN l.hash <> audit_hash(l) THEN 'its content was changed'
		END AS problem
		FROM audit_log l WHERE l.seq >= $1 WINDOW overall AS (ORDER BY l.seq)
	)
	SELECT w.seq, w.problem FROM walked w WHERE w.problem IS NOT NULL AND w.seq > $1 ORDER BY w.seq LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION audit_verify_after TO millrace_runner;

-- Stores a checkpoint. False where another runner was faster.
-- As the owner: audit_log and its checkpoints are no role's.
CREATE OR REPLACE FUNCTION audit_checkpoint_add(n bigint, seq bigint, hash bytea, at_us bigint, public_key bytea, signature bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	INSERT INTO audit_checkpoint (n, seq, hash, at, key_id, signature)
	SELECT $1, $2, $3, timestamptz 'epoch' + $4 * interval '1 microsecond', k.id, $6 FROM audit_key k
	WHERE k.public_key = $5 AND k.retired_at IS NULL AND $1 = 1 + coalesce((SELECT max(c.n) FROM audit_checkpoint c), 0)
	ON CONFLICT DO NOTHING;
	RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION audit_checkpoint_add TO millrace_runner;

-- Puts a new key into force and retires the one before; with `first` only where there is none yet.
-- NULL: not done.
CREATE OR REPLACE FUNCTION audit_key_add(public_key bytea, first boolean) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
	new_id uuid;
BEGIN
	LOCK TABLE audit_key IN SHARE ROW EXCLUSIVE MODE;
	IF first = EXISTS (SELECT FROM audit_key k WHERE k.retired_at IS NULL) THEN
		RETURN NULL;
	END IF;
	UPDATE audit_key k SET retired_at = now() WHERE k.retired_at IS NULL;
	INSERT INTO audit_key (public_key) VALUES ($1) RETURNING id INTO new_id;
	PERFORM audit(NULL, NULL, 'audit_key_made', jsonb_build_object('public_key', encode($1, 'base64')));
	RETURN new_id;
END $$;
