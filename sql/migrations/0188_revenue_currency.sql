-- Revenue is of one currency: the functions that sum it up take that as an argument more.
DROP FUNCTION IF EXISTS trend_series(uuid, boolean, text, timestamptz, timestamptz, text, text);
DROP FUNCTION IF EXISTS analytics_overview(bytea, int);
DROP FUNCTION IF EXISTS analytics_series(bytea, text, timestamptz, timestamptz, text, text);
