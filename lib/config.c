#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <millrace/arena.h>
#include <millrace/config.h>
#include <millrace/log.h>

extern char **environ;

enum setting_kind { TEXT = 1, NUMBER, SECRET };
enum setting_for { ALL = 1, SIGNERS, PROVIDERS };

/*
 * One row a setting: its name in the environment, what it is, where it goes, its default, its bounds (a number's, or a text's
 * length), which processes may hold it, and what --help says.
 */
static const struct setting {
	const char *name;
	enum setting_kind kind;
	enum setting_for readers;
	size_t offset;
	const char *otherwise;
	int64_t min, max;
	const char *help;
} settings[] = {
#define ROW(name, kind, readers, member, otherwise, min, max, help)                             \
	{                                                                                       \
		name, kind, readers, offsetof(struct config, member), otherwise, min, max, help \
	}
	ROW("MILLRACE_DB", TEXT, ALL, db, "host=/run/postgresql dbname=millrace", 1, 1000,
	    "libpq conninfo, without a user"),
	ROW("MILLRACE_RUNTIME_DIR", TEXT, ALL, runtime_dir, "/run/millrace", 1, 90,
	    "sockets and shared counters"),
	ROW("MILLRACE_LIBEXEC_DIR", TEXT, ALL, libexec_dir, "/usr/lib/millrace", 1, 1000,
	    "where millrace-extract is"),
	ROW("MILLRACE_LOG_LEVEL", TEXT, ALL, log_level, "info", 4, 5, "debug, info, warn or error"),
	ROW("API_JWT_SECRET", SECRET, SIGNERS, jwt_secret, NULL, 32, 1024,
	    "signs our own tokens; 32 bytes or more"),
	ROW("API_JWT_SECRET_OLD", SECRET, SIGNERS, jwt_secret_old, "", 32, 1024,
	    "the one before it: still checks what it signed, signs nothing"),
	ROW("MILLRACE_SESSION_SECONDS", NUMBER, ALL, session_seconds, "604800", 60, 31536000,
	    "how long a sign-in lasts"),
	ROW("MILLRACE_ARGON2_OPS", NUMBER, ALL, argon2_ops, "3", 1, 20, "password hashing: passes"),
	ROW("MILLRACE_ARGON2_KIB", NUMBER, ALL, argon2_kib, "65536", 8, 1048576,
	    "password hashing: memory in KiB"),
	ROW("MILLRACE_RATE_READ", NUMBER, ALL, rate_read, "3000", 0, 100000000,
	    "reads a minute for each caller; 0: no limit"),
	ROW("MILLRACE_RATE_WRITE", NUMBER, ALL, rate_write, "600", 0, 100000000,
	    "changes a minute for each caller; 0: no limit"),
	ROW("MILLRACE_RATE_LOGIN", NUMBER, ALL, rate_login, "30", 0, 100000000,
	    "sign-ins a minute from one address; 0: no limit"),
	ROW("MILLRACE_LOGIN_ADDRESS_TRIES", NUMBER, ALL, login_address_tries, "50", 0, 1000000,
	    "wrong passwords from one address in a quarter of an hour, then it waits; 0: any"),
	ROW("MILLRACE_UPLOAD_MAX", NUMBER, ALL, upload_max, "52428800", 1024, 1073741824,
	    "bytes of one file; nginx has a limit of its own"),
	ROW("MILLRACE_QUEUE_MAX", NUMBER, ALL, queue_max, "10000", 1, 1000000,
	    "jobs that may wait before 503"),
	ROW("MILLRACE_REPLY_SECONDS", NUMBER, ALL, reply_seconds, "50", 1, 3600,
	    "how long a deferred reply is waited for"),
	ROW("MILLRACE_STATEMENT_MS", NUMBER, ALL, statement_ms, "5000", 10, 600000,
	    "a worker's statement time limit"),
	ROW("MILLRACE_EVENT_HOURS", NUMBER, ALL, event_hours, "24", 1, 8760,
	    "hours that stream events are kept"),
	ROW("MILLRACE_RUNNER_JOBS", NUMBER, ALL, runner_jobs, "256", 1, 10000,
	    "jobs one runner does at once"),
	ROW("MILLRACE_USER_JOBS", NUMBER, ALL, user_jobs, "16", 1, 10000,
	    "jobs of one user done at once, over all runners"),
	ROW("MILLRACE_LEASE_SECONDS", NUMBER, ALL, lease_seconds, "30", 1, 3600,
	    "a job is taken over when its runner is silent for so long"),
	ROW("MILLRACE_FLUSH_MS", NUMBER, ALL, flush_ms, "20", 1, 1000,
	    "token deltas are written together this often at most"),
	ROW("MILLRACE_INSTANCE", TEXT, ALL, instance, "1", 1, 64,
	    "this runner's name on this host"),
	ROW("MILLRACE_PROVIDER", TEXT, ALL, provider, "auto", 4, 16,
	    "auto, local or openai; auto: openai where it has a key, else local"),
	ROW("OPENAI_BASE_URL", TEXT, ALL, openai_base_url, "https://api.openai.com/v1", 8, 1000,
	    "any OpenAI-compatible server"),
	ROW("OPENAI_API_KEY", SECRET, PROVIDERS, openai_key, "", 0, 1000, "its key"),
	ROW("OPENAI_MODEL", TEXT, ALL, openai_model, "gpt-4o-mini", 1, 200, "its model"),
	ROW("MILLRACE_PROVIDER_SECONDS", NUMBER, ALL, provider_seconds, "120", 1, 3600,
	    "a model call's longest silence"),
	ROW("MILLRACE_VAULT_KEY", SECRET, PROVIDERS, vault_key, "", 0, 100,
	    "opens the vault's secrets; millracectl vault init makes it"),
	ROW("MILLRACE_VAULT_KEY_OLD", SECRET, PROVIDERS, vault_key_old, "", 0, 100,
	    "the one before, until all is under the new one"),
	ROW("MILLRACE_AUDIT_KEY", SECRET, PROVIDERS, audit_key, "", 0, 100,
	    "signs the audit log; millracectl audit init makes it"),
	ROW("MILLRACE_AUDIT_SECONDS", NUMBER, ALL, audit_seconds, "60", 1, 86400,
	    "a row of the audit log is signed after so long at most"),
	ROW("MILLRACE_AUDIT_ROWS", NUMBER, ALL, audit_rows, "1000", 1, 1000000,
	    "or when so many wait for it"),
	ROW("SMTP_URL", TEXT, ALL, smtp_url, "", 0, 1000,
	    "the mail relay: smtp://host:587 (STARTTLS) or smtps://host:465"),
	ROW("SMTP_TLS", TEXT, ALL, smtp_tls, "required", 3, 8,
	    "required or off; off is for a relay on this host"),
	ROW("SMTP_USER", TEXT, ALL, smtp_user, "", 0, 254, "who signs in there; may be empty"),
	ROW("SMTP_PASSWORD", SECRET, PROVIDERS, smtp_password, "", 0, 1000, "its password"),
	ROW("SMTP_FROM", TEXT, ALL, smtp_from, "", 0, 254,
	    "the sender: an address, or Name <address>"),
	ROW("MILLRACE_RESET_URL", TEXT, ALL, reset_url, "", 0, 1000,
	    "the page that takes a new password, with {token} in its address"),
	ROW("MILLRACE_CLERK_ISSUER", TEXT, ALL, clerk_issuer, "", 0, 500,
	    "whose session tokens are taken: Clerk's Frontend API URL"),
	ROW("MILLRACE_CLERK_JWKS_URL", TEXT, ALL, clerk_jwks_url, "", 0, 1000,
	    "its keys; empty: the issuer's /.well-known/jwks.json"),
	ROW("MILLRACE_CLERK_AZP", TEXT, ALL, clerk_azp, "", 0, 4000,
	    "origins that may have asked for them (azp), parted by spaces; empty: any"),
	ROW("SUPABASE_URL", TEXT, ALL, supabase_url, "", 0, 500,
	    "whose access tokens are taken: a Supabase project"),
	ROW("MILLRACE_SUPABASE_ISSUER", TEXT, ALL, supabase_issuer, "", 0, 500,
	    "their iss; empty: SUPABASE_URL's /auth/v1"),
	ROW("SUPABASE_JWKS_URL", TEXT, ALL, supabase_jwks_url, "", 0, 1000,
	    "its keys; empty: the issuer's /.well-known/jwks.json"),
	ROW("SUPABASE_JWT_SECRET", SECRET, SIGNERS, supabase_jwt_secret, "", 32, 1024,
	    "for projects that sign with a secret (HS256)"),
	ROW("MILLRACE_JWKS_SECONDS", NUMBER, ALL, jwks_seconds, "3600", 1, 604800,
	    "how often those keys are fetched"),
	ROW("MILLRACE_JWKS_PAUSE_SECONDS", NUMBER, ALL, jwks_pause_seconds, "30", 1, 3600,
	    "the shortest time between fetches for keys that are not known, and after failures"),
	ROW("MILLRACE_PUBLIC_URL", TEXT, ALL, public_url, "", 0, 500,
	    "where this server is reached from outside: https://api.example.com"),
	ROW("MILLRACE_OAUTH_RETURN_URL", TEXT, ALL, oauth_return_url, "", 0, 1000,
	    "the page after a sign-in by GitHub, Google or Microsoft"),
	ROW("MILLRACE_OAUTH_ERROR_URL", TEXT, ALL, oauth_error_url, "", 0, 1000,
	    "the page after one that failed, with ?error=; empty: the same"),
	ROW("MILLRACE_GITHUB_CLIENT_ID", TEXT, ALL, github.client_id, "", 0, 500,
	    "sign-in by GitHub: the application's id there; empty: off"),
	ROW("MILLRACE_GITHUB_CLIENT_SECRET", SECRET, PROVIDERS, github.client_secret, "", 0, 1000,
	    "its secret"),
	ROW("MILLRACE_GITHUB_SCOPES", TEXT, ALL, github.scopes, "read:user user:email", 1, 2000,
	    "what it asks for"),
	ROW("MILLRACE_GITHUB_AUTHORIZE_URL", TEXT, ALL, github.authorize_url,
	    "https://github.com/login/oauth/authorize", 8, 1000, "where browsers are sent"),
	ROW("MILLRACE_GITHUB_TOKEN_URL", TEXT, ALL, github.token_url,
	    "https://github.com/login/oauth/access_token", 8, 1000, "where codes are exchanged"),
	ROW("MILLRACE_GITHUB_API_URL", TEXT, ALL, github.api_url, "https://api.github.com", 8, 1000,
	    "GitHub's API"),
	ROW("MILLRACE_GOOGLE_CLIENT_ID", TEXT, ALL, google.client_id, "", 0, 500,
	    "sign-in by Google: the application's id there; empty: off"),
	ROW("MILLRACE_GOOGLE_CLIENT_SECRET", SECRET, PROVIDERS, google.client_secret, "", 0, 1000,
	    "its secret"),
	ROW("MILLRACE_GOOGLE_SCOPES", TEXT, ALL, google.scopes, "openid email profile", 1, 2000,
	    "what it asks for"),
	ROW("MILLRACE_GOOGLE_AUTHORIZE_URL", TEXT, ALL, google.authorize_url,
	    "https://accounts.google.com/o/oauth2/v2/auth", 8, 1000, "where browsers are sent"),
	ROW("MILLRACE_GOOGLE_TOKEN_URL", TEXT, ALL, google.token_url,
	    "https://oauth2.googleapis.com/token", 8, 1000, "where codes are exchanged"),
	ROW("MILLRACE_GOOGLE_ISSUER", TEXT, ALL, google.issuer, "https://accounts.google.com", 8,
	    1000, "whose id_token is taken"),
	ROW("MILLRACE_GOOGLE_JWKS_URL", TEXT, ALL, google.jwks_url,
	    "https://www.googleapis.com/oauth2/v3/certs", 8, 1000, "its keys"),
	ROW("MILLRACE_GOOGLE_REVOKE_URL", TEXT, ALL, google.revoke_url,
	    "https://oauth2.googleapis.com/revoke", 0, 1000,
	    "where tokens are revoked; empty: nowhere"),
	ROW("MILLRACE_MICROSOFT_CLIENT_ID", TEXT, ALL, microsoft.client_id, "", 0, 500,
	    "sign-in by Microsoft: the application's id there; empty: off"),
	ROW("MILLRACE_MICROSOFT_CLIENT_SECRET", SECRET, PROVIDERS, microsoft.client_secret, "", 0,
	    1000, "its secret"),
	ROW("MILLRACE_MICROSOFT_SCOPES", TEXT, ALL, microsoft.scopes,
	    "openid email profile offline_access", 1, 2000, "what it asks for"),
	ROW("MILLRACE_MICROSOFT_AUTHORIZE_URL", TEXT, ALL, microsoft.authorize_url,
	    "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize", 8, 1000,
	    "where browsers are sent"),
	ROW("MILLRACE_MICROSOFT_TOKEN_URL", TEXT, ALL, microsoft.token_url,
	    "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token", 8, 1000,
	    "where codes are exchanged"),
	ROW("MILLRACE_MICROSOFT_ISSUER", TEXT, ALL, microsoft.issuer,
	    "https://login.microsoftonline.com/{tenantid}/v2.0", 8, 1000,
	    "whose id_token is taken"),
	ROW("MILLRACE_MICROSOFT_JWKS_URL", TEXT, ALL, microsoft.jwks_url,
	    "https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys", 8, 1000, "its keys"),
	ROW("MILLRACE_MICROSOFT_REVOKE_URL", TEXT, ALL, microsoft.revoke_url, "", 0, 1000,
	    "where tokens are revoked; Microsoft has no such place"),
	ROW("MILLRACE_MICROSOFT_TENANT", TEXT, ALL, microsoft_tenant, "common", 1, 253,
	    "who may sign in: common, organizations, consumers, or a tenant's id or domain"),
	ROW("MILLRACE_STREAM_PING_SECONDS", NUMBER, ALL, stream_ping_seconds, "15", 1, 300,
	    "`: ping` on a quiet stream"),
	ROW("MILLRACE_STREAM_STALL_SECONDS", NUMBER, ALL, stream_stall_seconds, "60", 1, 3600,
	    "a reader that takes nothing for so long is closed"),
	ROW("MILLRACE_STREAM_CONNECTIONS", NUMBER, ALL, stream_connections, "20000", 1, 1000000,
	    "connections held by one streamd"),
	ROW("MILLRACE_USER_STREAMS", NUMBER, ALL, user_streams, "100", 0, 1000000,
	    "streams, sockets and waiting replies of one user at once, in each streamd; 0: no "
	    "limit"),
	ROW("MILLRACE_WS_PING_SECONDS", NUMBER, ALL, ws_ping_seconds, "25", 1, 3600,
	    "a quiet WebSocket is asked whether it is there"),
	ROW("MILLRACE_WS_PING_TIMEOUT_SECONDS", NUMBER, ALL, ws_ping_timeout_seconds, "20", 1, 3600,
	    "and closed when it does not answer for so long"),
	ROW("MILLRACE_SOCKETIO_NAMESPACES", TEXT, ALL, socketio_namespaces, "", 0, 1000,
	    "Socket.IO's namespaces beside /, parted by commas: /admin,/shop; at most 15"),
	ROW("MILLRACE_SOCKETIO_PING_MS", NUMBER, ALL, socketio_ping_ms, "25000", 100, 300000,
	    "Engine.IO's ping interval"),
	ROW("MILLRACE_SOCKETIO_PING_TIMEOUT_MS", NUMBER, ALL, socketio_ping_timeout_ms, "20000",
	    100, 300000, "a session that does not answer a ping for so long is closed"),
	ROW("MILLRACE_SOCKETIO_CONNECT_MS", NUMBER, ALL, socketio_connect_ms, "45000", 100, 300000,
	    "a session that is in no namespace for so long is closed"),
	ROW("MILLRACE_SOCKETIO_PAYLOAD_MAX", NUMBER, ALL, socketio_payload_max, "1000000", 1000,
	    1000000, "bytes that a Socket.IO client may send at once"),
	ROW("MILLRACE_WS_DEFLATE", NUMBER, ALL, ws_deflate, "1", 0, 1,
	    "1: WebSocket messages are compressed for clients that can; 0: never"),
#undef ROW
};
#define N_SETTINGS (sizeof(settings) / sizeof(*settings))

