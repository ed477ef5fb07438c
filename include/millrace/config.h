/*
 * Settings, from the environment alone, read once at start. One table in lib/config.c names, explains and bounds each; an
 * unknown MILLRACE_ name or a bad value ends the start with a plain sentence. A secret NAME may come as NAME, as the file that
 * NAME_FILE names, or as $CREDENTIALS_DIRECTORY/NAME (systemd); it is removed from the environment once read.
 */
#ifndef MILLRACE_CONFIG_H
#define MILLRACE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What this server is at a provider that people sign in with (include/millrace/oauth.h). */
struct oauth_config {
	const char *client_id; /* "": not set up */
	const char *client_secret; /* the runner's alone */
	const char *scopes;
	const char *authorize_url;
	const char *token_url;
	const char *api_url; /* GitHub's */
	const char *issuer; /* OpenID Connect: of the id_token */
	const char *jwks_url;
	const char *revoke_url; /* RFC 7009; "": none */
};

struct config {
	const char *db; /* libpq conninfo without a user */
	const char *runtime_dir;
	const char *libexec_dir;
	const char *log_level;

	const char *jwt_secret; /* API_JWT_SECRET: HS256 key of our own tokens, at least 32 bytes */
	const char *jwt_secret_old; /* the one before it, for verifying alone; "": none */
	int64_t session_seconds;
	int64_t argon2_ops;
	int64_t argon2_kib;

	int64_t rate_read; /* requests a minute for each caller; 0: no limit */
	int64_t rate_write;
	int64_t rate_login; /* a minute for each address */
	int64_t login_address_tries; /* wrong passwords in a quarter of an hour; 0: any */
	int64_t upload_max; /* bytes */
	int64_t queue_max; /* jobs that may wait before 503 */
	int64_t reply_seconds; /* how long a deferred reply is waited for */
	int64_t statement_ms; /* a worker's statement time limit */
	int64_t event_hours; /* how long stream events are kept */

	int64_t runner_jobs; /* jobs one runner does at once: one thread each */
	int64_t user_jobs; /* of one user's at once, over all runners */
	int64_t lease_seconds;
	int64_t flush_ms; /* token deltas are written together this often at most */
	const char *
	    instance; /* this runner's name on this host; its successor takes its jobs back at start */

	const char *provider; /* auto, local or openai */
	const char *openai_base_url;
	const char *openai_key;
	const char *openai_model;
	const char *vault_key; /* private, in base64; the runner's alone */
	const char *vault_key_old;
	const char *audit_key; /* private, in base64; the runner's alone */
	int64_t audit_seconds; /* how long a row of the audit log waits for its signature */
	int64_t audit_rows; /* and how many wait at most */
	int64_t provider_seconds; /* a model call's longest silence */

	const char *smtp_url; /* smtp:// or smtps://; "": no mail */
	const char *smtp_tls; /* required or off */
	const char *smtp_user;
	const char *smtp_password;
	const char *smtp_from;
	const char *reset_url; /* the page for a new password, with {token} */

	const char *clerk_issuer; /* external tokens: include/millrace/external.h */
	const char *clerk_jwks_url;
	const char *clerk_azp;
	const char *supabase_url;
	const char *supabase_issuer;
	const char *supabase_jwks_url;
	const char *supabase_jwt_secret; /* NULL where this process may not hold it */
	int64_t jwks_seconds; /* how often keys are fetched */
	int64_t jwks_pause_seconds; /* and how seldom because of unknown ones */

	const char *public_url; /* where this server is reached from outside */
	const char *oauth_return_url; /* the page after a sign-in by a provider */
	const char *oauth_error_url; /* and after one that failed; "": the same */
	struct oauth_config github, google, microsoft;
	const char *microsoft_tenant;

	int64_t stream_ping_seconds; /* `: ping` on a quiet SSE stream */
	int64_t stream_stall_seconds; /* a reader that takes nothing for so long is closed */
	int64_t stream_connections; /* held at once by one streamd */
	int64_t user_streams; /* of them, one user's; 0: any */
	int64_t ws_ping_seconds; /* a quiet WebSocket is asked whether it is there … */
	int64_t ws_ping_timeout_seconds; /* … and closed when it has not said so for so long */
	const char *socketio_namespaces; /* beside "/", parted by commas */
	int64_t socketio_ping_ms;
	int64_t socketio_ping_timeout_ms;
	int64_t socketio_connect_ms; /* a session in no namespace is closed */
	int64_t socketio_payload_max; /* bytes of a message, and of a poll's body */
	int64_t ws_deflate; /* 1: permessage-deflate is agreed to */
};

/* The process's settings, after config_load. Never NULL then; lives as long as the process. */
const struct config *config(void);

/* Reads and checks everything. Ends the process with a message on any error. `secrets` says whether this process may hold
   API_JWT_SECRET, and `providers` whether it may hold provider keys: what it may not hold, it drops unread. */
void config_load(bool secrets, bool providers);

/* Puts the secrets that this process holds back into its environment: for exec of its own successor alone. */
void config_reveal(void);

/* Every setting with its default and meaning, for --help. */
void config_help(FILE *out);

#endif
