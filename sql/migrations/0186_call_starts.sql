-- What each call of a model begins with.
DROP FUNCTION IF EXISTS runner_at_hand();

-- A statement that writes to a table reads and plans each of its conditions anew. A project's
-- limits are looked at when they are set, not with each amount that is reserved.
ALTER TABLE project DROP CONSTRAINT project_daily_limit_check, DROP CONSTRAINT project_monthly_limit_check,
	DROP CONSTRAINT project_per_request_limit_check, DROP CONSTRAINT project_requests_per_minute_check,
	DROP CONSTRAINT project_require_approval_above_check, DROP CONSTRAINT project_tokens_per_hour_check;
CREATE TRIGGER project_limits
	BEFORE INSERT OR UPDATE OF daily_limit, monthly_limit, per_request_limit, requests_per_minute, require_approval_above, tokens_per_hour ON project
	FOR EACH ROW WHEN (least(NEW.daily_limit, NEW.monthly_limit, NEW.per_request_limit, NEW.requests_per_minute, NEW.require_approval_above,
		NEW.tokens_per_hour) < 0) EXECUTE FUNCTION project_limits();
