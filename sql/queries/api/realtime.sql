-- Who opens a socket, and how far the topics are that it begins with. The key's hash is NULL where
-- they came by something else.
-- name: realtime_open
-- args: key_hash bytea
-- row: analytics bool, user_head int8, analytics_head int8
-- reads
SELECT sees_analytics(caller_id(), k.id) AS analytics, h.user_head, h.analytics_head
FROM topic_heads() h CROSS JOIN settle() LEFT JOIN api_key k ON k.hash = $1;