static struct config loaded;

const struct config *
config(void)
{
	return &loaded;
}

/* A file's first line, without its line end; NULL where it cannot be read. The caller keeps it. */
static char *
read_secret_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[2048];

	if (!f)
		return NULL;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	return xstrdup(line);
}

static const char *
find_secret(const char *name)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	const char *value = getenv(name);
	char path[4096];

	if (value && *value)
		return xstrdup(value);
	snprintf(path, sizeof(path), "%s_FILE", name);
	if ((value = getenv(path)) != NULL && *value) {
		char *secret = read_secret_file(value);

		if (!secret)
			die("%s names the file %s, which cannot be read: %s.", path, value,
			    strerror(errno));
		return secret;
	}
	if (!dir)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return read_secret_file(path);
}

static void
forget_secret(const char *name)
{
	char file[256], *value = getenv(name);

	/* Overwritten, or /proc/PID/environ would go on showing it. */
	if (value)
		explicit_bzero(value, strlen(value));
	snprintf(file, sizeof(file), "%s_FILE", name);
	unsetenv(name);
	unsetenv(file);
}

static void
load_one(const struct setting *s)
{
	const char *value = s->kind == SECRET ? find_secret(s->name) : getenv(s->name);
	char *place = (char *)&loaded + s->offset;
	int64_t number;

	if (!value || (!*value && s->kind != SECRET))
		value = s->otherwise;
	if (!value)
		die("%s is not set. Give it in the environment, as a file named by %s_FILE, or as "
		    "a systemd credential.",
		    s->name, s->name);
	if (s->kind == NUMBER) {
		if (!str_int(str_from(value), &number) || number < s->min || number > s->max)
			die("%s is \"%s\"; it takes a whole number from %lld to %lld.", s->name,
			    value, (long long)s->min, (long long)s->max);
		memcpy(place, &number, sizeof(number));
		return;
	}
	/* What is nothing by default may be nothing. */
	if (!*value && s->otherwise && !*s->otherwise)
		value = s->otherwise;
	else if (strlen(value) < (size_t)s->min || strlen(value) > (size_t)s->max)
		die("%s has %zu bytes; it takes %lld to %lld.", s->name, strlen(value),
		    (long long)s->min, (long long)s->max);
	value = s->kind == SECRET ? value : xstrdup(value);
	memcpy(place, &value, sizeof(value));
}

