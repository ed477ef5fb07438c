/*
 * Settings, from the environment alone, read once at start. One table in lib/config.c names, bounds
 * and explains each, lib/config_rule.c has what else some take; an unknown MILLRACE_ name or a bad
 * value ends the start with a plain sentence.
 * A secret NAME may come as NAME, as the file that NAME_FILE names, or as
 * $CREDENTIALS_DIRECTORY/NAME (systemd.exec(5)); it is removed from the environment once read.
 *
 * config_check, config_load, config_load_only and config_reveal are for main, before the first
 * thread; after that the settings never change, and any thread may read them.
 */
#ifndef MILLRACE_CONFIG_H
#define MILLRACE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <millrace/str.h>

/* This server's registration at an identity provider (include/millrace/oauth.h). */
struct oauth_config {
	const char *client_id; /* "": no sign-in by this provider */
	const char *client_secret; /* NULL outside the runner */
	const char *scopes;
	const char *authorize_url;
	const char *token_url;
	const char *api_url; /* GitHub's */
	const char *issuer; /* OpenID Connect: of the id_token */
	const char *jwks_url;
	const char *revoke_url; /* RFC 7009; "": none */
};

/* A secret is NULL in a program that may not hold it. Texts are never NULL otherwise. */
struct config {
	const char *db; /* libpq conninfo without a user */
	const char *runtime_dir;
	const char *libexec_dir;
	const char *env_file; /* of settings that millracectl reads */
	const char *credstore; /* directory where it looks for secrets */
	const char *log_level;
	int64_t request_log; /* 1: a worker logs each request */

	const char *jwt_secret; /* API_JWT_SECRET: HS256 key of our own tokens, >= 32 bytes */
	const char *jwt_secret_old; /* the one before, only to verify with; "": none */
	int64_t session_seconds;
	const char *credits; /* required, or optional */
	const char *lost_streams; /* finish, or stop */
	const char *stripe_key, *stripe_webhook_secret, *stripe_webhook_secret_old;
	const char *stripe_price_id, *stripe_mode, *stripe_success_url, *stripe_cancel_url;
	const char *stripe_url; /* of its API */
	const char *checkout_origins; /* separated by spaces */
	const char *payment_networks; /* <millrace/payments.h> */
	const char *payment_urls;
	const char *payment_recipients;
	int64_t payment_bump_seconds; /* without a block, until the fee is raised */
	int64_t payment_fee_max; /* gwei for a unit of gas */
	int64_t payment_balance_min; /* USDC; below it administrators are told */
	const char *registration; /* who may make an account: open, invited or closed */
	const char *invite_url; /* page that takes an invitation, with {token}; "": none */
	int64_t argon2_ops;
	int64_t argon2_kib;

	int64_t rate_read; /* requests a minute for each caller; 0: no limit */
	int64_t rate_write;
	int64_t rate_login; /* a minute for each address */
	int64_t login_address_tries; /* wrong passwords in 15 minutes; 0: no limit */
	int64_t upload_max; /* bytes */
	int64_t user_bytes; /* of all files of one user; 0: no limit */
	int64_t user_documents; /* of one user; 0: no limit */
	/* Folders at cloud services that are kept in step: how often, and what one may hold. */
	int64_t folder_seconds, folder_files, folder_bytes;
	int64_t queue_max; /* jobs of one user that may wait; SQL: queue_check */
	int64_t reply_seconds; /* timeout of a deferred reply */
	/* What a chatbot's visitors may do: an address, a session, all of them. */
	int64_t widget_address_minute, widget_address_day;
	int64_t widget_session_minute, widget_session_day;
	int64_t widget_chatbot_minute;
	int64_t statement_ms; /* statement_timeout of workers and streamd */
	int64_t event_hours; /* retention of stream events */
	int64_t idempotency_hours; /* of Idempotency-Keys */
	int64_t run_days; /* of runs that have ended */
	int64_t notification_days;
	int64_t key_days; /* of API keys that have ended */

	int64_t runner_jobs; /* jobs that one runner executes at once, a thread each */
	int64_t user_jobs; /* of one user at once, over all runners */
	int64_t lease_seconds; /* without a heartbeat for so long, a job is taken over */
	int64_t flush_ms; /* longest interval in which token deltas are batched */
	const char *instance; /* names this runner on this host, also after a restart */

	const char *provider; /* <millrace/provider_list.h> */
	const char *providers;
	const char *provider_keys;
	const char *fallbacks;
	const char *embeddings; /* NAME/MODEL; "": none */
	int64_t embedding_dimensions; /* 0: as many as the model gives */
	const char *rerank; /* NAME or NAME/MODEL; "": none */
	int64_t rerank_passages, rerank_ms;
	const char *openai_base_url;
	const char *openai_key;
	const char *openai_model;
	const char *anthropic_base_url;
	const char *anthropic_key;
	const char *anthropic_model;
	const char *gemini_base_url;
	const char *gemini_key;
	const char *gemini_model;
	const char *vault_key; /* private key, base64; the runner's alone */
	const char *vault_key_old;
	const char *audit_key; /* private key, base64; the runner's alone */
	int64_t audit_seconds; /* an audit row waits so long for its signature at most */
	int64_t audit_rows; /* so many rows are unsigned at most */
	const char *drive_url, *graph_url; /* base URLs of their APIs */
	const char *container_socket; /* "": no containers */
	const char *container_image, *container_network;
	int64_t containers; /* at once */
	int64_t container_memory_mib, container_cpu_percent, container_pids, container_disk_mib;
	int64_t container_seconds, container_idle_seconds;
	const char *fetch_networks; /* that users' URLs may lead to beside public ones */
	int64_t provider_seconds; /* a model call that is silent for so long fails */

