-- Each request of a user reads its own row: the condition is an expression of the plan.
ALTER POLICY own ON app_user USING (id = caller_self());
