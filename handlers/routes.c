/*
 * The whole surface, a row an endpoint. From left to right: the method; the pool that serves it
 * (nginx/pools.conf sends it there); who may call; what limits the rate; how it is answered; how
 * the body arrives; the path; the handler; then the documented reply: status, schema
 * (handlers/schemas/) and summary. `.body` and `.query` are the field tables that the handler
 * binds; `.snake` documents their names in snake_case, as the route's clients write them; `.also`
 * is another status of the same reply; `.idempotent` routes take Idempotency-Key.
 */
#include "handlers/account/account.h"
#include "handlers/chat/chat.h"
#include "handlers/documents/documents.h"
#include "handlers/identity/identity.h"
#include "handlers/insight/insight.h"
#include "handlers/realtime/realtime.h"
#include "handlers/system/system.h"

/* The named columns are optional. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

const struct alias aliases[] = {
	/* Front ends of the agent service with one base URL. */
	{ "/api/v1/agent", "/api/agent" },
	{ "/api/v1/config", "/api/config" },
	{ "/api/v1/datasources", "/api/datasources" },
	{ "/api/v1/user/datasources", "/api/user/datasources" },
	/* Its sign-in links say either word, and its GitHub page has a logout of its own. */
	{ "/api/v1/auth2/{provider:provider}/login", "/api/v1/auth2/{provider:provider}/signin" },
	{ "/api/v1/auth2/github/logout", "/api/v1/auth/logout" },
};
const size_t n_aliases = sizeof(aliases) / sizeof(*aliases);

/* In the order in which they are started. */
const struct pool pools[] = {
	{ "system", "health, readiness, metrics, the OpenAPI document; 404 for what no pool has" },
	{ "auth", "sessions, signing in by GitHub, Google and Microsoft, forgotten passwords" },
	{ "login",
	    "whatever hashes a password: slow by intent, so that nothing else waits behind it" },
	{ "account", "profile, settings, API keys, vault, notifications" },
	{ "chat", "chat, runs, conversations, artifacts" },
	{ "documents", "uploads, documents, search" },
	{ "insight", "leads and analytics" },
	{ "realtime", "handshakes of WebSocket and Socket.IO" },
};
const size_t n_pools = sizeof(pools) / sizeof(*pools);

/* A row goes when its path is served. */
const struct unserved unserved[] = {
	{ "system", "/docs" },
	{ "system", "/widget.js" },
	{ "account", "/api/v1/admin/invitations" },
	{ "account", "/api/settings/api-keys" },
	{ "chat", "/api/chat/sessions" },
	{ "chat", "/api/chat/widget" },
	{ "chat", "/api/messages" },
	{ "chat", "/api/artifacts/{id:uuid}/versions" },
	{ "documents", "/api/documents/url" },
	{ "insight", "/api/analytics" },
	{ "insight", "/api/leads/{id:uuid}/analyze" },
	{ "chatbots", "/api/chatbots" },
	{ "agents", "/api/agents" },
	{ "agents", "/api/workflows" },
	{ "agents", "/api/workflow-runs" },
	{ "agents", "/api/agent" },
	{ "agents", "/api/v1/agent" },
	{ "agents", "/api/config" },
	{ "agents", "/api/v1/config" },
	{ "agents", "/api/datasources" },
	{ "agents", "/api/v1/datasources" },
	{ "agents", "/api/user/datasources" },
	{ "agents", "/api/v1/user/datasources" },
	{ "agents", "/api/v1/admin/processes" },
	{ "agents", "/api/mcp-servers" },
	{ "billing", "/api/usage" },
	{ "billing", "/api/credits" },
	{ "billing", "/api/payments" },
	{ "billing", "/api/pricing" },
	{ "billing", "/api/subscriptions" },
	{ "billing", "/api/v1/admin/credits" },
	{ "gateway", "/api/v1/users" },
	{ "gateway", "/api/v1/providers" },
	{ "gateway", "/api/v1/approvals" },
	{ "gateway", "/api/v1/payments" },
	{ "gateway", "/api/v1/audit" },
	{ "gateway", "/v1" },
	{ "gateway", "/api/mcp" },
	{ "integrations", "/api/integrations" },
	{ "integrations", "/api/telegram" },
	{ "integrations", "/api/v1/drive" },
	{ "integrations", "/api/v1/cloud" },
	{ "integrations", "/api/v1/cloud-files" },
};
const size_t n_unserved = sizeof(unserved) / sizeof(*unserved);

