-- Who opens a socket, and how far the topics are that it begins with. The key's hash is NULL where they came by something else.
-- name: realtime_open
-- args: key_hash bytea
-- row: analytics bool, user_head int8, analytics_head int8
SELECT sees_analytics(caller_id(), k.id) AS analytics,
	coalesce((SELECT t.seq FROM topic t WHERE t.name = 'user:' || caller_id()), 0) AS user_head,
	coalesce((SELECT t.seq FROM topic t WHERE t.name = 'analytics'), 0) AS analytics_head
FROM (VALUES (1)) one LEFT JOIN api_key k ON k.hash = $1;
