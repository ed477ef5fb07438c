-- Tasks: what a process does when it runs. A task reads the rows of the process's data sources and
-- matches them with leads.

-- Not in public: PUBLIC may execute what an extension makes, and here nobody comes in who need not.
CREATE SCHEMA trigram;
CREATE EXTENSION pg_trgm SCHEMA trigram;
CREATE EXTENSION btree_gin SCHEMA trigram;

-- Its id is its run's.
CREATE TABLE task (
	id		uuid PRIMARY KEY REFERENCES run ON DELETE CASCADE,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	-- NULL: the process is gone, and with it, for whoever asks, the task
	process_id	uuid REFERENCES agent_process ON DELETE SET NULL,
	due_at		timestamptz,			-- the schedule's time that it is for; NULL: somebody began it
	status		text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'processing', 'completed', 'failed')),
	progress	int NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
	filename	text,				-- of the row at work
	phone		text,
	pipeline	jsonb NOT NULL,			-- {extract, load, transform, match: {status, progress, rows, error}}
	-- What is done next, and the last row for which it is done: a new attempt begins there
	step		text NOT NULL DEFAULT 'extract' CHECK (step IN ('extract', 'transform', 'match', 'compare', 'end')),
	at		int NOT NULL DEFAULT 0,
	rows		int NOT NULL DEFAULT 0,
	matches		int NOT NULL DEFAULT 0,
	compared	int NOT NULL DEFAULT 0,		-- names that were looked up for similar ones
	error		text,
	swept		boolean NOT NULL DEFAULT false,	-- its rows are gone, and its matches where they are shown no more
	created_at	timestamptz NOT NULL DEFAULT now(),
	updated_at	timestamptz NOT NULL DEFAULT now(),
	ended_at	timestamptz,
	CONSTRAINT task_due UNIQUE (process_id, due_at)
);
CREATE INDEX task_owner ON task (owner_id, id);
CREATE INDEX task_unswept ON task (ended_at) WHERE NOT swept;
ALTER TABLE task ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON task TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER publish_task AFTER INSERT OR UPDATE ON task FOR EACH ROW EXECUTE FUNCTION publish_task();
CREATE TRIGGER task_run_ended AFTER UPDATE OF ended_at ON run FOR EACH ROW
	WHEN (NEW.kind = 'task' AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION task_run_ended();

-- The matches of the process are those of this task, the last that was completed.
ALTER TABLE agent_process ADD COLUMN matched_task uuid REFERENCES task ON DELETE SET NULL;
CREATE INDEX agent_process_matched ON agent_process (matched_task) WHERE matched_task IS NOT NULL;

-- A sheet, or a file without sheets, that a task has read.
CREATE TABLE task_file (
	task_id		uuid NOT NULL REFERENCES task ON DELETE CASCADE,
	n		int NOT NULL,
	owner_id	uuid NOT NULL,
	source_id	uuid REFERENCES datasource ON DELETE SET NULL,
	document_id	uuid,				-- whose copy its rows are
	name		text NOT NULL,
	columns		text[] NOT NULL,
	PRIMARY KEY (task_id, n)
);
CREATE INDEX task_file_source ON task_file (source_id) WHERE source_id IS NOT NULL;
CREATE INDEX task_file_document ON task_file (document_id) WHERE document_id IS NOT NULL;
CREATE INDEX task_file_owner ON task_file (owner_id);
ALTER TABLE task_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON task_file TO millrace_api USING (owner_id = caller_id());

-- The rows of a task that is under way, as they were read, and then with what they are matched by.
-- Without foreign keys, for their number: task_sweep() takes them. Half of a page is left free, so
-- that the update goes there.
CREATE TABLE task_row (
	task_id		uuid NOT NULL,
	n		int NOT NULL,
	file		int NOT NULL,
	row		int NOT NULL,			-- as a spreadsheet program counts
	cells		json NOT NULL,			-- texts and nulls
	name		text,
	email		text,
	phone		text,
	region		text,				-- of numbers without a country
	e164		text,
	phone_key	text,				-- country and last eight digits
	email_key	text,
	mailbox_key	text,				-- without what a mail's sender may add or leave out
	name_key	text,
	PRIMARY KEY (task_id, n)
) WITH (fillfactor = 50);

-- What leads are matched by, as of their last change.
CREATE TABLE lead_key (
	lead_id		uuid PRIMARY KEY REFERENCES lead ON DELETE CASCADE,
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	changed_at	timestamptz NOT NULL,		-- the lead's updated_at then
	region		text NOT NULL,
	e164		text,
	phone_key	text,
	email_key	text,
	mailbox_key	text,
	name_key	text
);
CREATE INDEX lead_key_e164 ON lead_key (owner_id, e164) WHERE e164 IS NOT NULL;
CREATE INDEX lead_key_phone ON lead_key (owner_id, phone_key) WHERE phone_key IS NOT NULL;
CREATE INDEX lead_key_email ON lead_key (owner_id, email_key) WHERE email_key IS NOT NULL;
CREATE INDEX lead_key_mailbox ON lead_key (owner_id, mailbox_key) WHERE mailbox_key IS NOT NULL;
CREATE INDEX lead_key_name ON lead_key (owner_id, name_key) WHERE name_key IS NOT NULL;
-- An owner's list goes first where it is the shorter one: what others have costs little.
CREATE INDEX lead_key_similar ON lead_key USING gin (owner_id trigram.uuid_ops, name_key trigram.gin_trgm_ops);
ALTER TABLE lead_key ENABLE ROW LEVEL SECURITY;

CREATE TABLE match (
	id		uuid NOT NULL DEFAULT uuid_v7(),
	task_id		uuid NOT NULL,
	n		int NOT NULL,			-- the row's
	owner_id	uuid NOT NULL,
	lead_id		uuid NOT NULL,
	file		int NOT NULL,
	row		int NOT NULL,
	cells		json NOT NULL CHECK (json_typeof(cells) = 'array'),
	score		int NOT NULL CHECK (score BETWEEN 0 AND 100),
	reasons		text[] NOT NULL,
	PRIMARY KEY (task_id, n)
);
CREATE INDEX match_owner ON match (owner_id, id);
ALTER TABLE match ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON match TO millrace_api USING (owner_id = caller_id());

-- Since when a data source does not answer, and why; when its process's addressees were last told.
ALTER TABLE datasource ADD COLUMN failed_at timestamptz, ADD COLUMN failure text, ADD COLUMN told_at timestamptz;

INSERT INTO export_section (position, name, query) VALUES
(132, 'tasks', $q$SELECT t.id, 0::int8, task_json(t)
	FROM task t WHERE t.owner_id = caller_id() AND t.process_id IS NOT NULL AND t.id > $1 ORDER BY t.id LIMIT $3$q$),
(134, 'matches', $q$SELECT m.id, 0::int8, match_json(m)
	FROM match m JOIN agent_process p ON p.matched_task = m.task_id JOIN task_file f ON f.task_id = m.task_id AND f.n = m.file WHERE m.owner_id = caller_id() AND m.id > $1 ORDER BY m.id LIMIT $3$q$);
