-- The runners that take jobs without a claim, as they last said.
CREATE TABLE runner_ready (
	name		text PRIMARY KEY,		-- host/instance, as it is locked by the runner
	per_user	int NOT NULL,			-- of one user's jobs may run so many at once
	lease		interval NOT NULL,
	seen_at		timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
