/* The pools. */
#include "fcgi/route.h"

/* The named column is optional. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* In the order in which they are started. */
const struct pool pools[] = {
	{ "system", "health, readiness, metrics, the OpenAPI document; 404 for what no pool has" },
	{ "auth", "sessions, signing in by GitHub, Google and Microsoft, forgotten passwords" },
	{ "login",
	    "whatever hashes a password: slow by intent, so that nothing else waits behind it" },
	{ "account", "profile, settings, API keys, vault, notifications, invitations" },
	{ "chat", "chat, runs, conversations, sessions with chatbots, artifacts" },
	{ "documents", "uploads, documents, search" },
	{ "chatbots", "chatbots, their documents, previews, what their widget shows" },
	{ "insight", "leads and analytics" },
	{ "agents", "agents, workflows, processes and their schedules, data sources, MCP" },
	{ "billing",
	    "use by day, credits, packages, campaigns, subscriptions, payments by Stripe" },
	{ "gateway",
	    "other vendors' clients below /v1; service accounts' users: budgets, policies, "
	    "spending; models' prices; approvals; payments; the audit log" },
	{ "integrations",
	    "where chatbots and assistants answer: sites, Slack, Telegram; files at Google Drive "
	    "and OneDrive" },
	{ "realtime", "handshakes of WebSocket and Socket.IO" },
};
const size_t n_pools = sizeof(pools) / sizeof(*pools);
