-- How many tokens a model may take that chooses among passages before an answer; 0: none chooses.
ALTER TABLE chat_model ADD COLUMN choosing_tokens bigint NOT NULL DEFAULT 0;