/* clang-format off */
const struct route routes[] = {
	/* Is it up? */
	{ M_GET,    "system",    AUTH_PUBLIC, RATE_NONE,  IMMEDIATE, BODY_NONE,   "/healthz",                         system_health,
	    200, "Health", "Is the process up?" },
	{ M_GET,    "system",    AUTH_PUBLIC, RATE_NONE,  IMMEDIATE, BODY_NONE,   "/readyz",                          system_ready,
	    200, "Ready", "Is the database reachable and at this version, and every role there?" },
	{ M_GET,    "system",    AUTH_PUBLIC, RATE_NONE,  IMMEDIATE, BODY_NONE,   "/metrics",                         system_metrics,
	    200, "text/plain", "Counters for Prometheus; local addresses only" },
	{ M_GET,    "system",    AUTH_PUBLIC, RATE_NONE,  IMMEDIATE, BODY_NONE,   "/api/openapi.json",                system_openapi,
	    200, "OpenApi", "This document" },

	/* Identity */
	{ M_POST,   "login",     AUTH_PUBLIC, RATE_LOGIN, IMMEDIATE, BODY_JSON,   "/api/auth/register",               auth_register,
	    201, "SignedIn", "Make an account and sign in",
	    .body = &auth_register_body, .snake = true, .idempotent = true },
	{ M_POST,   "login",     AUTH_PUBLIC, RATE_LOGIN, IMMEDIATE, BODY_JSON,   "/api/auth/login",                  auth_login,
	    200, "SignedIn", "Sign in",
	    .body = &auth_login_body },
	{ M_POST,   "auth",      AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/auth/logout",                 auth_logout,
	    200, "Message", "Revoke the token" },
	{ M_GET,    "auth",      AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/auth/me",                     auth_me,
	    200, "SignedIn", "Who am I?" },
	{ M_POST,   "auth",      AUTH_PUBLIC, RATE_LOGIN, IMMEDIATE, BODY_JSON,   "/api/auth/reset-password",         reset_request,
	    200, "Message", "Ask for a mail with a link for a new password; the reply is always the same",
	    .body = &reset_request_body },
	{ M_POST,   "login",     AUTH_PUBLIC, RATE_LOGIN, IMMEDIATE, BODY_JSON,   "/api/auth/reset-password/confirm", reset_confirm,
	    200, "Message", "Set a new password by a mailed token; every session ends",
	    .body = &reset_confirm_body },
	{ M_POST,   "login",     AUTH_PUBLIC, RATE_LOGIN, IMMEDIATE, BODY_JSON,   "/api/v1/user/register",            session_register,
	    201, "Account", "Make an account with a name to sign in by",
	    .body = &session_register_body, .snake = true, .idempotent = true },
	{ M_POST,   "login",     AUTH_PUBLIC, RATE_LOGIN, IMMEDIATE, BODY_JSON,   "/api/v1/auth/login",               session_login,
	    200, "Account", "Sign in; the session comes in cookies",
	    .body = &session_login_body, .snake = true },
	{ M_POST,   "auth",      AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/v1/auth/logout",              session_logout,
	    200, "Message", "End the session and clear its cookies; providers stay connected" },
	{ M_GET,    "auth",      AUTH_PUBLIC, RATE_LOGIN, IMMEDIATE, BODY_NONE,   "/api/v1/auth2/{provider:provider}/signin", oauth_start,
	    302, NULL, "Sign in by GitHub, Google or Microsoft, or link them to the account whose session cookie comes along",
	    .query = &oauth_start_query, .snake = true },
	{ M_GET,    "auth",      AUTH_PUBLIC, RATE_READ,  DEFERRED,  BODY_NONE,   "/api/v1/auth2/{provider:provider}/callback", oauth_callback,
	    302, "Redirect", "Where the provider sends the browser back to; ends at the configured page",
	    .query = &oauth_callback_query, .snake = true },
	{ M_POST,   "auth",      AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/v1/auth/disconnect/{provider:provider}", oauth_disconnect,
	    200, "Message", "Forget the provider's tokens, and have them revoked there (Microsoft has no way to)" },

	/* Account */
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/user",                        user_show,
	    200, "User", "The caller's profile, credits and assistant" },
	{ M_PATCH,  "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/user",                        user_change,
	    200, "User", "Change any part of the profile",
	    .body = &user_change_body },
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/v1/admin/user",               account_show,
	    200, "Account", "The caller's account" },
	{ M_POST,   "login",     AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/v1/user/dao",                 account_make,
	    201, "Account", "An administrator makes an account; anybody else completes their own (200), without password or role",
	    .body = &account_make_body, .snake = true, .also = 200, .idempotent = true },
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/v1/user/dao/{id:uuid}",       account_find,
	    200, "Account", "One's own account, or anybody's for an administrator" },
	{ M_PUT,    "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/v1/user/dao/{id:uuid}",       account_change,
	    200, "Account", "Change any part of an account; only an administrator gives roles",
	    .body = &account_change_body, .snake = true },
	{ M_DELETE, "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/v1/user/dao/{id:uuid}",       account_erase,
	    204, NULL, "Erase an account with everything that is known about its user" },
	{ M_GET,    "account",   AUTH_ADMIN,  RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/v1/user/manager",             account_search,
	    200, "Account[]", "All accounts, or those that hold ?q= in a name or the address, newest first",
	    .query = &account_search_query, .snake = true },
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/v1/user/export",              account_export,
	    200, "Export", "Everything held about the caller, as one JSON attachment" },
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/settings",                    settings_show,
	    200, "Settings", "The caller's settings" },
	{ M_PUT,    "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/settings",                    settings_merge,
	    200, "Settings", "Merge into the settings; protected fields are ignored" },
	{ M_POST,   "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/settings",                    user_change,
	    200, "User", "Change any part of the profile",
	    .body = &user_change_body },
	{ M_POST,   "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/settings/regenerate-api-key", settings_new_key,
	    200, "ApiKey", "A new API key, shown this once; the old one stops at once" },
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/notifications",               notification_list,
	    200, "Notification[]", "The caller's notifications, newest first",
	    .query = &notification_list_query },
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/notifications/{id:uuid}",     notification_show,
	    200, "Notification", "A notification" },
	{ M_POST,   "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/notifications/{id:uuid}/read", notification_read,
	    200, "Notification", "Mark a notification as read" },
	{ M_POST,   "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/notifications/read-all",      notification_read_all,
	    200, "Updated", "Mark all notifications as read" },
	{ M_DELETE, "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/notifications/{id:uuid}",     notification_delete,
	    204, NULL, "Delete a notification" },
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/vault",                       vault_list,
	    200, "Secret[]", "What the caller has in the vault; never the values" },
	{ M_POST,   "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/vault",                       vault_put,
	    200, "Secret", "Put a secret into the vault, in the place of one of the same name",
	    .body = &vault_put_body, .idempotent = true },
	{ M_DELETE, "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/vault",                       vault_delete,
	    200, "Success", "Delete a secret",
	    .query = &vault_delete_query },

	/* Real time */
	{ M_GET,    "realtime",  AUTH_USER,   RATE_READ,  SOCKET,    BODY_NONE,   "/api/ws/analytics",                realtime_channel,
	    101, NULL, "WebSocket: leads, messages, conversations and subscriptions as they change; the caller's, or everybody's",
	    .query = &socket_query, .scope = "read analytics:read", .nobody = realtime_nobody },
	{ M_GET,    "realtime",  AUTH_USER,   RATE_READ,  SOCKET,    BODY_NONE,   "/api/ws/notifications",            realtime_channel,
	    101, NULL, "WebSocket: the caller's notifications as they come",
	    .query = &socket_query, .nobody = realtime_nobody },
	{ M_GET,    "realtime",  AUTH_USER,   RATE_READ,  SOCKET,    BODY_NONE,   "/api/ws/workflows",                realtime_channel,
	    101, NULL, "WebSocket: the caller's workflow runs as they proceed",
	    .query = &socket_query, .nobody = realtime_nobody },
	{ M_GET,    "realtime",  AUTH_OPTIONAL, RATE_NONE, SOCKET,   BODY_NONE,   "/api/socket.io",                   realtime_socketio,
	    200, "text/plain", "Socket.IO 5 over Engine.IO 4: handshake, poll, or WebSocket (101)",
	    .also = 101, .refusal = "EngineRefusal", .nobody = realtime_nobody },
	{ M_POST,   "realtime",  AUTH_OPTIONAL, RATE_NONE, SOCKET,   BODY_NONE,   "/api/socket.io",                   realtime_socketio,
	    200, "text/plain", "Socket.IO 5 over Engine.IO 4: packets of a polling client",
	    .refusal = "EngineRefusal", .nobody = realtime_nobody },

	/* Chat */
	{ M_POST,   "chat",      AUTH_USER,   RATE_WRITE, STREAM,    BODY_JSON,   "/api/chat",                        chat_post,
	    200, "EventStream", "Send a message; the reply comes as events",
	    .body = &chat_body, .idempotent = true },
	{ M_GET,    "chat",      AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/runs/{id:uuid}",              run_show,
	    200, "Run", "A run's state and outcome" },
	{ M_GET,    "chat",      AUTH_USER,   RATE_READ,  STREAM,    BODY_NONE,   "/api/runs/{id:uuid}/stream",       run_stream,
	    200, "EventStream", "A run's events after Last-Event-ID, ?after= or all",
	    .query = &run_stream_query },
	{ M_POST,   "chat",      AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/runs/{id:uuid}/cancel",       run_cancel,
	    200, "Run", "Stop a run and keep its output" },
	{ M_GET,    "chat",      AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/conversations",               conversation_list,
	    200, "Conversation[]", "The caller's conversations, newest first",
	    .query = &list_query },
	{ M_GET,    "chat",      AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/conversations/{id:uuid}",     conversation_show,
	    200, "ConversationWithMessages", "A conversation and its messages",
	    .query = &list_query },
	{ M_PATCH,  "chat",      AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/conversations/{id:uuid}",     conversation_rename,
	    200, "Conversation", "Rename a conversation",
	    .body = &conversation_body },
	{ M_DELETE, "chat",      AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/conversations/{id:uuid}",     conversation_delete,
	    204, NULL, "Delete a conversation with its messages, artifacts and runs" },
	{ M_GET,    "chat",      AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/artifacts/{id:uuid}",         artifact_show,
	    200, "application/octet-stream", "A file that the assistant wrote" },

	/* Documents */
	{ M_POST,   "documents", AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_UPLOAD, "/api/documents/upload",            document_upload,
	    202, "Upload", "Store a document; with wait=1 the reply comes when it is ready (200)",
	    .body = &document_body, .query = &document_upload_query, .idempotent = true },
	{ M_GET,    "documents", AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/documents",                   document_list,
	    200, "Document[]", "The caller's documents, newest first",
	    .query = &list_query },
	{ M_GET,    "documents", AUTH_USER,   RATE_READ,  DEFERRED,  BODY_NONE,   "/api/documents/search",            document_search,
	    200, "Passage[]", "Passages that match, best first",
	    .query = &document_search_query },
	{ M_GET,    "documents", AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/documents/{id:uuid}",         document_show,
	    200, "Document", "A document" },
	{ M_DELETE, "documents", AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/documents/{id:uuid}",         document_delete,
	    204, NULL, "Delete a document with its file, and its passages wherever they were copied to" },
	{ M_POST,   "documents", AUTH_USER,   RATE_WRITE, DEFERRED,  BODY_NONE,   "/api/documents/{id:uuid}/reindex", document_reindex,
	    200, "Document", "Extract and index a document again",
	    .idempotent = true },

	/* Insight */
	{ M_POST,   "insight",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/leads",                       lead_create,
	    201, "Lead", "Make a lead",
	    .body = &lead_create_body, .snake = true, .idempotent = true },
	{ M_GET,    "insight",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/leads",                       lead_list,
	    200, "Lead[]", "The caller's leads, or those of ?status= or that hold ?q=, newest first",
	    .query = &lead_list_query, .snake = true },
	{ M_GET,    "insight",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/leads/{id:uuid}",             lead_show,
	    200, "Lead", "A lead" },
	{ M_PATCH,  "insight",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/leads/{id:uuid}",             lead_change,
	    200, "Lead", "Change any part of a lead; null clears",
	    .body = &lead_change_body, .snake = true },
	{ M_DELETE, "insight",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/leads/{id:uuid}",             lead_delete,
	    204, NULL, "Delete a lead" },
};
/* clang-format on */
const size_t n_routes = sizeof(routes) / sizeof(*routes);
