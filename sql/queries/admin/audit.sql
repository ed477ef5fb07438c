-- How long the chain is, and its first broken row; seq is NULL where it holds.
-- name: admin_audit_verify
-- row: rows int8, seq int8, problem text
SELECT (SELECT count(*) FROM audit_log) AS rows, v.seq, v.problem FROM (VALUES (1)) one LEFT JOIN audit_verify() v ON true;
