#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <millrace/arena.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "config_rule.h"
#include "config_secret.h"
#include "config_together.h"

extern char **environ;

/* Short names for the table's column. */
enum { W = CONFIG_WORKER, D = CONFIG_STREAMD, R = CONFIG_RUNNER, C = CONFIG_CTL };
enum { ALL = W | D | R | C };

/* The one list of settings; struct setting documents its columns. */
const struct setting config_settings[] = {
#define ROW(name, kind, roles, member, fallback, min, max, unit, help)                            \
	{                                                                                         \
		name, SETTING_##kind, roles, offsetof(struct config, member), fallback, min, max, \
		    unit, help                                                                    \
	}
	ROW("MILLRACE_DB", TEXT, ALL, db, "host=/run/postgresql dbname=millrace", 1, 1000, "",
	    "libpq conninfo, without a user"),
	ROW("MILLRACE_RUNTIME_DIR", TEXT, W | D | C, runtime_dir, "/run/millrace", 1, 90, "",
	    "directory of the sockets and of the rate counters that workers share"),
	ROW("MILLRACE_LIBEXEC_DIR", TEXT, D | R | C, libexec_dir, "/usr/lib/millrace", 1, 1000, "",
	    "directory of the programs: millrace-extract, and millrace-streamd for a handover"),
	ROW("MILLRACE_ENV_FILE", TEXT, C, env_file, "/etc/millrace/millrace.env", 1, 1000, "",
	    "file of settings that millracectl reads, as systemd does for the other programs"),
	ROW("MILLRACE_CREDSTORE", TEXT, C, credstore, "/etc/credstore", 1, 1000, "",
	    "directory where millracectl looks for secrets, in files named millrace.NAME"),
	ROW("MILLRACE_LOG_LEVEL", TEXT, W | D | R, log_level, "info", 1, 1000, "",
	    "debug, info, warn or error"),
	ROW("MILLRACE_REQUEST_LOG", NUMBER, W, request_log, "0", 0, 1, "",
	    "1: workers log each request in a line, by its X-Request-Id; 0: those that fail"),
	ROW("API_JWT_SECRET", SECRET, W | D | C, jwt_secret, NULL, 32, 1024, "",
	    "signs our own session tokens (HS256): 32 bytes or more"),
	ROW("API_JWT_SECRET_OLD", SECRET, W | D, jwt_secret_old, "", 32, 1024, "",
	    "the one before, during a rotation: still verifies what it signed, signs nothing"),
	ROW("MILLRACE_SESSION_SECONDS", NUMBER, W | C, session_seconds, "604800", 60, 31536000, "s",
	    "lifetime of a sign-in"),
	ROW("MILLRACE_REGISTRATION", TEXT, W | C, registration, "open", 1, 1000, "",
	    "who may make an account: open, invited (by a link of `millracectl user invite`) or "
	    "closed"),
	ROW("MILLRACE_INVITE_URL", TEXT, W | R | C, invite_url, "", 0, 1000, "",
	    "page that takes an invitation, with {token} in its address"),
	ROW("MILLRACE_ARGON2_OPS", NUMBER, W | C, argon2_ops, "3", 1, 20, "passes",
	    "cost of a password hash (Argon2id): passes"),
	ROW("MILLRACE_ARGON2_KIB", NUMBER, W | C, argon2_kib, "65536", 8, 1048576, "KiB",
	    "cost of a password hash (Argon2id): memory"),
	ROW("MILLRACE_RATE_READ", NUMBER, W, rate_read, "3000", 0, 100000000, "a minute",
	    "reads of one caller; 0: no limit"),
	ROW("MILLRACE_RATE_WRITE", NUMBER, W, rate_write, "600", 0, 100000000, "a minute",
	    "changes by one caller; 0: no limit"),
	ROW("MILLRACE_RATE_LOGIN", NUMBER, W, rate_login, "30", 0, 100000000, "a minute",
	    "sign-ins from one address; 0: no limit"),
	ROW("MILLRACE_LOGIN_ADDRESS_TRIES", NUMBER, W, login_address_tries, "50", 0, 1000000,
	    "in 15 minutes", "wrong passwords from one address before it has to wait; 0: no limit"),
	ROW("MILLRACE_UPLOAD_MAX", NUMBER, W | R, upload_max, "52428800", 1024, 1073741824, "bytes",
	    "size of one uploaded file; nginx has a limit of its own (upload-limit.conf)"),
	ROW("MILLRACE_USER_BYTES", NUMBER, W | R, user_bytes, "5368709120", 0, INT64_MAX, "bytes",
	    "size of one user's files: uploads, and what the assistant wrote; 0: no limit"),
	ROW("MILLRACE_USER_DOCUMENTS", NUMBER, W | R, user_documents, "10000", 0, 1000000000,
	    "documents", "documents of one user; 0: no limit"),
	ROW("MILLRACE_FOLDER_SECONDS", NUMBER, W | R, folder_seconds, "300", 1, 86400, "s",
	    "folders at Google Drive and OneDrive are asked for changes so often"),
	ROW("MILLRACE_FOLDER_FILES", NUMBER, R, folder_files, "1000", 1, 10000, "files",
	    "documents of one such folder"),
	ROW("MILLRACE_FOLDER_BYTES", NUMBER, R, folder_bytes, "1073741824", 1, INT64_MAX, "bytes",
	    "size of these together"),
	ROW("MILLRACE_QUEUE_MAX", NUMBER, W | R, queue_max, "10000", 1, 1000000, "jobs",
	    "jobs of one user that may wait, a quarter while others wait; beyond it 429"),
	ROW("MILLRACE_CREDITS", TEXT, W | R, credits, "optional", 1, 1000, "",
	    "required: what costs needs credits; optional: it is paid from them, also below zero"),
	ROW("MILLRACE_LOST_STREAMS", TEXT, W, lost_streams, "finish", 1, 1000, "",
	    "finish or stop: what becomes of a gateway's stream whose client has gone"),
	ROW("STRIPE_API_KEY", SECRET, R, stripe_key, "", 0, 1000, "",
	    "Stripe's secret key; without it nothing is sold"),
	ROW("STRIPE_WEBHOOK_SECRET", SECRET, W, stripe_webhook_secret, "", 0, 1000, "",
	    "signing secret of the webhook endpoint at Stripe"),
	ROW("STRIPE_WEBHOOK_SECRET_OLD", SECRET, W, stripe_webhook_secret_old, "", 0, 1000, "",
	    "the one before, while it is rotated: still good"),
	ROW("STRIPE_PRICE_ID", TEXT, W, stripe_price_id, "", 0, 255, "",
	    "price of a checkout that names none"),
	ROW("STRIPE_MODE", TEXT, W, stripe_mode, "subscription", 1, 100, "",
	    "subscription or payment: what a checkout is that does not say it"),
	ROW("STRIPE_SUCCESS_URL", TEXT, W, stripe_success_url, "", 0, 1000, "",
	    "page after a payment"),
	ROW("STRIPE_CANCEL_URL", TEXT, W, stripe_cancel_url, "", 0, 1000, "",
	    "page after a checkout that was left"),
	ROW("MILLRACE_CHECKOUT_ORIGINS", TEXT, W, checkout_origins, "", 0, 2000, "",
	    "origins of further pages that a checkout may lead back to, separated by spaces"),
	ROW("MILLRACE_STRIPE_URL", TEXT, R, stripe_url, "https://api.stripe.com", 8, 1000, "",
	    "Stripe's API"),
	ROW("MILLRACE_PAYMENT_NETWORKS", TEXT, W | R | C, payment_networks, "", 0, 4000, "",
	    "networks that payments in USDC go over: NAME=CHAIN, with /CONFIRMATIONS (12) and "
	    ":TOKEN, the address of USDC where it is a token there; empty: no payments"),
	ROW("MILLRACE_PAYMENT_URLS", SECRET, R, payment_urls, "", 0, 2000, "",
	    "nodes of these networks: NAME=URL, separated by spaces; a URL may hold a key"),
	ROW("MILLRACE_PAYMENT_RECIPIENTS", TEXT, W, payment_recipients, "", 0, 8000, "",
	    "whom payments go to: PROVIDER@NETWORK=ADDRESS, with the address's checksum"),
	ROW("MILLRACE_PAYMENT_BUMP_SECONDS", NUMBER, R, payment_bump_seconds, "60", 1, 86400, "s",
	    "a transaction that no block has after so long is sent again with a higher fee"),
	ROW("MILLRACE_PAYMENT_FEE_MAX", NUMBER, R, payment_fee_max, "500", 1, 1000000, "gwei",
	    "a unit of gas costs so much at most; while a network asks for more, payments wait"),
	ROW("MILLRACE_PAYMENT_BALANCE_MIN", NUMBER, R, payment_balance_min, "10", 0, 1000000000,
	    "USDC", "administrators are told when an account for payments has less"),
	ROW("MILLRACE_REPLY_SECONDS", NUMBER, W | R, reply_seconds, "50", 1, 3600, "s",
	    "timeout of a deferred reply"),
	ROW("MILLRACE_WIDGET_ADDRESS_MINUTE", NUMBER, W, widget_address_minute, "30", 1, 1000000,
	    "a minute", "messages and new sessions of a chatbot's visitors from one address"),
	ROW("MILLRACE_WIDGET_ADDRESS_DAY", NUMBER, W, widget_address_day, "1000", 1, 100000000,
	    "a day", "the same, a day (UTC)"),
	ROW("MILLRACE_WIDGET_SESSION_MINUTE", NUMBER, W, widget_session_minute, "10", 1, 1000000,
	    "a minute", "messages in one visitor's session"),
	ROW("MILLRACE_WIDGET_SESSION_DAY", NUMBER, W, widget_session_day, "200", 1, 100000000,
	    "a day", "the same, a day (UTC)"),
	ROW("MILLRACE_WIDGET_CHATBOT_MINUTE", NUMBER, W, widget_chatbot_minute, "600", 1, 1000000,
	    "a minute",
	    "messages to one chatbot by all visitors, and as many new sessions; a "
	    "day's bounds are the chatbot's own settings"),
	ROW("MILLRACE_STATEMENT_MS", NUMBER, W | D, statement_ms, "5000", 10, 600000, "ms",
	    "statement_timeout of workers and streamd"),
	ROW("MILLRACE_EVENT_HOURS", NUMBER, R, event_hours, "24", 1, 8760, "hours",
	    "retention of stream events"),
	ROW("MILLRACE_IDEMPOTENCY_HOURS", NUMBER, R, idempotency_hours, "24", 1, 720, "hours",
	    "an Idempotency-Key and its reply are kept for so long"),
	ROW("MILLRACE_RUN_DAYS", NUMBER, R, run_days, "30", 1, 36500, "days",
	    "a run that has ended, with its input and outcome, is kept for so long"),
	ROW("MILLRACE_NOTIFICATION_DAYS", NUMBER, R, notification_days, "90", 1, 36500, "days",
	    "a notification is kept for so long"),
	ROW("MILLRACE_KEY_DAYS", NUMBER, R, key_days, "90", 1, 36500, "days",
	    "an API key that was revoked or has ended is listed for so long"),
	ROW("MILLRACE_RUNNER_JOBS", NUMBER, R, runner_jobs, "256", 1, 10000, "jobs",
	    "jobs that one runner executes at once"),
	ROW("MILLRACE_USER_JOBS", NUMBER, R, user_jobs, "16", 1, 10000, "jobs",
	    "jobs of one user that execute at once, over all runners"),
	ROW("MILLRACE_LEASE_SECONDS", NUMBER, R, lease_seconds, "30", 1, 3600, "s",
	    "a job whose runner sends no heartbeat for so long is taken over"),
	ROW("MILLRACE_FLUSH_MS", NUMBER, R, flush_ms, "20", 1, 1000, "ms",
	    "longest interval in which token deltas are batched into one write"),
	ROW("MILLRACE_INSTANCE", TEXT, R, instance, "1", 1, 64, "",
	    "name of this runner on this host; its successor takes its jobs back at start"),
	ROW("MILLRACE_PROVIDER", TEXT, R, provider, "auto", 1, 1000, "",
	    "who answers: names of providers, each as NAME or NAME/MODEL; the next is asked where "
	    "one cannot answer. local, openai, anthropic, google, those of MILLRACE_PROVIDERS, or "
	    "auto: the first of openai, anthropic and google that has a key, else local"),
	ROW("MILLRACE_PROVIDERS", TEXT, R, providers, "", 0, 8000, "",
	    "further providers: NAME=KIND:URL, where KIND is openai, anthropic or google and says "
	    "how the server is spoken to"),
	ROW("MILLRACE_PROVIDER_KEYS", SECRET, R, provider_keys, "", 0, 2000, "",
	    "API keys of providers of MILLRACE_PROVIDERS: NAME=KEY, separated by spaces"),
	ROW("MILLRACE_FALLBACKS", TEXT, R, fallbacks, "", 0, 8000, "",
	    "who answers other vendors' clients where a model cannot: MODEL=PROVIDER/MODEL"),
	ROW("MILLRACE_EMBEDDINGS", TEXT, R, embeddings, "", 0, 300, "",
	    "who embeds documents and questions, so that search goes by their meaning, too: "
	    "NAME/MODEL, of a provider with embeddings; empty: nobody"),
	ROW("MILLRACE_EMBEDDING_DIMENSIONS", NUMBER, R, embedding_dimensions, "0", 0, 16000, "",
	    "numbers of a vector to ask MILLRACE_EMBEDDINGS for; 0: as many as the model gives"),
	ROW("MILLRACE_RERANK", TEXT, R, rerank, "", 0, 300, "",
	    "who picks from what a search has found before a chat is answered, in one call more "
	    "each time: NAME or NAME/MODEL; empty: nobody"),
	ROW("MILLRACE_RERANK_PASSAGES", NUMBER, R, rerank_passages, "30", 20, 50, "passages",
	    "how many MILLRACE_RERANK picks from"),
	ROW("MILLRACE_RERANK_MS", NUMBER, R, rerank_ms, "4000", 100, 60000, "ms",
	    "how long that may take; then the order of the search stands"),
	ROW("OPENAI_BASE_URL", TEXT, R, openai_base_url, "https://api.openai.com/v1", 1, 1000, "",
	    "base URL of any OpenAI-compatible server"),
	ROW("OPENAI_API_KEY", SECRET, R, openai_key, "", 0, 1000, "",
	    "API key for OPENAI_BASE_URL"),
	ROW("OPENAI_MODEL", TEXT, R, openai_model, "gpt-4o-mini", 1, 200, "",
	    "model to ask for at OPENAI_BASE_URL"),
	ROW("ANTHROPIC_BASE_URL", TEXT, R, anthropic_base_url, "https://api.anthropic.com/v1", 1,
	    1000, "", "base URL of Anthropic's API, with its version"),
	ROW("ANTHROPIC_API_KEY", SECRET, R, anthropic_key, "", 0, 1000, "",
	    "API key for ANTHROPIC_BASE_URL"),
	ROW("ANTHROPIC_MODEL", TEXT, R, anthropic_model, "claude-sonnet-5-5", 1, 200, "",
	    "model to ask for at ANTHROPIC_BASE_URL"),
	ROW("GEMINI_BASE_URL", TEXT, R, gemini_base_url,
	    "https://generativelanguage.googleapis.com/v1beta", 1, 1000, "",
	    "base URL of Google's Gemini API, with its version"),
	ROW("GEMINI_API_KEY", SECRET, R, gemini_key, "", 0, 1000, "",
	    "API key for GEMINI_BASE_URL"),
	ROW("GEMINI_MODEL", TEXT, R, gemini_model, "gemini-3.6-flash", 1, 200, "",
	    "model to ask for at GEMINI_BASE_URL"),
	ROW("MILLRACE_DRIVE_URL", TEXT, R, drive_url, "https://www.googleapis.com/drive/v3", 8,
	    1000, "", "base URL of Google Drive's API"),
	ROW("MILLRACE_GRAPH_URL", TEXT, R, graph_url, "https://graph.microsoft.com/v1.0", 8, 1000,
	    "", "base URL of Microsoft Graph"),
	ROW("MILLRACE_FETCH_NETWORKS", TEXT, W | R, fetch_networks, "", 0, 1000, "",
	    "networks that users' URLs may lead to beside the public Internet, separated by "
	    "spaces: 10.1.0.0/16 fd12::/32; empty: none"),
	ROW("MILLRACE_CONTAINER_SOCKET", TEXT, R | C, container_socket, "", 0, 107, "",
	    "socket of a container engine with Docker's API (Docker, Podman), for users' commands; "
	    "empty: there are no containers"),
	ROW("MILLRACE_CONTAINER_IMAGE", TEXT, R | C, container_image,
	    "localhost/millrace-container:latest", 1, 200, "",
	    "image of users' containers; `millracectl container image` builds one"),
	ROW("MILLRACE_CONTAINER_NETWORK", TEXT, R, container_network, "none", 1, 100, "",
	    "network of users' containers at the engine; none: they reach nobody"),
	ROW("MILLRACE_CONTAINERS", NUMBER, R, containers, "20", 1, 100000, "containers",
	    "users' containers that run at once; idle ones are stopped for whoever waits"),
	ROW("MILLRACE_CONTAINER_MEMORY_MIB", NUMBER, R, container_memory_mib, "512", 16, 1048576,
	    "MiB", "memory of one container"),
	ROW("MILLRACE_CONTAINER_CPU_PERCENT", NUMBER, R, container_cpu_percent, "100", 1, 100000,
	    "percent of a processor", "processor time of one container"),
	ROW("MILLRACE_CONTAINER_PIDS", NUMBER, R, container_pids, "128", 8, 32768, "processes",
	    "processes and threads of one container"),
	ROW("MILLRACE_CONTAINER_DISK_MIB", NUMBER, R, container_disk_mib, "1024", 1, 1048576, "MiB",
	    "size of one user's workspace, and of one file in it"),
	ROW("MILLRACE_CONTAINER_SECONDS", NUMBER, R, container_seconds, "120", 1, 3600, "s",
	    "a command that takes longer is ended"),
	ROW("MILLRACE_CONTAINER_IDLE_SECONDS", NUMBER, R, container_idle_seconds, "900", 1, 604800,
	    "s", "a container without a command for so long is stopped; its workspace stays"),
	ROW("MILLRACE_PROVIDER_SECONDS", NUMBER, R, provider_seconds, "120", 1, 3600, "s",
	    "a model call that is silent for so long fails"),
	ROW("MILLRACE_VAULT_KEY", SECRET, R, vault_key, "", 0, 100, "",
	    "private key of the vault; `millracectl vault init` makes it"),
	ROW("MILLRACE_VAULT_KEY_OLD", SECRET, R, vault_key_old, "", 0, 100, "",
	    "the one before, during a rotation"),
	ROW("MILLRACE_AUDIT_KEY", SECRET, R, audit_key, "", 0, 100, "",
	    "signs the audit log; `millracectl audit init` makes it"),
	ROW("MILLRACE_AUDIT_SECONDS", NUMBER, R, audit_seconds, "60", 1, 86400, "s",
	    "an audit row is signed after so long at most"),
	ROW("MILLRACE_AUDIT_ROWS", NUMBER, R, audit_rows, "1000", 1, 1000000, "rows",
	    "or when so many are unsigned"),
	ROW("SMTP_URL", TEXT, W | R | C, smtp_url, "", 0, 1000, "",
	    "mail relay: smtp://host:587 (STARTTLS) or smtps://host:465; empty: no mail"),
	ROW("SMTP_TLS", TEXT, R, smtp_tls, "required", 1, 1000, "",
	    "required or off; off is for a relay on this host"),
	ROW("SMTP_USER", TEXT, R, smtp_user, "", 0, 254, "",
	    "user name at the relay; empty: no authentication"),
	ROW("SMTP_PASSWORD", SECRET, R, smtp_password, "", 0, 1000, "", "password at the relay"),
	ROW("SMTP_FROM", TEXT, W | R | C, smtp_from, "", 0, 254, "",
	    "sender of mails: an address, or Name <address>"),
	ROW("MILLRACE_RESET_URL", TEXT, R, reset_url, "", 0, 1000, "",
	    "page for a new password, with {token} in its address"),
	ROW("MILLRACE_CLERK_ISSUER", TEXT, W | D | R, clerk_issuer, "", 0, 500, "",
	    "issuer of Clerk's session tokens (its Frontend API URL); empty: off"),
	ROW("MILLRACE_CLERK_JWKS_URL", TEXT, W | D | R, clerk_jwks_url, "", 0, 1000, "",
	    "Clerk's keys; empty: the issuer's /.well-known/jwks.json"),
	ROW("MILLRACE_CLERK_AZP", TEXT, W | D, clerk_azp, "", 0, 4000, "",
	    "accepted authorized parties (azp) of Clerk's tokens, separated by spaces; empty: any"),
	ROW("SUPABASE_URL", TEXT, W | D | R, supabase_url, "", 0, 500, "",
	    "Supabase project whose access tokens are accepted; empty: off"),
	ROW("MILLRACE_SUPABASE_ISSUER", TEXT, W | D | R, supabase_issuer, "", 0, 500, "",
	    "issuer of Supabase's tokens; empty: SUPABASE_URL's /auth/v1"),
	ROW("SUPABASE_JWKS_URL", TEXT, W | D | R, supabase_jwks_url, "", 0, 1000, "",
	    "Supabase's keys; empty: the issuer's /.well-known/jwks.json"),
	ROW("SUPABASE_JWT_SECRET", SECRET, W | D, supabase_jwt_secret, "", 32, 1024, "",
	    "for projects that sign with a shared secret (HS256)"),
	ROW("MILLRACE_JWKS_SECONDS", NUMBER, R, jwks_seconds, "3600", 1, 604800, "s",
	    "interval in which JWKS are fetched"),
	ROW("MILLRACE_JWKS_PAUSE_SECONDS", NUMBER, W | D | R, jwks_pause_seconds, "30", 1, 3600,
	    "s", "shortest time between two fetches for unknown keys, and after a failure"),
	ROW("SLACK_SIGNING_SECRET", SECRET, W, slack_signing, "", 0, 200, "",
	    "signing secret of this server's own app at Slack; integrations may bring theirs"),
	ROW("SLACK_SIGNING_SECRET_OLD", SECRET, W, slack_signing_old, "", 0, 200, "",
	    "the one before, while it is rotated: still good"),
	ROW("SLACK_API_URL", TEXT, R, slack_api_url, "https://slack.com/api", 8, 1000, "",
	    "Slack's Web API"),
	ROW("TELEGRAM_BOT_TOKEN", SECRET, R, telegram_token, "", 0, 200, "",
	    "token of the bot that users' chats with Telegram are with; empty: no Telegram"),
	ROW("TELEGRAM_API_URL", TEXT, R, telegram_api_url, "https://api.telegram.org", 8, 1000, "",
	    "Telegram's Bot API, or a Bot API server of one's own"),
	ROW("MILLRACE_TELEGRAM_UPDATES", TEXT, R, telegram_updates, "polling", 1, 1000, "",
	    "polling: the runner asks for updates; webhook: Telegram sends them to "
	    "MILLRACE_PUBLIC_URL"),
	ROW("MILLRACE_PUBLIC_URL", TEXT, W | R, public_url, "", 0, 500, "",
	    "address of this server from outside: https://api.example.com; the runner looks there "
	    "when its certificate ends"),
	ROW("MILLRACE_OAUTH_RETURN_URL", TEXT, W | R, oauth_return_url, "", 0, 1000, "",
	    "page after a sign-in by GitHub, Google or Microsoft"),
	ROW("MILLRACE_OAUTH_ERROR_URL", TEXT, W, oauth_error_url, "", 0, 1000, "",
	    "page after one that failed, with ?error=; empty: MILLRACE_OAUTH_RETURN_URL"),
	ROW("MILLRACE_GITHUB_CLIENT_ID", TEXT, W | R, github.client_id, "", 0, 500, "",
	    "client id of this server at GitHub; empty: no sign-in by GitHub"),
	ROW("MILLRACE_GITHUB_CLIENT_SECRET", SECRET, R, github.client_secret, "", 0, 1000, "",
	    "client secret of this server at GitHub"),
	ROW("MILLRACE_GITHUB_SCOPES", TEXT, W, github.scopes, "read:user user:email", 1, 2000, "",
	    "scopes to ask GitHub for"),
	ROW("MILLRACE_GITHUB_AUTHORIZE_URL", TEXT, W, github.authorize_url,
	    "https://github.com/login/oauth/authorize", 8, 1000, "",
	    "GitHub's authorization endpoint"),
	ROW("MILLRACE_GITHUB_TOKEN_URL", TEXT, R, github.token_url,
	    "https://github.com/login/oauth/access_token", 8, 1000, "", "GitHub's token endpoint"),
	ROW("MILLRACE_GITHUB_API_URL", TEXT, R, github.api_url, "https://api.github.com", 8, 1000,
	    "", "GitHub's API"),
	ROW("MILLRACE_GOOGLE_CLIENT_ID", TEXT, W | R, google.client_id, "", 0, 500, "",
	    "client id of this server at Google; empty: no sign-in by Google"),
	ROW("MILLRACE_GOOGLE_CLIENT_SECRET", SECRET, R, google.client_secret, "", 0, 1000, "",
	    "client secret of this server at Google"),
	ROW("MILLRACE_GOOGLE_SCOPES", TEXT, W, google.scopes, "openid email profile", 1, 2000, "",
	    "scopes to ask Google for"),
	ROW("MILLRACE_GOOGLE_AUTHORIZE_URL", TEXT, W, google.authorize_url,
	    "https://accounts.google.com/o/oauth2/v2/auth", 8, 1000, "",
	    "Google's authorization endpoint"),
	ROW("MILLRACE_GOOGLE_TOKEN_URL", TEXT, R, google.token_url,
	    "https://oauth2.googleapis.com/token", 8, 1000, "", "Google's token endpoint"),
	ROW("MILLRACE_GOOGLE_ISSUER", TEXT, R, google.issuer, "https://accounts.google.com", 8,
	    1000, "", "issuer of Google's id_tokens"),
	ROW("MILLRACE_GOOGLE_JWKS_URL", TEXT, R, google.jwks_url,
	    "https://www.googleapis.com/oauth2/v3/certs", 8, 1000, "", "Google's keys"),
	ROW("MILLRACE_GOOGLE_REVOKE_URL", TEXT, R, google.revoke_url,
	    "https://oauth2.googleapis.com/revoke", 0, 1000, "",
	    "Google's revocation endpoint; empty: tokens are not revoked there"),
	ROW("MILLRACE_MICROSOFT_CLIENT_ID", TEXT, W | R, microsoft.client_id, "", 0, 500, "",
	    "client id of this server at Microsoft; empty: no sign-in by Microsoft"),
	ROW("MILLRACE_MICROSOFT_CLIENT_SECRET", SECRET, R, microsoft.client_secret, "", 0, 1000, "",
	    "client secret of this server at Microsoft"),
	ROW("MILLRACE_MICROSOFT_SCOPES", TEXT, W, microsoft.scopes,
	    "openid email profile offline_access", 1, 2000, "", "scopes to ask Microsoft for"),
	ROW("MILLRACE_MICROSOFT_AUTHORIZE_URL", TEXT, W, microsoft.authorize_url,
	    "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize", 8, 1000, "",
	    "Microsoft's authorization endpoint"),
	ROW("MILLRACE_MICROSOFT_TOKEN_URL", TEXT, R, microsoft.token_url,
	    "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token", 8, 1000, "",
	    "Microsoft's token endpoint"),
	ROW("MILLRACE_MICROSOFT_ISSUER", TEXT, R, microsoft.issuer,
	    "https://login.microsoftonline.com/{tenantid}/v2.0", 8, 1000, "",
	    "issuer of Microsoft's id_tokens"),
	ROW("MILLRACE_MICROSOFT_JWKS_URL", TEXT, R, microsoft.jwks_url,
	    "https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys", 8, 1000, "",
	    "Microsoft's keys"),
	ROW("MILLRACE_MICROSOFT_REVOKE_URL", TEXT, R, microsoft.revoke_url, "", 0, 1000, "",
	    "revocation endpoint; Microsoft has none"),
	ROW("MILLRACE_MICROSOFT_TENANT", TEXT, W | R, microsoft_tenant, "common", 1, 253, "",
	    "who may sign in: common, organizations, consumers, or a tenant's id or domain"),
	ROW("MILLRACE_STREAM_PING_SECONDS", NUMBER, D, stream_ping_seconds, "15", 1, 300, "s",
	    "interval of `: ping` on an idle SSE stream"),
	ROW("MILLRACE_STREAM_STALL_SECONDS", NUMBER, D, stream_stall_seconds, "60", 1, 3600, "s",
	    "a connection whose client reads nothing for so long is closed"),
	ROW("MILLRACE_STREAM_CONNECTIONS", NUMBER, D, stream_connections, "20000", 1, 1000000,
	    "connections", "connections that one streamd holds"),
	ROW("MILLRACE_USER_STREAMS", NUMBER, D, user_streams, "100", 0, 1000000, "streams",
	    "streams, sockets and deferred replies of one user, in each streamd; 0: no limit"),
	ROW("MILLRACE_WS_PING_SECONDS", NUMBER, D, ws_ping_seconds, "25", 1, 3600, "s",
	    "an idle WebSocket is sent a ping after so long"),
	ROW("MILLRACE_WS_PING_TIMEOUT_SECONDS", NUMBER, D, ws_ping_timeout_seconds, "20", 1, 3600,
	    "s", "a WebSocket whose pong takes longer is closed"),
	ROW("MILLRACE_SOCKETIO_NAMESPACES", TEXT, D, socketio_namespaces, "", 0, 1000, "",
	    "Socket.IO namespaces beside /, separated by commas: /admin,/shop; at most 15"),
	ROW("MILLRACE_SOCKETIO_PING_MS", NUMBER, D, socketio_ping_ms, "25000", 100, 300000, "ms",
	    "Engine.IO pingInterval"),
	ROW("MILLRACE_SOCKETIO_PING_TIMEOUT_MS", NUMBER, D, socketio_ping_timeout_ms, "20000", 100,
	    300000, "ms", "Engine.IO pingTimeout"),
	ROW("MILLRACE_SOCKETIO_CONNECT_MS", NUMBER, D, socketio_connect_ms, "45000", 100, 300000,
	    "ms", "a session that has joined no namespace after so long is closed"),
	ROW("MILLRACE_SOCKETIO_PAYLOAD_MAX", NUMBER, D, socketio_payload_max, "1000000", 1000,
	    1000000, "bytes", "maxPayload: size of a message, and of a polling body"),
	ROW("MILLRACE_WS_DEFLATE", NUMBER, D, ws_deflate, "1", 0, 1, "",
	    "1: permessage-deflate is negotiated; 0: never"),
#undef ROW
};
const size_t n_config_settings = sizeof(config_settings) / sizeof(*config_settings);

