-- name: chat_start
-- args: message text, conversation uuid, queue_max int4, credits bool
-- row: run_id uuid, conversation_id uuid
-- keep
-- wakes
SELECT run_id, conversation_id FROM chat_start($1, $2, $3, $4);

-- name: run_show
-- args: id uuid
-- row: body json
-- reads
SELECT run_json(r) AS body FROM run r CROSS JOIN settle() WHERE r.id = $1 AND r.owner_id = caller_id() AND run_is_shown(r);

-- What is needed to resume a run's stream; `kept` says whether its events are still there.
-- name: run_resume
-- args: id uuid
-- row: run_id uuid, conversation_id uuid, last_seq int8, kept bool
-- reads
SELECT r.id AS run_id, r.conversation_id, r.last_seq,
	r.ended_at IS NULL OR run_is_resumable(r.id) AS kept
FROM run r CROSS JOIN settle() WHERE r.id = $1 AND r.owner_id = caller_id() AND run_is_shown(r);

-- The run that a repeat of its question goes on with: the caller's newest, of the last hour, if it
-- was asked the same.
-- name: run_repeated
-- args: message text, conversation uuid, after int8
-- row: run_id uuid, conversation_id uuid, last_seq int8, kept bool
-- reads
SELECT r.id AS run_id, r.conversation_id, r.last_seq,
	r.ended_at IS NULL OR run_is_resumable(r.id) AS kept
FROM run r CROSS JOIN settle() WHERE r.id = (
		SELECT n.id FROM run n WHERE n.owner_id = caller_id() AND n.id >= uuid_v7_floor(now() - interval '1 hour')
			AND n.kind = 'chat' AND NOT n.input ? 'visitor' AND ($2::uuid IS NULL OR n.conversation_id = $2)
		ORDER BY n.id DESC LIMIT 1)
	AND r.input ->> 'message' = $1 AND (r.last_seq IS NULL OR r.last_seq >= $3) AND run_is_shown(r);

-- name: run_cancel
-- args: id uuid
-- row: body json
SELECT run_cancel($1) AS body;

-- name: conversation_list
-- args: rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT conversation_json(c) AS body, c.id AS cursor FROM conversation c
WHERE c.owner_id = caller_id() AND c.chatbot_id IS NULL AND c.id < (SELECT page_before($2)) ORDER BY c.id DESC LIMIT $1;

-- A conversation with its newest messages, oldest of them first; `before` is a message's id, and so
-- is the cursor, NULL where there are no older ones.
-- name: conversation_show
-- args: id uuid, rows int8, before uuid
-- row: body text, cursor uuid
-- reads
SELECT left(conversation_json(c)::text, -1) || ', "messages" : ' || coalesce(page.messages::text, '[]') || '}' AS body, page.cursor
FROM conversation c, LATERAL (
	SELECT json_agg(m.body ORDER BY m.id) FILTER (WHERE m.body IS NOT NULL) AS messages,
		CASE WHEN count(*) > count(m.body) THEN (array_agg(m.id ORDER BY m.id) FILTER (WHERE m.body IS NOT NULL))[1] END AS cursor
	FROM (
		SELECT o.id, CASE WHEN count(*) OVER page < $2 AND
			page_has_room(sum(octet_length(o.content) + octet_length(o.sources::text)) OVER page, count(*) OVER page) THEN message_json(o) END AS body
		FROM message o WHERE o.conversation_id = c.id AND o.id < (SELECT page_before($3))
		WINDOW page AS (ORDER BY o.id DESC ROWS UNBOUNDED PRECEDING)
		ORDER BY o.id DESC LIMIT $2
	) m
) page
WHERE c.id = $1 AND c.owner_id = caller_id();

-- name: conversation_rename
-- args: id uuid, title text
-- row: body json
UPDATE conversation c SET title = $2, updated_at = now() WHERE c.id = $1 AND c.owner_id = caller_id()
RETURNING conversation_json(c) AS body;

-- name: conversation_delete
-- args: id uuid
-- row: id uuid
SELECT id FROM conversation_delete($1);

-- name: artifact_show
-- args: id uuid
-- row: blob_id uuid, name text, mime_type text, size int8
-- reads
SELECT a.blob_id, a.name, a.mime_type, a.size FROM artifact a WHERE a.id = $1 AND a.owner_id = caller_id() AND artifact_is_shown(a);

-- Each file's newest version.
-- name: artifact_list
-- args: rows int8, before uuid, conversation uuid
-- row: body json, cursor uuid
-- reads
SELECT artifact_json(a) AS body, a.id AS cursor FROM artifact a
WHERE a.owner_id = caller_id() AND a.id < (SELECT page_before($2)) AND ($3::uuid IS NULL OR a.conversation_id = $3) AND artifact_is_shown(a)
	AND NOT EXISTS (SELECT FROM artifact n WHERE n.conversation_id = a.conversation_id AND n.name = a.name AND n.version > a.version)
