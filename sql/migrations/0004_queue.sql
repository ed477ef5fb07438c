-- Runs (what a user asked for and can look at) and jobs (how the runner gets it done).

CREATE TABLE run (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	-- NULL: work without a user: a sign-in's exchange, a revocation after an erasure. Policies
	-- show such a run to no caller.
	owner_id	uuid REFERENCES app_user ON DELETE CASCADE,
	-- Chat, ingest, search: names the runner's job
	kind		text NOT NULL,
	conversation_id	uuid,
	document_id	uuid,
	status		text NOT NULL DEFAULT 'queued'
			CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
	input		jsonb NOT NULL DEFAULT '{}',
	outcome		json,				-- the terminal event's data
	error_code	text,
	error_message	text,
	last_seq	bigint,				-- the terminal event's seq
	cancel_requested_at	timestamptz,
	created_at	timestamptz NOT NULL DEFAULT now(),
	started_at	timestamptz,
	ended_at	timestamptz
);
CREATE INDEX run_owner ON run (owner_id, id);
CREATE INDEX run_conversation ON run (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX run_document ON run (document_id) WHERE document_id IS NOT NULL;
CREATE INDEX run_open ON run (created_at) WHERE ended_at IS NULL;
ALTER TABLE run ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON run TO millrace_api USING (owner_id = caller_id());

-- A mail is work on a user's behalf, but not a run of the user's: workers do not see it.
CREATE POLICY not_mail ON run AS RESTRICTIVE TO millrace_api USING (kind <> 'mail');

CREATE TABLE job (
	run_id		uuid PRIMARY KEY REFERENCES run ON DELETE CASCADE,
	owner_id	uuid,
	kind		text NOT NULL,
	state		text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'dead')),
	priority	int NOT NULL DEFAULT 0,		-- larger goes first
	attempts	int NOT NULL DEFAULT 0,
	max_attempts	int NOT NULL DEFAULT 3,
	run_at		timestamptz NOT NULL DEFAULT now(),
	lease_until	timestamptz,
	runner		text,				-- host/instance that holds the lease
	last_error	text,
	created_at	timestamptz NOT NULL DEFAULT now(),
	ended_at	timestamptz
);
CREATE INDEX job_next ON job (priority DESC, run_at, run_id) WHERE state = 'queued';
CREATE INDEX job_running ON job (owner_id) WHERE state = 'running';
CREATE INDEX job_dead ON job (ended_at) WHERE state = 'dead';
ALTER TABLE job ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON job TO millrace_api USING (owner_id = caller_id());

-- What is kept for a time only.
CREATE INDEX job_done_age ON job (ended_at) WHERE state = 'done';
