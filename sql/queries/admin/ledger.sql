-- How many entries there are, and what is wrong with them, at most 100 things; NULL: nothing.
-- name: admin_ledger_verify
-- row: entries int8, problem text
SELECT (SELECT count(*) FROM ledger_entry) AS entries, v.problem FROM (VALUES (1)) one LEFT JOIN ledger_verify() v ON true LIMIT 100;
