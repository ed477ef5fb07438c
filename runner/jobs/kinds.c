#include "runner/jobs/kinds.h"

const struct job_kind job_kinds[] = {
	{ "agent", chat_run },
	{ "audit_verify", audit_verify_run },
	{ "call", call_run },
	{ "chat", chat_run },
	{ "cloud", cloud_run },
	{ "embed", embed_run },
	{ "ingest", ingest_run },
	{ "mail", mail_run },
	{ "mcp_list", mcp_list_run },
	{ "oauth", oauth_run },
	{ "payment", payment_run },
	{ "preview", chat_run },
	{ "search", search_run },
	{ "slack", slack_run },
	{ "stripe", stripe_run },
	{ "task", task_run },
	{ "telegram", telegram_run },
	{ "tool", tool_call_run },
	{ "workflow", workflow_run },
	{ NULL, NULL },
};
