-- Functions that have other names now (sql/functions).
DROP FUNCTION IF EXISTS widget_say, session_say, telegram_say, telegram_ask, telegram_hear, slack_ask, visitor_ask, session_ask,
	stripe_checkout_ask, stripe_reconcile_ask, container_ask, approval_ask, oauth_refresh_ask, inbox_take, folder_take, task_take;
