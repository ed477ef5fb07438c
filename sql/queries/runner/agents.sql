-- A user's leads that fit a question best, by rules; `looked_at` is of how many.
-- name: runner_leads_rank
-- args: owner uuid, query text, most int4
-- row: lead text, name text, score int4, reasons json, looked_at int8
SELECT lead, name, score, reasons, looked_at FROM lead_rank($1, $2, $3);

-- A lead, and what it is rated by rules; no row where it is gone.
-- name: runner_lead_rate
-- args: owner uuid, lead uuid
-- row: lead text, name text, score int4, reasons json
SELECT lead_text(l) AS lead, l.name, v.score, to_json(v.reasons) AS reasons FROM lead l, lead_rate(l, '{}') v WHERE l.id = $2 AND l.owner_id = $1;

-- No row where the lease is lost.
-- name: runner_agent_act
-- args: run_id uuid, runner_name text, attempt int4, data text
-- row: act bool
SELECT act FROM agent_act($1, $2, $3, $4::text::json) act WHERE act;

-- name: runner_agent_end
-- args: run_id uuid, runner_name text, attempt int4, after int8, content text, sources text, found text, reason text
-- row: agent_finish int8
-- ends
SELECT agent_finish($1, $2, $3, $4, $5, $6::text::json, $7::text::json, $8);
