-- How many containers may run at once: MILLRACE_CONTAINERS, as a runner last said.
ALTER TABLE container_engine ADD COLUMN most int NOT NULL DEFAULT 20;
CREATE INDEX container_running ON container (status, used_at) WHERE status IN ('starting', 'running', 'stopping');