static bool
is_known(struct str name)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		struct str known = str_from(settings[i].name);

		if (str_eq(name, known))
			return true;
		if (settings[i].kind == SECRET && name.n == known.n + 5 &&
		    str_starts(name, known) && memcmp(name.p + known.n, "_FILE", 5) == 0)
			return true;
	}
	/* What ./dev and the tests tell themselves. */
	return str_starts(name, S("MILLRACE_DEV_")) || str_starts(name, S("MILLRACE_TEST_"));
}

void
config_load(bool secrets, bool providers)
{
	for (char **e = environ; e && *e; e++) {
		struct str name;

		(void)str_cut(str_from(*e), '=', &name);
		if (str_starts(name, S("MILLRACE_")) && !is_known(name))
			die("%.*s is not a setting of Millrace; --help lists them.", S_ARG(name));
	}
	for (size_t i = 0; i < N_SETTINGS; i++) {
		const struct setting *s = &settings[i];

		if ((s->readers == SIGNERS && secrets) || (s->readers == PROVIDERS && providers) ||
		    s->readers == ALL)
			load_one(s);
		if (s->kind == SECRET)
			forget_secret(s->name);
	}
}

void
config_reveal(void)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		const char *value;

		if (settings[i].kind != SECRET)
			continue;
		memcpy(&value, (const char *)&loaded + settings[i].offset, sizeof(value));
		if (value && *value)
			setenv(settings[i].name, value, 1);
	}
}

void
config_help(FILE *out)
{
	fputs("Settings, from the environment:\n", out);
	for (size_t i = 0; i < N_SETTINGS; i++)
		fprintf(out, "  %-34s %s%s%s%s\n", settings[i].name, settings[i].help,
		    settings[i].otherwise && *settings[i].otherwise ? " [" : "",
		    settings[i].otherwise ? settings[i].otherwise : "",
		    settings[i].otherwise && *settings[i].otherwise ? "]" : "");
	fputs("A secret NAME may also be a file that NAME_FILE names, or a systemd credential of "
	      "that name.\n",
	    out);
}
