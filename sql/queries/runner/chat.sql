-- What earlier attempts of this run have published.
-- name: runner_chat_events
-- args: run_id uuid
-- row: type text, data text
SELECT e.type, e.data::text AS data FROM stream_event e
WHERE e.topic = 'run:' || $1::uuid AND e.type IN ('token', 'activity') ORDER BY e.seq;

-- What is kept of their rounds.
-- name: runner_chat_rounds
-- args: run_id uuid
-- row: n int4, kept text
SELECT r.n, r.kept FROM chat_round r WHERE r.run_id = $1;

-- No row where the lease is lost.
-- name: runner_chat_round_keep
-- args: run_id uuid, runner_name text, attempt int4, n int4, kept text
-- row: n int4
-- batched
SELECT n FROM chat_round_keep($1, $2, $3, $4, $5) n WHERE n IS NOT NULL;

-- name: runner_chat_end
-- args: run_id uuid, runner_name text, attempt int4, after int8, content text, sources text, reason text
-- row: chat_finish int8
-- ends
-- batched
SELECT chat_finish($1, $2, $3, $4, $5, $6::text::json, $7);

-- name: runner_usage_store
-- args: run_id uuid, call int4, provider text, model text, input_tokens int8, output_tokens int8, cached_tokens int8, cache_write_tokens int8, reasoning_tokens int8, units int8, estimated bool, ms int4, failed bool
-- row: cost numeric
-- batched
SELECT usage_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS cost;

-- A call of which nothing came.
-- name: runner_model_failed
-- args: provider text, model text
-- row: id uuid
-- batched
INSERT INTO model_failure (provider, model) VALUES ($1, $2) RETURNING id;

-- The last call of an attempt before this one, which it could not store.
-- name: runner_usage_lost
-- args: run_id uuid, earlier int4, provider text, model text
-- row: usage_estimate void
-- batched
SELECT usage_estimate($1, $2, $3, $4);

-- name: runner_file_write
-- args: run_id uuid, runner_name text, attempt int4, call_id text, name text, mime_type text, content bytea, bytes_max int8
-- row: id uuid, version int4, told bool
SELECT id, version, told FROM artifact_write($1, $2, $3, $4, $5, $6, $7, $8);

-- A file of the conversation, of a run without one the newest of those without, else a document of
-- that name, as text of at most `most` characters.
-- name: runner_file_read
-- args: run_id uuid, owner uuid, conversation uuid, name text, most int4
-- row: content text, whole bool
SELECT left(f.content, $5) AS content, length(f.content) <= $5 AS whole FROM (
	(SELECT 0 AS rank, convert_from((SELECT coalesce(string_agg(b.data, ''::bytea ORDER BY b.n), '') FROM blob_chunk b
		WHERE b.blob_id = a.blob_id), 'UTF8') AS content
	FROM artifact a WHERE (a.conversation_id = $3 OR a.run_id = $1 OR ($3 IS NULL AND a.conversation_id IS NULL))
		AND a.owner_id = $2 AND a.name = $4 AND a.size <= 2097152
	ORDER BY a.version DESC, a.id DESC LIMIT 1)
	UNION ALL
	(SELECT 1, (SELECT string_agg(substr(c.text, c.carried + 1), E'\n' ORDER BY c.n) FROM chunk c WHERE c.document_id = d.id)
	FROM document d WHERE d.owner_id = $2 AND $4 IN (d.name, d.file_name) AND d.status = 'ready' AND d.deleted_at IS NULL ORDER BY d.id DESC LIMIT 1)
) f ORDER BY f.rank LIMIT 1;

-- What a chatbot's answer is made by: its name and settings, whether it has passages to look in,
-- and the number of the last model call that is stored. A preview brings its settings along.
-- name: runner_chatbot
-- args: run_id uuid
-- row: name text, settings text, documents bool, last_call int4
SELECT coalesce(b.name, 'a chatbot') AS name, (s.own || CASE WHEN r.input ? 'visitor'
	THEN jsonb_build_object('maxTokens', chatbot_answer_tokens(s.own)) ELSE '{}' END)::text AS settings,
	EXISTS (SELECT FROM chunk c WHERE c.document_id = ANY (run_documents($1))) AS documents,
	(SELECT coalesce(max(e.call), 0) FROM usage_event e WHERE e.run_id = $1) AS last_call
FROM run r LEFT JOIN conversation c ON c.id = r.conversation_id LEFT JOIN chatbot b ON b.id = c.chatbot_id AND b.deleted_at IS NULL
CROSS JOIN LATERAL (SELECT chatbot_defaults() || coalesce(r.input -> 'settings', b.settings) AS own) s
WHERE r.id = $1 AND (r.input ? 'settings' OR b.id IS NOT NULL);

-- name: runner_call_end
-- args: run_id uuid, runner_name text, attempt int4, after int8, call int4, provider text, model text, input_tokens int8, output_tokens int8, cached_tokens int8, cache_write_tokens int8, reasoning_tokens int8, units int8, estimated bool, ms int4, data text, streams bool
-- row: call_done int8
-- ends
-- late
SELECT call_done($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17);

-- name: runner_call_answer
-- args: run_id uuid, runner_name text, attempt int4, after int8, call int4, provider text, model text, input_tokens int8, output_tokens int8, cached_tokens int8, cache_write_tokens int8, reasoning_tokens int8, estimated bool, ms int4, data text, reply text
-- row: call_answer int8
-- ends
-- late
-- many runner_calls_answer
SELECT call_answer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::text::json, $16::text::json);

-- name: runner_calls_answer
-- args: runs text[], runners text[], attempts text[], afters text[], calls text[], providers text[], models text[], inputs text[], outputs text[], cached text[], written text[], thought text[], estimated text[], ms text[], data text[], replies text[]
-- row: call_answer int8
-- late
SELECT calls_answer($1::text[]::uuid[], ($2::text[])[1], $3::text[]::int[], $4::text[]::bigint[], $5::text[]::int[], $6, $7, $8::text[]::bigint[],
	$9::text[]::bigint[], $10::text[]::bigint[], $11::text[]::bigint[], $12::text[]::bigint[], $13::text[]::boolean[], $14::text[]::int[], $15, $16)
	AS call_answer;

-- What a call's answer was made of, for calls that name a part of it.
-- name: runner_call_output
-- args: owner uuid, earlier uuid
-- row: items text
-- reads
SELECT (r.outcome -> 'output')::text AS items FROM run r WHERE r.id = $2 AND r.owner_id = $1 AND r.kind = 'call' AND r.outcome -> 'output' IS NOT NULL;

-- A call that was passed on, and whose reply was lost.
-- name: runner_call_lost
-- args: run_id uuid, attempt int4, is_silent bool
-- row: call_lost void
-- batched
SELECT call_lost($1, $2, $3);

-- No row: the charge is gone.
-- name: runner_call_may
-- args: run_id uuid, provider text, model text
-- row: may bool
SELECT m AS may FROM call_may($1, $2, $3) m WHERE m IS NOT NULL;

-- The names of keys that a user has in the vault, with blanks between.
-- name: runner_own_keys
-- args: owner uuid
-- row: names text
SELECT own_keys($1) AS names;
