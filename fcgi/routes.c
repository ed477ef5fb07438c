/*
 * The whole surface, a row an endpoint. From left to right: the method; the pool that serves it (nginx/pools.conf sends it there);
 * who may call; what limits the rate; how it is answered; how the body arrives; the path; the handler; then the documented reply:
 * status, schema (handlers/schemas.json) and summary. `.body` and `.query` are the field tables that the handler binds by; `.snake`
 * documents their names in snake_case, as contracts 1, 3 and 4 write them; `.idempotent` takes Idempotency-Key.
 */
#include "handlers/handlers.h"

/* The named columns are optional. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* clang-format off */
const struct route routes[] = {
	/* Is it up? */
	{ M_GET,    "system",    AUTH_PUBLIC, RATE_NONE,  IMMEDIATE, BODY_NONE,   "/healthz",                         system_health,
	    200, "Health", "Is the process up?" },
	{ M_GET,    "system",    AUTH_PUBLIC, RATE_NONE,  IMMEDIATE, BODY_NONE,   "/readyz",                          system_ready,
	    200, "Ready", "Is the database reachable and at this version?" },
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
	{ M_POST,   "auth",      AUTH_PUBLIC, RATE_LOGIN, IMMEDIATE, BODY_JSON,   "/api/auth/reset-password",         reset_ask,
	    200, "Message", "Ask for a mail with a link for a new password; the reply is always the same",
	    .body = &reset_ask_body },
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
	    200, "Message", "End the session and clear its cookies" },

	/* Account */
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/user",                        user_show,
	    200, "User", "The caller's profile, credits and assistant" },
	{ M_PATCH,  "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_JSON,   "/api/user",                        user_change,
	    200, "User", "Change any part of the profile",
	    .body = &user_change_body },
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/v1/admin/user",               account_show,
	    200, "Account", "The caller's account" },
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
	    200, "Notification[]", "What the caller was told, newest first",
	    .query = &notification_list_query },
	{ M_GET,    "account",   AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/notifications/{id:uuid}",     notification_show,
	    200, "Notification", "A notification" },
	{ M_POST,   "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/notifications/{id:uuid}/read", notification_read,
	    200, "Notification", "Mark a notification as read" },
	{ M_POST,   "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/notifications/read-all",      notification_read_all,
	    200, "Updated", "Mark all notifications as read" },
	{ M_DELETE, "account",   AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/notifications/{id:uuid}",     notification_delete,
	    204, NULL, "Delete a notification" },

	/* Chat */
	{ M_POST,   "chat",      AUTH_USER,   RATE_WRITE, STREAM,    BODY_JSON,   "/api/chat",                        chat_post,
	    200, "EventStream", "Say something; the answer comes as events",
	    .body = &chat_body, .idempotent = true },
	{ M_GET,    "chat",      AUTH_USER,   RATE_READ,  IMMEDIATE, BODY_NONE,   "/api/runs/{id:uuid}",              run_show,
	    200, "Run", "What became of a run" },
	{ M_GET,    "chat",      AUTH_USER,   RATE_READ,  STREAM,    BODY_NONE,   "/api/runs/{id:uuid}/stream",       run_stream,
	    200, "EventStream", "A run's events after Last-Event-ID, ?after= or all",
	    .query = &run_stream_query },
	{ M_POST,   "chat",      AUTH_USER,   RATE_WRITE, IMMEDIATE, BODY_NONE,   "/api/runs/{id:uuid}/cancel",       run_cancel,
	    200, "Run", "Stop a run and keep what was said" },
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
	    204, NULL, "Delete a conversation with its messages and artifacts" },
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
	    204, NULL, "Delete a document with its file, passages and embeddings" },
	{ M_POST,   "documents", AUTH_USER,   RATE_WRITE, DEFERRED,  BODY_NONE,   "/api/documents/{id:uuid}/reindex", document_reindex,
	    200, "Document", "Work through a document again",
	    .idempotent = true },
};
/* clang-format on */
const size_t n_routes = sizeof(routes) / sizeof(*routes);