	const char *smtp_url; /* smtp:// or smtps://; "": no mail */
	const char *smtp_tls; /* required or off */
	const char *smtp_user;
	const char *smtp_password;
	const char *smtp_from;
	const char *reset_url; /* page for a new password, with {token} */

	const char *clerk_issuer; /* include/millrace/external.h */
	const char *clerk_jwks_url;
	const char *clerk_azp;
	const char *supabase_url;
	const char *supabase_issuer;
	const char *supabase_jwks_url;
	const char *supabase_jwt_secret;
	int64_t jwks_seconds; /* interval in which keys are fetched */
	int64_t jwks_pause_seconds; /* least time between two fetches for unknown keys */

	/* Signing secret of this server's own app at Slack, and the one before; "": none */
	const char *slack_signing, *slack_signing_old;
	const char *slack_api_url;
	const char *telegram_token; /* of the bot; "": no Telegram */
	const char *telegram_api_url;
	const char *telegram_updates; /* polling, or webhook */
	const char *public_url; /* address of this server from outside */
	const char *oauth_return_url; /* page after a sign-in by a provider */
	const char *oauth_error_url; /* page after a failed one; "": the same */
	struct oauth_config github, google, microsoft;
	const char *microsoft_tenant;

	int64_t stream_ping_seconds; /* interval of `: ping` on an idle SSE stream */
	int64_t stream_stall_seconds; /* a client that reads nothing for so long is closed */
	int64_t stream_connections; /* of one streamd */
	int64_t user_streams; /* of one user in one streamd; 0: no limit */
	int64_t ws_ping_seconds; /* an idle WebSocket is sent a ping after so long */
	int64_t ws_ping_timeout_seconds; /* and closed where its pong takes longer */
	const char *socketio_namespaces; /* beside "/", separated by commas */
	int64_t socketio_ping_ms;
	int64_t socketio_ping_timeout_ms;
	int64_t socketio_connect_ms; /* a session in no namespace is closed after so long */
	int64_t socketio_payload_max; /* bytes of a message, and of a polling body */
	int64_t ws_deflate; /* 1: permessage-deflate is negotiated */
};

/* The programs that read settings; a set of them is their bits. */
enum config_role {
	CONFIG_NO_SECRETS = 0, /* not a program: one that may hold no secret */
	CONFIG_WORKER = 1,
	CONFIG_STREAMD = 2,
	CONFIG_RUNNER = 4,
	CONFIG_CTL = 8
};

enum setting_kind { SETTING_TEXT = 1, SETTING_NUMBER, SETTING_SECRET };

/* A row of the table. */
struct setting {
	const char *name; /* of the environment variable */
	enum setting_kind kind;
	unsigned roles; /* the programs that read it; no other one may hold a secret */
	size_t offset; /* in struct config: of a const char * or an int64_t */
	const char *fallback; /* the default; "": may be empty; NULL: must be given */
	int64_t min, max; /* a number's bounds, or those of a text's length in bytes */
	const char *unit; /* of a number; "" where it has none */
	const char *help; /* one clause, without a full stop */
};
extern const struct setting config_settings[];
extern const size_t n_config_settings;

/* The process's settings after config_load. Never NULL; lives as long as the process. */
const struct config *config(void);

/*
 * Told each fault as one sentence for a person, without a secret's value. Not `wrong`: the programs
 * start, and something does not work for want of a setting.
 */
typedef void config_report(void *arg, bool wrong, const char *sentence);

/*
 * Reads and checks every setting on behalf of the programs in `roles`: secrets that are not theirs
 * are dropped unread. Returns how many sentences told of something wrong; config() is of use where
 * none did.
 */
size_t config_check(unsigned roles, config_report *each, void *arg);

/* The same for one program, which it ends at the first thing wrong, with that sentence. */
void config_load(enum config_role role);

/*
 * For a program that reads only the settings in `names`, separated by spaces: what is wrong with
 * others does not end it, and config() is of no use for them.
 */
void config_load_only(enum config_role role, const char *names);

/* Is it a setting, or where a secret's file is named? Those of ./dev and of the tests are, too. */
bool config_is_known(struct str name);

/* Once they are read: where a setting's value comes from, the file of a secret or "environment";
 * NULL: nobody has given it. */
const char *config_source(const struct setting *s);

/* Is there a relay and a sender for mails? */
bool config_has_mail(void);
/* MILLRACE_PUBLIC_URL without a slash at its end; empty where it is not set. */
struct str config_public_url(void);
/* Does a chat need credits (MILLRACE_CREDITS)? */
bool config_credits_required(void);

/* Puts the secrets back into the environment: only for exec of the process's own successor. */
void config_reveal(void);

/* Prints one setting as --help shows it: a line with its name, help and default. */
void config_help_setting(FILE *out, const struct setting *s);
/* Prints those that a program reads, and how a secret is given. */
void config_help(FILE *out, enum config_role role);

#endif
