-- A user's servers of tools; `stale`: they are to be asked again what they have.
-- name: runner_mcp_servers
-- args: owner uuid
-- row: id uuid, name text, url text, secret text, revision text, tools text, stale bool, headers text
SELECT m.id, m.name, m.url, m.secret, m.revision, m.tools::text AS tools, m.list_after IS NULL OR m.list_after < now() AS stale, m.headers::text AS headers
FROM mcp_server m WHERE m.owner_id = $1 ORDER BY m.id LIMIT 50;

-- What a server has said it has, or, without tools, why not.
-- name: runner_mcp_listed
-- args: id uuid, tools text, revision text, problem text, wait_s int4
-- row: id uuid
-- batched
UPDATE mcp_server m SET tools = coalesce($2::text::jsonb, m.tools), revision = $3, problem = $4,
	listed_at = CASE WHEN $2::text IS NULL THEN m.listed_at ELSE now() END, list_after = now() + make_interval(secs => $5::int4)
WHERE m.id = $1 RETURNING m.id;

-- A server is to be asked again.
-- name: runner_mcp_stale
-- args: id uuid
-- row: id uuid
-- batched
UPDATE mcp_server m SET list_after = NULL WHERE m.id = $1 RETURNING m.id;