#define N_SETTINGS (sizeof(config_settings) / sizeof(*config_settings))

static struct config loaded;
static const char *files[N_SETTINGS]; /* a secret's, where it came from one */

/* A check under way. */
struct check {
	config_report *report;
	void *arg;
	size_t n_wrong;
	const char *only; /* the names that count, separated by spaces; NULL: all do */
	const char *name; /* what is looked at; "": nothing that has one of the table's names */
};

const struct config *
config(void)
{
	return &loaded;
}

static bool
counts(const struct check *k)
{
	struct str rest, one;

	if (k->only == NULL)
		return true;
	for (rest = str_from(k->only); rest.p != NULL;) {
		rest = str_cut(rest, ' ', &one);
		if (str_eq(one, str_from(k->name)))
			return true;
	}
	return false;
}

static void report(struct check *k, bool wrong, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
report(struct check *k, bool wrong, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!counts(k))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	k->n_wrong += wrong;
	k->report(k->arg, wrong, text);
}

/* *value: the secret, or NULL where none is given. False: it has said what is wrong. */
static bool
find_secret(struct check *k, const struct setting *s, const char **value)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY"), *named;
	const char **file = &files[s - config_settings];
	char path[4096];

	*value = getenv(s->name);
	if (*value && **value) {
		*value = xstrdup(*value);
		return true;
	}
	snprintf(path, sizeof(path), "%s_FILE", s->name);
	if ((named = getenv(path)) != NULL && *named) {
		if (!(*value = config_secret_read(named)))
			report(k, true, "%s_FILE: the file %s cannot be read: %s.", s->name, named,
			    strerror(errno));
		*file = xstrdup(named);
		return *value != NULL;
	}
	*value = NULL;
	if (!dir)
		return true;
	snprintf(path, sizeof(path), "%s/%s", dir, s->name);
	if ((*value = config_secret_read(path)) != NULL)
		*file = xstrdup(path);
	return true;
}

