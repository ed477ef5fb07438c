-- Vectors of passages: which are wanting, who makes them, and which are like a question's.

-- What is embedded of a passage, and by what its vector is known.
CREATE OR REPLACE FUNCTION passage_meant(title text, heading text, text text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT concat_ws(E'\n', nullif($1, ''), nullif($2, ''), $3)
$$;
GRANT EXECUTE ON FUNCTION passage_meant TO millrace_runner;

CREATE OR REPLACE FUNCTION passage_hash(title text, heading text, text text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT sha256(convert_to(passage_meant($1, $2, $3), 'UTF8'))
$$;
GRANT EXECUTE ON FUNCTION passage_hash TO millrace_runner;

-- The model that runners embed with, as they are set up; NULL: none of its vectors has come yet.
CREATE OR REPLACE FUNCTION embedding_current(provider text, model text, dimensions int) RETURNS int LANGUAGE sql STABLE AS $$
	SELECT m.id FROM embedding_model m WHERE m.provider = $1 AND m.model = $2 AND CASE WHEN $3 > 0 THEN m.size = $3 ELSE m.is_latest END
$$;
GRANT EXECUTE ON FUNCTION embedding_current TO millrace_runner;

-- A model has given a vector of this size.
CREATE OR REPLACE FUNCTION embedding_seen(provider text, model text, dimensions int, size int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	m embedding_model;
BEGIN
	SELECT * INTO m FROM embedding_model x WHERE x.provider = $1 AND x.model = $2 AND x.size = $4;
	IF m.is_latest AND m.dimensions = $3 THEN
		RETURN m.id;
	END IF;
	UPDATE embedding_model x SET is_latest = false WHERE x.provider = $1 AND x.model = $2 AND x.size <> $4 AND x.is_latest;
	INSERT INTO embedding_model AS x (provider, model, size, dimensions, is_latest) VALUES ($1, $2, $4, $3, true)
	ON CONFLICT ON CONSTRAINT embedding_model_provider_model_size_key DO UPDATE SET dimensions = $3, is_latest = true
	RETURNING * INTO m;
	PERFORM pg_notify('millrace_periodic', 'embeddings');
	RETURN m.id;
END $$;
GRANT EXECUTE ON FUNCTION embedding_seen TO millrace_runner;

-- What documents may have been embedded by that is not `current`: NULL is in none of them.
CREATE OR REPLACE FUNCTION embedding_others(current int) RETURNS int[] LANGUAGE sql STABLE AS $$
	SELECT ARRAY(SELECT m.id FROM embedding_model m WHERE m.id IS DISTINCT FROM $1)
$$;
GRANT EXECUTE ON FUNCTION embedding_others TO millrace_runner;

-- Gives users whose documents want vectors a job each, `most` users at most; returns how many.
-- As the owner: runs are made by workers, and here by a runner for each.
CREATE OR REPLACE FUNCTION embed_enqueue(provider text, model text, dimensions int, most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	current CONSTANT int := embedding_current($1, $2, $3);
	others CONSTANT int[] := embedding_others(current);
	o uuid;
	n bigint := 0;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.embed_enqueue')) THEN
		RETURN 0;
	END IF;
	FOR o IN SELECT DISTINCT d.owner_id FROM document d JOIN app_user u ON u.id = d.owner_id AND u.erased_at IS NULL
		WHERE d.status = 'ready' AND d.deleted_at IS NULL AND (d.embedded_by IS NULL OR d.embedded_by = ANY (others))
			AND coalesce(d.embed_after, '-infinity') <= now()
			AND NOT EXISTS (SELECT FROM job j WHERE queue_owner(j.owner_id) = d.owner_id AND j.kind = 'embed' AND j.state = 'queued')
			AND NOT EXISTS (SELECT FROM job j WHERE j.owner_id = d.owner_id AND j.kind = 'embed' AND j.state = 'running')
		LIMIT most LOOP
		PERFORM run_add(o, 'embed', '{}', -10);
		n := n + 1;
	END LOOP;
	RETURN n;
END $$;
GRANT EXECUTE ON FUNCTION embed_enqueue TO millrace_runner;

-- Reserves what a batch may cost, in the project `default`, once for the run: what costs nothing,
-- in no project, reserves nothing, and neither does a run that has ended. A verdict says why
-- nothing is embedded now: the user's documents then wait for an hour.
-- As the owner: the ledger and projects are no role's to write or read.
CREATE OR REPLACE FUNCTION embed_reserve(run_id uuid, provider text, model text, credits boolean) RETURNS TABLE (verdict text, message text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	batch_tokens CONSTANT int := 64 * 500;
	estimate CONSTANT numeric := coalesce((SELECT p.input_usd * batch_tokens * 0.000001 FROM price_in_force($2, $3) p), 0);
	owner uuid;
BEGIN
	SELECT r.owner_id INTO owner FROM run r WHERE r.id = $1 AND r.ended_at IS NULL FOR SHARE;
	IF owner IS NOT NULL AND (estimate > 0 OR EXISTS (SELECT FROM project p WHERE p.owner_id = owner AND p.name = 'default')) THEN
		SELECT nullif(c.verdict, 'REPEATED'), c.message INTO verdict, message
		FROM charge_reserve(owner, 'default', $1::text, 'embed', $2, $3, 'embeddings', estimate, $4, NULL) c;
	END IF;
	IF verdict IS NOT NULL THEN
		UPDATE document d SET embed_after = now() + interval '1 hour'
		WHERE d.owner_id = owner AND d.status = 'ready' AND d.deleted_at IS NULL AND coalesce(d.embed_after, '-infinity') <= now();
	END IF;
	RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION embed_reserve TO millrace_runner;

-- The next texts of a user's passages that have no vector of the current model, `most` at most.
-- None: the user's documents have all, and are marked so, some dozens at a time. A document that
-- has changed since it was looked at is looked at again.
CREATE OR REPLACE FUNCTION embed_next(owner uuid, provider text, model text, dimensions int, most int) RETURNS TABLE (hash text, meant text)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
	current CONSTANT int := embedding_current($2, $3, $4);
	others CONSTANT int[] := embedding_others(current);
	docs document[];
BEGIN
	LOOP
		docs := ARRAY(SELECT d FROM document d WHERE d.owner_id = $1 AND d.status = 'ready' AND d.deleted_at IS NULL
			AND (d.embedded_by IS NULL OR d.embedded_by = ANY (others)) AND coalesce(d.embed_after, '-infinity') <= now()
			ORDER BY d.id LIMIT 32);
		EXIT WHEN cardinality(docs) = 0;
		UPDATE chunk c SET hash = passage_hash(d.name, c.heading, c.text) FROM unnest(docs) d WHERE c.document_id = d.id AND c.hash IS NULL;
		RETURN QUERY SELECT DISTINCT ON (c.hash) encode(c.hash, 'hex'), passage_meant(d.name, c.heading, c.text)
		FROM unnest(docs) d CROSS JOIN LATERAL (SELECT x.hash, x.heading, x.text FROM chunk x WHERE x.document_id = d.id OFFSET 0) c
		WHERE current IS NULL OR NOT EXISTS (
			SELECT FROM passage_vector v WHERE v.owner_id = $1 AND v.embedding_id = current AND v.hash = c.hash)
		ORDER BY c.hash LIMIT most;
		EXIT WHEN FOUND OR current IS NULL;
		UPDATE document d SET embedded_by = current FROM unnest(docs) s WHERE d.id = s.id AND d.updated_at = s.updated_at
			AND d.index_version = s.index_version AND d.status = 'ready';
		EXIT WHEN NOT FOUND;
	END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION embed_next TO millrace_runner;

-- Stores vectors; an empty one is of a text that the model does not take. Those of passages that
-- have gone are left out: whoever deletes a passage waits until these are stored, and takes them
-- along.
CREATE OR REPLACE FUNCTION embed_store(owner uuid, provider text, model text, dimensions int, size int, hashes text[], vectors text[], bits text[])
RETURNS int LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
	e CONSTANT int := CASE WHEN $5 > 0 THEN embedding_seen($2, $3, $4, $5) ELSE embedding_current($2, $3, $4) END;
	keys CONSTANT bytea[] := ARRAY(SELECT decode(h, 'hex') FROM unnest($6) h);
BEGIN
	PERFORM FROM chunk c WHERE c.owner_id = $1 AND c.hash = ANY (keys) ORDER BY c.ctid FOR KEY SHARE;
	INSERT INTO passage_vector (owner_id, embedding_id, hash, vector, bits)
	SELECT $1, e, decode(n.hash, 'hex'), nullif(n.vector, '')::real[], nullif(n.bits, '')::bit varying
	FROM unnest($6, $7, $8) n (hash, vector, bits)
	WHERE e IS NOT NULL AND EXISTS (SELECT FROM chunk c WHERE c.owner_id = $1 AND c.hash = decode(n.hash, 'hex'))
	ON CONFLICT DO NOTHING;
	RETURN e;
END $$;
GRANT EXECUTE ON FUNCTION embed_store TO millrace_runner;

-- Deletes up to `most` vectors that no document of the user's needs any more, since all have those
-- of the current model; true: there may be more.
CREATE OR REPLACE FUNCTION embed_clean(owner uuid, provider text, model text, dimensions int, most int) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	current CONSTANT int := embedding_current($2, $3, $4);
	n bigint;
BEGIN
	IF current IS NULL OR EXISTS (SELECT FROM document d WHERE d.owner_id = $1 AND d.deleted_at IS NULL AND d.embedded_by <> current) THEN
		RETURN false;
	END IF;
	DELETE FROM passage_vector v WHERE v.ctid = ANY (ARRAY(SELECT x.ctid FROM passage_vector x
		WHERE x.owner_id = $1 AND x.embedding_id = ANY (embedding_others(current)) LIMIT most));
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n >= most;
END $$;
GRANT EXECUTE ON FUNCTION embed_clean TO millrace_runner;

-- Whose vectors a user's passages can be compared by, the better one first: those of an earlier
-- model as long as documents wait for the current one's. None: nothing is embedded, or where
-- `credits` are required, none are left.
CREATE OR REPLACE FUNCTION embedding_serving(owner uuid, set_provider text, set_model text, set_dimensions int, credits boolean)
RETURNS TABLE (id int, provider text, model text, dimensions int, size int) LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
	current CONSTANT int := embedding_current($2, $3, $4);
BEGIN
	RETURN QUERY SELECT m.id, m.provider, m.model, m.dimensions, m.size FROM embedding_model m
	CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT FROM document d WHERE d.owner_id = $1 AND d.embedded_by = m.id AND d.status = 'ready'
		AND d.deleted_at IS NULL LIMIT 1000) x) h
	WHERE h.n > 0 AND NOT ($5 AND EXISTS (SELECT FROM app_user u WHERE u.id = $1 AND u.balance_usd - u.reserved_usd <= 0))
	ORDER BY m.id IS NOT DISTINCT FROM current, h.n DESC LIMIT 2;
END $$;
GRANT EXECUTE ON FUNCTION embedding_serving TO millrace_runner;

-- A user's passages, of `documents` alone where it is not NULL, whose vectors are most like the
-- question's: `most` by the signs of their numbers. How like they are the server says where it has
-- pgvector; else `vector` has the passage's, as array_send() writes it, in hexadecimal digits.
CREATE OR REPLACE FUNCTION passages_near(owner uuid, embedding int, question_bits text, question text, most int, documents uuid[])
RETURNS TABLE (chunk_id bigint, similarity float8, vector text) LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
	signs CONSTANT bit varying := $3::bit varying;
	pgvector CONSTANT text := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector');
	like_it CONSTANT bytea[] := ARRAY(SELECT v.hash FROM passage_vector v
		WHERE v.owner_id = $1 AND v.embedding_id = $2 AND v.bits IS NOT NULL
			AND ($6 IS NULL OR v.hash IN (SELECT c.hash FROM chunk c WHERE c.document_id = ANY ($6)))
		ORDER BY bit_count(v.bits # signs), v.hash LIMIT most);
BEGIN
	RETURN QUERY EXECUTE format($q$
		SELECT c.id, %s FROM unnest($1) h (hash)
		CROSS JOIN LATERAL (SELECT x.vector FROM passage_vector x WHERE x.owner_id = $2 AND x.embedding_id = $3 AND x.hash = h.hash OFFSET 0) v
		CROSS JOIN LATERAL (SELECT x.id FROM chunk x WHERE x.owner_id = $2 AND x.hash = h.hash AND ($5 IS NULL OR x.document_id = ANY ($5))
			ORDER BY x.id LIMIT 1) c$q$,
		CASE WHEN pgvector IS NULL THEN $q$NULL::float8, encode(array_send(v.vector), 'hex')$q$
		ELSE format('-(v.vector::%1$I.vector OPERATOR(%1$I.<#>) $4::real[]::%1$I.vector), NULL', pgvector) END)
	USING like_it, $1, $2, $4, $6;
END $$;
GRANT EXECUTE ON FUNCTION passages_near TO millrace_runner;
