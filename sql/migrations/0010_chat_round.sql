-- What a server of models gave with a turn that ended in tool calls and wants back with it: its ids
-- of the calls, and members that are none of ours (a signature, its reasoning). For the later
-- attempts of a run whose runner died; gone with the end of the run.
CREATE TABLE chat_round (
	run_id		uuid NOT NULL REFERENCES run ON DELETE CASCADE,
	-- 0 for the run's first turn that ended in calls
	n		int NOT NULL,
	-- As runner/jobs/chat_replay.c writes it
	kept		text NOT NULL,
	PRIMARY KEY (run_id, n)
);
ALTER TABLE chat_round ENABLE ROW LEVEL SECURITY;