static void
load_number(struct check *k, const struct setting *s, const char *value)
{
	int64_t number;

	if (!str_int(str_from(value), &number) || number < s->min || number > s->max) {
		report(k, true,
		    "%s is \"%s\"; it takes a whole number from %lld to %lld%s%s, such as %s.",
		    s->name, value, (long long)s->min, (long long)s->max, *s->unit ? " " : "",
		    s->unit, s->fallback);
		return;
	}
	memcpy((char *)&loaded + s->offset, &number, sizeof(number));
}

static void
load_text(struct check *k, const struct setting *s, const char *value)
{
	const struct config_rule *broken = *value ? config_rule_broken(s->name, value) : NULL;
	size_t n = strlen(value);

	if (broken && s->kind == SETTING_SECRET)
		report(k, !broken->spares, "%s does not hold what it takes: %s.", s->name,
		    broken->takes);
	else if (broken)
		report(k, !broken->spares, "%s is \"%s\"; it takes %s.", s->name, value,
		    broken->takes);
	/* A setting whose default is empty may be empty. */
	else if ((n > 0 || !s->fallback || *s->fallback) &&
		 (n < (size_t)s->min || n > (size_t)s->max))
		report(k, true, "%s has %zu bytes; it takes %lld to %lld bytes%s.", s->name, n,
		    (long long)s->min, (long long)s->max,
		    s->min >= 32 ? ", such as `openssl rand -base64 48` prints" : "");
	value = s->kind == SETTING_SECRET ? value : xstrdup(value);
	memcpy((char *)&loaded + s->offset, &value, sizeof(value));
}

