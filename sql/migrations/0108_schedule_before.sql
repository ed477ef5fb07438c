-- Processes that were started by their schedule before there was a clock (0103): each begins now,
-- and then when it is due.
INSERT INTO schedule (kind, thing, owner_id, interval_s, cron, timezone, started_at, due_at, look_at)
SELECT 'process', p.id, p.owner_id, p.interval_s, p.cron, p.timezone, coalesce(p.started_at, now()), now(), now()
FROM agent_process p JOIN app_user u ON u.id = p.owner_id AND u.erased_at IS NULL
WHERE p.status = 'active' AND p.execution_mode = 'scheduled' AND (p.interval_s IS NOT NULL OR p.cron IS NOT NULL)
ON CONFLICT DO NOTHING;