ORDER BY a.id DESC LIMIT $1;

-- name: artifact_versions
-- args: id uuid, rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT artifact_json(v) AS body, v.id AS cursor FROM artifact a JOIN artifact v ON v.owner_id = a.owner_id
	AND CASE WHEN a.conversation_id IS NULL THEN v.id = a.id ELSE v.conversation_id = a.conversation_id AND v.name = a.name END
WHERE a.id = $1 AND a.owner_id = caller_id() AND artifact_is_shown(a) AND v.id < (SELECT page_before($3))
ORDER BY v.id DESC LIMIT $2;

-- name: blob_chunk_read
-- args: blob uuid, n int8
-- row: data text
-- reads
SELECT encode(data, 'hex') AS data FROM blob_chunk WHERE blob_id = $1 AND n = $2::int8;

-- name: session_create
-- args: chatbot uuid
-- row: body json
-- keep
SELECT session_create($1) AS body;

-- Sessions with a few of their newest messages; with all chatbots, or with one.
-- name: session_list
-- args: rows int8, before uuid, chatbot uuid
-- row: body json, cursor uuid
-- reads
SELECT CASE WHEN page_has_room(sum(octet_length(m.messages::text)) OVER page, count(*) OVER page) THEN session_json(c, m.messages) END AS body, c.id AS cursor
FROM conversation c CROSS JOIN LATERAL (SELECT s.messages FROM session_messages(c.id, 11, NULL) s OFFSET 0) m
WHERE c.owner_id = caller_id() AND c.chatbot_id IS NOT NULL AND ($3::uuid IS NULL OR c.chatbot_id = $3) AND c.id < (SELECT page_before($2))
WINDOW page AS (ORDER BY c.id DESC ROWS UNBOUNDED PRECEDING)
ORDER BY c.id DESC LIMIT $1;

-- name: session_show
-- args: id uuid, rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT session_json(c, m.messages) AS body, m.cursor
FROM conversation c CROSS JOIN LATERAL session_messages(c.id, $2, $3) m
WHERE c.id = $1 AND c.owner_id = caller_id() AND c.chatbot_id IS NOT NULL;

-- name: session_messages
-- args: id uuid, rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT m.messages AS body, m.cursor
FROM conversation c CROSS JOIN LATERAL session_messages(c.id, $2, $3) m
WHERE c.id = $1 AND c.owner_id = caller_id() AND c.chatbot_id IS NOT NULL;

-- name: session_delete
-- args: id uuid
-- row: id uuid
SELECT d.id FROM conversation c CROSS JOIN LATERAL conversation_delete(c.id) d
WHERE c.id = $1 AND c.owner_id = caller_id() AND c.chatbot_id IS NOT NULL;

-- name: session_send_message
-- args: session uuid, message text, streams bool, queue_max int4, credits bool
-- row: run_id uuid, conversation_id uuid
-- keep
SELECT run_id, conversation_id FROM session_send_message($1, $2, $3, $4, $5);

-- name: widget_admit
-- args: chatbot uuid, origin text, reads bool
-- row: allowed text
-- reads
SELECT widget_admit($1, $2, $3) AS allowed;

-- name: widget_session_create
-- args: chatbot uuid, visitor_hash bytea, address bytea, address_minute int4, address_day int4, chatbot_minute int4
-- row: welcome text
SELECT widget_session_create($1, $2, $3, $4, $5, $6) AS welcome;

-- name: widget_send
-- args: chatbot uuid, visitor_hash bytea, message text, streams bool, address bytea, address_minute int4, address_day int4, session_minute int4, session_day int4, chatbot_minute int4, queue_max int4, credits bool
-- row: run_id uuid
-- keep
SELECT run_id FROM widget_send($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: widget_history
-- args: chatbot uuid, visitor_hash bytea, rows int8, before uuid
-- row: body json, cursor uuid
-- reads
SELECT body, cursor FROM widget_history($1, $2, $3, $4);

-- name: widget_resume
-- args: chatbot uuid, visitor_hash bytea
-- row: run_id uuid, conversation_id uuid, last_seq int8, kept bool
-- reads
SELECT run_id, conversation_id, last_seq, kept FROM widget_resume($1, $2) CROSS JOIN settle();

-- name: feedback_give
-- args: message uuid, visitor_hash bytea, origin text, rating text, comment text
-- row: body json, allowed text
SELECT body, allowed FROM feedback_give($1, $2, $3, $4, $5);