static void
load_one(struct check *k, const struct setting *s)
{
	const char *value;

	if (s->kind != SETTING_SECRET)
		value = getenv(s->name);
	else if (!find_secret(k, s, &value))
		return;
	if (!value || (!*value && s->kind != SETTING_SECRET))
		value = s->fallback;
	if (!value)
		report(k, true,
		    "%s is not set. Give it in the environment, as a file named by %s_FILE, or as "
		    "a systemd credential (/etc/credstore/millrace.%s).",
		    s->name, s->name, s->name);
	else if (s->kind == SETTING_NUMBER)
		load_number(k, s, value);
	else
		load_text(k, s, value);
}

bool
config_is_known(struct str name)
{
	for (size_t i = 0; i < n_config_settings; i++) {
		struct str known = str_from(config_settings[i].name);

		if (str_eq(name, known))
			return true;
		if (config_settings[i].kind == SETTING_SECRET && name.n == known.n + 5 &&
		    str_starts(name, known) && memcmp(name.p + known.n, "_FILE", 5) == 0)
			return true;
	}
	/* Settings of ./dev and of the tests. */
	return str_starts(name, S("MILLRACE_DEV_")) || str_starts(name, S("MILLRACE_TEST_"));
}

static void
said_together(void *arg, bool wrong, const char *sentence)
{
	struct check *k = arg;

	/* What does not work may be for want of what is wrong. */
	if (wrong || k->n_wrong == 0)
		report(k, wrong, "%s", sentence);
}

