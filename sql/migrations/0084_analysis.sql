-- What agents made of leads.

CREATE TABLE lead_analysis (
	id		uuid PRIMARY KEY DEFAULT uuid_v7(),
	owner_id	uuid NOT NULL REFERENCES app_user ON DELETE CASCADE,
	lead_id		uuid NOT NULL REFERENCES lead ON DELETE CASCADE,
	score		int NOT NULL CHECK (score BETWEEN 0 AND 100),
	summary		text NOT NULL,
	next_action	text NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX lead_analysis_lead ON lead_analysis (lead_id, id);
CREATE INDEX lead_analysis_owner ON lead_analysis (owner_id, id);
ALTER TABLE lead_analysis ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON lead_analysis TO millrace_api USING (owner_id = caller_id());
CREATE TRIGGER publish_lead_analyzed AFTER INSERT ON lead_analysis FOR EACH ROW EXECUTE FUNCTION publish_lead_analyzed();

INSERT INTO export_section (position, name, query) VALUES
(115, 'lead_analyses', $q$SELECT id, 0::int8, analysis_json(a)
	FROM lead_analysis a WHERE owner_id = caller_id() AND id > $1 ORDER BY id LIMIT $3$q$);
