-- When a process of each role (a pool, streamd, runner) was last there; -infinity: none ever was.
-- /readyz, /metrics and `millracectl status` tell by it what is missing, and work is refused that
-- nobody would do. Logged, unlike process: a crash of the server does not make it forget who is
-- there.
CREATE TABLE role_seen (
	role	text PRIMARY KEY,
	seen_at	timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What runs during the upgrade is there.
INSERT INTO role_seen SELECT role, max(seen_at) FROM process GROUP BY role;
