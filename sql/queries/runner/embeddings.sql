-- name: runner_embed_enqueue
-- args: provider text, model text, dimensions int4, most int4
-- row: made int8
SELECT embed_enqueue($1, $2, $3, $4) AS made;

-- name: runner_embed_reserve
-- args: run_id uuid, provider text, model text, credits bool
-- row: verdict text, message text
SELECT verdict, message FROM embed_reserve($1, $2, $3, $4);

-- name: runner_embed_next
-- args: owner uuid, provider text, model text, dimensions int4, most int4
-- row: hash text, meant text
-- scratch
SELECT hash, meant FROM embed_next($1, $2, $3, $4, $5);

-- name: runner_embed_store
-- args: owner uuid, provider text, model text, dimensions int4, size int4, hashes text[], vectors text[], bits text[]
-- row: embedding int4
-- scratch
SELECT embed_store($1, $2, $3, $4, $5, $6, $7, $8) AS embedding;

-- name: runner_embed_clean
-- args: owner uuid, provider text, model text, dimensions int4, most int4
-- row: more bool
-- scratch
SELECT embed_clean($1, $2, $3, $4, $5) AS more;

-- name: runner_embedding_seen
-- args: provider text, model text, dimensions int4, size int4
-- row: embedding int4
SELECT embedding_seen($1, $2, $3, $4) AS embedding;

-- name: runner_embedding_serving
-- args: owner uuid, provider text, model text, dimensions int4, credits bool
-- row: id int4, provider text, model text, dimensions int4, size int4
SELECT id, provider, model, dimensions, size FROM embedding_serving($1, $2, $3, $4, $5);

-- Passages whose vectors are like a question's, with the passages' own where the server has no
-- pgvector.
-- name: runner_passages_near
-- args: run_id uuid, owner uuid, embedding int4, bits text, vector text, most int4, of_chatbot bool
-- row: chunk_id int8, similarity text, vector text
-- scratch
SELECT chunk_id, similarity::text AS similarity, vector
FROM passages_near($2, $3, $4, $5, $6, CASE WHEN $7 THEN run_documents($1) END);

-- The same of passages as runner_passages_find gives it, by their ids.
-- name: runner_passages_more
-- args: ids text[]
-- row: chunk_id int8, document_id uuid, name text, file_name text, stems text, text text, score text
-- scratch
SELECT i.id AS chunk_id, c.document_id, d.name, d.file_name, encode(c.stems, 'hex') AS stems, CASE WHEN c.stems IS NULL THEN c.text END AS text,
	'0' AS score
FROM unnest($1::text[]::bigint[]) i (id)
CROSS JOIN LATERAL (SELECT x.document_id, x.stems, x.text FROM chunk x WHERE x.id = i.id OFFSET 0) c
CROSS JOIN LATERAL (SELECT x.name, x.file_name FROM document x WHERE x.id = c.document_id AND x.deleted_at IS NULL OFFSET 0) d
ORDER BY c.document_id, i.id;
