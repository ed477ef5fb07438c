-- What begins a call tells for how long a refusal stands: functions that return a column more.
DROP FUNCTION IF EXISTS charge_make(uuid, text, text, text, text, text, text, numeric, boolean, interval, uuid);
DROP FUNCTION IF EXISTS call_begin(text, text, text, text, text, text, jsonb, numeric, boolean, int);
DROP FUNCTION IF EXISTS gateway_start(text, text, text, text, text, jsonb, bigint, bigint, boolean, int);
DROP FUNCTION IF EXISTS provider_call(text, text, text, text, text, text, jsonb, boolean, bigint, bigint, bigint, bigint, text, boolean, int);