static size_t
check_all(unsigned roles, struct check *k)
{
	k->name = "";
	for (char **e = environ; e && *e; e++) {
		struct str name;

		(void)str_cut(str_from(*e), '=', &name);
		if (str_starts(name, S("MILLRACE_")) && !config_is_known(name))
			report(k, true,
			    "%.*s is not a setting of Millrace; `millracectl config` lists them.",
			    S_ARG(name));
	}
	for (size_t i = 0; i < n_config_settings; i++) {
		const struct setting *s = &config_settings[i];

		k->name = s->name;
		/* All else is checked by every program: a mistake shows at the first start. */
		if (s->kind != SETTING_SECRET || (s->roles & roles))
			load_one(k, s);
		if (s->kind == SETTING_SECRET)
			config_secret_forget(s->name);
	}
	k->name = "";
	config_together(said_together, k);
	return k->n_wrong;
}

size_t
config_check(unsigned roles, config_report *each, void *arg)
{
	struct check k = { .report = each, .arg = arg };

	return check_all(roles, &k);
}

/* What is not wrong, but without effect, is for `millracectl config check` to say. */
static void
end_where_wrong(void *arg, bool wrong, const char *sentence)
{
	(void)arg;
	if (wrong)
		die("%s", sentence);
}

void
config_load(enum config_role role)
{
	(void)config_check(role, end_where_wrong, NULL);
}

void
config_load_only(enum config_role role, const char *names)
{
	struct check k = { .report = end_where_wrong, .only = names };

	(void)check_all(role, &k);
}

const char *
config_source(const struct setting *s)
{
	const char *value, *file = files[s - config_settings];

	if (s->kind != SETTING_SECRET)
		value = getenv(s->name);
	else
		memcpy(&value, (const char *)&loaded + s->offset, sizeof(value));
	if (!value || !*value)
		return NULL;
	return file ? file : "environment";
}
