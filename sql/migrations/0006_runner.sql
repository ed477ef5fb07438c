-- What the runner writes, fenced: an attempt may write for its run only while the job is leased to it. (runner, attempt) is the
-- fence; `after` is the seq that the attempt has written last, so that a write whose answer was lost is not done twice, and one
-- that a crash of the server undid (deltas are committed asynchronously) is noticed and done again.
-- Locks are taken in one order everywhere: job, run, topic.
-- Sequential scans are off in what runs for every chat: its plans are kept, and may have been made when a quiet night had left the
-- tables empty.

-- Locks the job where this attempt still holds it and gives the topic's seq; NULL where it does not.
CREATE FUNCTION job_fence(run_id uuid, runner text, attempt int) RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	j job;
BEGIN
	SELECT * INTO j FROM job WHERE job.run_id = $1 FOR UPDATE;
	IF (j.state = 'running' AND j.runner = $2 AND j.attempts = $3) IS NOT TRUE THEN
		RETURN NULL;
	END IF;
	RETURN coalesce((SELECT t.seq FROM topic t WHERE t.name = 'run:' || $1), 0);
END $$;

-- An attempt's first step: what it is to do, and the seq it goes on from. Taking the topic's lock waits for a predecessor's last
-- write to be through. No row where the lease is lost. Committed asynchronously, as the claim before it: where a crash of the server
-- undoes them, the job is queued again and the lease is lost.
CREATE FUNCTION job_begin(run_id uuid, runner text, attempt int)
RETURNS TABLE (owner_id uuid, conversation_id uuid, document_id uuid, input text, cancelled boolean, max_attempts int, seq bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET enable_seqscan = off AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	INSERT INTO topic AS t (name) VALUES ('run:' || $1) ON CONFLICT DO NOTHING;
	PERFORM FROM topic t WHERE t.name = 'run:' || $1 FOR UPDATE;
	RETURN QUERY
	SELECT r.owner_id, r.conversation_id, r.document_id, r.input::text, r.cancel_asked_at IS NOT NULL, j.max_attempts, t.seq
	FROM job j JOIN run r ON r.id = j.run_id JOIN topic t ON t.name = 'run:' || $1
	WHERE j.run_id = $1 AND j.state = 'running' AND j.runner = $2 AND j.attempts = $3;
END $$;

-- The flusher's write: the events of many runs, in the order given, committed asynchronously. Run i of `runs` has counts[i]
-- events and has written after[i] so far. Returns for each its seq now: after + count where they are in the log (also where an
-- earlier try had put them there), less where nothing was written because the log is behind `after`, NULL where the lease is lost.
CREATE FUNCTION job_publish(runner text, runs uuid[], attempts int[], after bigint[], counts int[], topics text[], types text[],
	data text[]) RETURNS TABLE (n int, seq bigint) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET enable_seqscan = off AS $$
DECLARE
	seqs bigint[];
	due text[];
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	PERFORM FROM topic t WHERE t.name = ANY (topics) ORDER BY t.name FOR UPDATE;
	-- With the topics locked, what the jobs say here stays true until the commit: a successor begins by taking the same lock.
	SELECT array_agg(CASE WHEN j.run_id IS NULL THEN NULL WHEN t.seq = g.after THEN t.seq + g.count ELSE t.seq END ORDER BY g.n),
		array_agg(t.name) FILTER (WHERE j.run_id IS NOT NULL AND t.seq = g.after)
	INTO seqs, due
	FROM unnest(runs, attempts, after, counts) WITH ORDINALITY AS g (run_id, attempt, after, count, n)
	-- One by one and by their keys (LATERAL with OFFSET; what else is asked of a job stands outside): else each is compared with each.
	LEFT JOIN LATERAL (SELECT o.name, o.seq FROM topic o WHERE o.name = 'run:' || g.run_id OFFSET 0) t ON true
	LEFT JOIN LATERAL (SELECT o.* FROM job o WHERE o.run_id = g.run_id OFFSET 0) j
		ON j.state = 'running' AND j.runner = $1 AND j.attempts = g.attempt;
	IF cardinality(due) = cardinality(runs) THEN
		PERFORM publish_locked(topics, types, data);
	ELSIF due IS NOT NULL THEN
		PERFORM publish_locked(array_agg(e.topic ORDER BY e.n), array_agg(e.type ORDER BY e.n), array_agg(e.data ORDER BY e.n))
		FROM unnest(topics, types, data) WITH ORDINALITY AS e (topic, type, data, n) WHERE e.topic = ANY (due);
	END IF;
	RETURN QUERY SELECT s.n::int, s.seq FROM unnest(seqs) WITH ORDINALITY AS s (seq, n);
END $$;

-- An attempt's last step, for every kind of run. All three return NULL where the lease is lost and a seq below `after` where the
-- log is behind (nothing is done then), `after` where the run has ended.
CREATE FUNCTION job_done(run_id uuid, runner text, attempt int, after bigint, data json, reply json)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq = after THEN
		PERFORM run_finish($1, 'completed', 'done', data, reply);
	END IF;
	RETURN seq;
END $$;

CREATE FUNCTION job_fail(run_id uuid, runner text, attempt int, after bigint, status text, code text, message text, dead boolean)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
BEGIN
	IF seq = after THEN
		PERFORM run_end_unheard($1, $5, $6, $7, $8);
	END IF;
	RETURN seq;
END $$;

-- A chat's end: the answer as a message (none where nothing was said, or where the conversation was deleted meanwhile).
-- `reason` is the model's (stop, length …) or 'cancelled', which leaves the message partial.
CREATE FUNCTION chat_finish(run_id uuid, runner text, attempt int, after bigint, content text, sources json, reason text)
RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	answer uuid;
	r run;
	data json;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	SELECT * INTO r FROM run WHERE run.id = $1 FOR UPDATE;
	UPDATE conversation c SET updated_at = now() WHERE c.id = r.conversation_id;
	IF FOUND AND content <> '' THEN
		INSERT INTO message (conversation_id, owner_id, run_id, role, content, sources, status)
		VALUES (r.conversation_id, r.owner_id, $1, 'assistant', $5, $6,
			CASE reason WHEN 'cancelled' THEN 'partial' ELSE 'complete' END)
		RETURNING id INTO answer;
	END IF;
	data := chat_done($1, answer, $5, $6, reason);
	PERFORM run_finish($1, CASE reason WHEN 'cancelled' THEN 'cancelled' ELSE 'completed' END, 'done', data,
		data_reply($1, data));
	RETURN seq;
END $$;

-- What an attempt said that ended unheard is charged as far as we can count it; the call's number is its attempt's last.
CREATE FUNCTION usage_unheard(run_id uuid, attempt int, provider text, model text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	said bigint := octet_length(run_said($1))
		- 4 * coalesce((SELECT sum(u.output_tokens) FROM usage_event u WHERE u.run_id = $1), 0);
BEGIN
	IF said > 0 AND NOT EXISTS (SELECT FROM usage_event u WHERE u.run_id = $1 AND u.call / 1000 = attempt) THEN
		PERFORM usage_record($1, attempt * 1000 + 999, provider, model,
			(SELECT coalesce(sum(octet_length(m.content)), 0) / 4 FROM message m JOIN run r ON r.id = $1
			 WHERE m.conversation_id = r.conversation_id AND m.created_at <= r.created_at), said / 4 + 1, true);
	END IF;
END $$;

-- A job whose runner is gone: it waits again, for `delay`, or ends where it was cancelled or has no attempts left. The caller
-- holds the job's lock. Returns whether it waits.
CREATE FUNCTION job_abandoned(run_id uuid, delay interval, provider text, model text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	j job;
	r run;
BEGIN
	SELECT * INTO j FROM job WHERE job.run_id = $1;
	SELECT * INTO r FROM run WHERE run.id = $1 FOR UPDATE;
	IF r.ended_at IS NOT NULL THEN
		UPDATE job SET state = 'done', ended_at = now(), lease_until = NULL WHERE job.run_id = $1;
		RETURN false;
	END IF;
	IF r.kind = 'chat' AND (r.cancel_asked_at IS NOT NULL OR j.attempts >= j.max_attempts) THEN
		PERFORM usage_unheard($1, j.attempts, provider, model);
	END IF;
	IF r.cancel_asked_at IS NOT NULL THEN
		PERFORM run_end_unheard($1, 'cancelled', 'CANCELLED', 'The run was cancelled.', false);
		RETURN false;
	END IF;
	IF j.attempts >= j.max_attempts THEN
		PERFORM run_end_unheard($1, 'failed', 'INTERNAL', 'The run was interrupted too often and was given up.', true);
		RETURN false;
	END IF;
	UPDATE job SET state = 'queued', run_at = now() + delay, lease_until = NULL, runner = NULL,
		last_error = 'its runner ended' WHERE job.run_id = $1;
	UPDATE run SET status = 'queued' WHERE run.id = $1;
	RETURN true;
END $$;

-- At a runner's start: what its predecessor of the same name held waits again at once. Returns how many jobs.
CREATE FUNCTION job_take_back(runner text, provider text, model text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	held uuid[];
BEGIN
	SELECT array_agg(l.run_id) INTO held FROM (SELECT j.run_id FROM job j WHERE j.state = 'running' AND j.runner = $1
		ORDER BY j.run_id FOR UPDATE) l;
	RETURN (SELECT count(*) FILTER (WHERE job_abandoned(u, '0', provider, model)) FROM unnest(held) u);
END $$;

-- What gives every run its one terminal event: jobs whose lease ran out wait again or end; so do runs without a job. After a
-- restart of the server leases are let be for as long as one lasts, since heartbeats could not be heard. One sweep at a time.
CREATE FUNCTION job_sweep(lease interval, provider text, model text) RETURNS TABLE (again bigint, ended bigint)
LANGUAGE plpgsql AS $$
DECLARE
	j record;
	waits boolean;
BEGIN
	again := 0;
	ended := 0;
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.job_sweep')) THEN
		RETURN NEXT;
		RETURN;
	END IF;
	FOR j IN SELECT q.run_id, q.attempts FROM job q WHERE q.state = 'running' AND q.lease_until < now()
		AND pg_postmaster_start_time() < now() - lease ORDER BY q.run_id LIMIT 200 FOR UPDATE SKIP LOCKED LOOP
		waits := job_abandoned(j.run_id, (0.5 + random()) * 2 ^ least(j.attempts, 6) * interval '0.5 s', provider, model);
		again := again + waits::int;
		ended := ended + (NOT waits)::int;
	END LOOP;
	FOR j IN SELECT r.id FROM run r WHERE r.ended_at IS NULL AND r.created_at < now() - interval '1 minute' AND NOT EXISTS
		(SELECT FROM job q WHERE q.run_id = r.id AND q.state IN ('queued', 'running')) ORDER BY r.id LIMIT 200 LOOP
		PERFORM run_end_unheard(j.id, 'failed', 'INTERNAL', 'The run was lost and was given up.', true);
		ended := ended + 1;
	END LOOP;
	RETURN NEXT;
END $$;

-- What is kept for a time only.
CREATE INDEX job_done_age ON job (ended_at) WHERE state = 'done';
CREATE INDEX session_end ON session (expires_at);
CREATE FUNCTION sweep_old(event_hours int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('millrace.sweep_old')) THEN
		RETURN;
	END IF;
	PERFORM event_partitions(make_interval(hours => event_hours));
	DELETE FROM idempotency i WHERE i.created_at < now() - interval '24 hours';
	DELETE FROM blob b WHERE b.sha256 IS NULL AND b.created_at < now() - interval '1 hour';
	DELETE FROM session s WHERE s.expires_at < now() - interval '1 day';
	DELETE FROM job j WHERE j.state = 'done' AND j.ended_at < now() - make_interval(hours => event_hours);
	DELETE FROM login_failure f WHERE f.last_at < now() - interval '1 hour';
	DELETE FROM process p WHERE p.seen_at < now() - interval '1 minute';
END $$;

-- A file that a tool call writes: the next version of that name in the conversation. The same call tried again finds what it wrote
-- (`again`), and whether the run's log tells of it already (`told`). No row where the lease is lost.
CREATE FUNCTION artifact_write(run_id uuid, runner text, attempt int, call_id text, name text, mime_type text, content bytea)
RETURNS TABLE (id uuid, version int, told boolean) LANGUAGE plpgsql AS $$
DECLARE
	r run;
	file uuid;
BEGIN
	IF job_fence($1, $2, $3) IS NULL THEN
		RETURN;
	END IF;
	SELECT * INTO r FROM run WHERE run.id = $1;
	SELECT a.id, a.version INTO id, version FROM artifact a WHERE a.run_id = $1 AND a.call_id = $4;
	IF FOUND THEN
		told := EXISTS (SELECT FROM stream_event e WHERE e.topic = 'run:' || $1 AND e.type = 'artifact'
			AND e.data ->> 'id' = artifact_write.id::text);
		RETURN NEXT;
		RETURN;
	END IF;
	PERFORM FROM conversation c WHERE c.id = r.conversation_id FOR UPDATE;
	IF NOT FOUND THEN
		r.conversation_id := NULL;	-- deleted meanwhile
	END IF;
	INSERT INTO blob (owner_id, sha256, size) VALUES (r.owner_id, sha256($7), octet_length($7)) RETURNING blob.id INTO file;
	INSERT INTO blob_chunk (blob_id, n, data) SELECT file, k, substring($7 FROM k * 262144 + 1 FOR 262144)
	FROM generate_series(0, (octet_length($7) - 1) / 262144) k WHERE octet_length($7) > 0;
	INSERT INTO artifact AS a (owner_id, conversation_id, run_id, name, version, mime_type, size, blob_id, call_id)
	SELECT r.owner_id, r.conversation_id, $1, $5, 1 + coalesce(max(o.version), 0), $6, octet_length($7), file, $4
	FROM artifact o WHERE o.conversation_id = r.conversation_id AND o.name = $5
	RETURNING a.id, a.version INTO id, version;
	told := false;
	RETURN NEXT;
END $$;

-- An ingestion's end, good: the document's passages are replaced and it is ready, in one step. `bits` are hexadecimal.
CREATE FUNCTION document_ready(run_id uuid, runner text, attempt int, after bigint, type text, metadata jsonb, marks text[],
	texts text[], bits text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	d document;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	UPDATE document SET status = 'ready', error = NULL, type = $5, metadata = $6, chunk_count = cardinality(marks),
		updated_at = now()
	FROM run r WHERE r.id = $1 AND document.id = r.document_id RETURNING document.* INTO d;
	IF NOT FOUND THEN
		PERFORM run_end_unheard($1, 'failed', 'NOT_FOUND', 'The document was deleted.', false);
		RETURN seq;
	END IF;
	DELETE FROM chunk c WHERE c.document_id = d.id;
	WITH given AS (
		SELECT g.n::int AS n, g.mark, g.text, g.bits FROM unnest(marks, texts, bits) WITH ORDINALITY AS g (mark, text, bits, n)
	), stored AS (
		INSERT INTO chunk (document_id, owner_id, n, mark, text)
		SELECT d.id, d.owner_id, g.n, g.mark, g.text FROM given g RETURNING chunk.id, chunk.n
	)
	INSERT INTO embedding (chunk_id, model, bits)
	SELECT s.id, 'local', ('x' || g.bits)::bit(2048) FROM stored s JOIN given g ON g.n = s.n;
	PERFORM run_finish($1, 'completed', 'done', document_json(d), document_reply($1, d));
	RETURN seq;
END $$;

-- The reply of a request that waits for an ingestion; NULL where none does.
CREATE FUNCTION document_reply(run_id uuid, d document) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT data_reply($1, CASE r.input ->> 'reply' WHEN 'upload' THEN upload_json(d) ELSE document_json(d) END)
	FROM run r WHERE r.id = $1
$$;

-- An ingestion's end, bad: `error` is for a person. Old passages go, since they are no longer what the document holds.
CREATE FUNCTION document_failed(run_id uuid, runner text, attempt int, after bigint, error text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	seq bigint := job_fence($1, $2, $3);
	d document;
BEGIN
	IF seq IS DISTINCT FROM after THEN
		RETURN seq;
	END IF;
	UPDATE document SET status = 'failed', error = $5, chunk_count = 0, updated_at = now()
	FROM run r WHERE r.id = $1 AND document.id = r.document_id RETURNING document.* INTO d;
	IF NOT FOUND THEN
		PERFORM run_end_unheard($1, 'failed', 'NOT_FOUND', 'The document was deleted.', false);
		RETURN seq;
	END IF;
	DELETE FROM chunk c WHERE c.document_id = d.id;
	PERFORM run_finish($1, 'failed', 'error', json_build_object('code', 'UNREADABLE_DOCUMENT', 'message', $5),
		document_reply($1, d));
	RETURN seq;
END $$;

REVOKE EXECUTE ON FUNCTION job_begin, job_publish FROM PUBLIC;
GRANT EXECUTE ON FUNCTION job_begin, job_publish TO millrace_runner;
