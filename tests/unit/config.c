/*
 * lib/config.c: settings from the environment; a bad one ends the start and says why. Each load is
 * a child's.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include <millrace/config.h>
#include <millrace/log.h>

#include "test.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static char dir[] = "/tmp/millrace-unit-XXXXXX";
static char said[4096];

/* What a child sets before it loads, and what it looks at afterwards. */
struct start {
	const char *names[4][2];
	enum config_role role;
	bool (*holds)(void);
};

static void
load(void *arg)
{
	const struct start *s = arg;

	clearenv();
	for (size_t i = 0; i < 4 && s->names[i][0]; i++)
		setenv(s->names[i][0], s->names[i][1], 1);
	config_load(s->role);
	_exit(!s->holds || s->holds() ? 0 : 3);
}

static bool
starts(struct start s)
{
	int status = test_in_child(load, &s, said, sizeof(said));

	if (status != 0)
		printf("# status %d: %s\n", status, said);
	return status == 0;
}

/* Ends with a line on standard error that has `why` in it. */
static bool
stops(struct start s, const char *why)
{
	int status = test_in_child(load, &s, said, sizeof(said));

	if (status > 0 && status != 3 && strstr(said, why))
		return true;
	printf("# status %d: %s\n", status, said);
	return false;
}

static char paths[8][128];
static size_t n_files;

/* A file in `dir`; its path, kept. */
static const char *
file(const char *name, const char *text)
{
	char *path = paths[n_files++];
	FILE *f;

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
	return path;
}

static bool
has_defaults(void)
{
	return strcmp(config()->db, "host=/run/postgresql dbname=millrace") == 0 &&
	       config()->rate_read == 3000 && config()->upload_max == 52428800 &&
	       strcmp(config()->provider, "auto") == 0 && !config()->jwt_secret;
}

static bool
has_set(void)
{
	return config()->rate_read == 0 && strcmp(config()->db, "host=/x dbname=y") == 0 &&
	       config()->flush_ms == 1000;
}

static bool
has_secret(void)
{
	return strcmp(config()->jwt_secret, SECRET) == 0 && !getenv("API_JWT_SECRET") &&
	       !getenv("API_JWT_SECRET_FILE");
}

static bool
has_no_secret(void)
{
	return !config()->jwt_secret && !config()->openai_key && !getenv("API_JWT_SECRET") &&
	       !getenv("API_JWT_SECRET_FILE") && !getenv("OPENAI_API_KEY");
}

static bool
has_only_jwt_secret(void)
{
	return strcmp(config()->jwt_secret, SECRET) == 0 && !config()->openai_key &&
	       !getenv("OPENAI_API_KEY");
}

static bool
has_key(void)
{
	return strcmp(config()->openai_key, "sk-x") == 0 && !getenv("OPENAI_API_KEY");
}

static void
settings(void)
{
	CHECK("nothing set: the defaults", starts((struct start){ .holds = has_defaults }));
	CHECK("settings are taken, at their bounds too",
	    starts((struct start){
		.names = { { "MILLRACE_RATE_READ", "0" }, { "MILLRACE_DB", "host=/x dbname=y" },
		    { "MILLRACE_FLUSH_MS", "1000" } },
		.holds = has_set }));
	CHECK("an empty one is as if not set",
	    starts((struct start){
		.names = { { "MILLRACE_RATE_READ", "" } }, .holds = has_defaults }));
	CHECK("an unknown one stops the start",
	    stops((struct start){ .names = { { "MILLRACE_RATE_RAED", "1" } } },
		"MILLRACE_RATE_RAED"));
	CHECK("also a known one with more behind it",
	    stops((struct start){ .names = { { "MILLRACE_DB2", "1" } } }, "MILLRACE_DB2") &&
		stops((struct start){ .names = { { "MILLRACE_DB_FILE", "x" } } },
		    "MILLRACE_DB_FILE"));
	CHECK("other programs' are not ours to judge",
	    starts((struct start){ .names = { { "MILLRACEX", "1" }, { "PATH", "" } } }));
}

static void
bad_values(void)
{
	static const char *const bad[] = { "x", "-1", "1.5", "1e3", " 5", "100000001",
		"99999999999999999999", "0x10" };
	bool good = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good,
		    stops((struct start){ .names = { { "MILLRACE_RATE_READ", bad[i] } } },
			"a whole number from 0 to 100000000"),
		    "%s", bad[i]);
	CHECK("a number that is none or out of bounds stops the start", good);
	CHECK("a word that is none of those it takes",
	    stops((struct start){ .names = { { "MILLRACE_LOG_LEVEL", "loud" } } },
		"it takes debug, info, warn or error") &&
		stops((struct start){ .names = { { "SMTP_TLS", "or" } } }, "required or off") &&
		stops((struct start){ .names = { { "SMTP_TLS", "required or" } } },
		    "required or off") &&
		starts((struct start){ .names = { { "SMTP_TLS", "off" } } }));
	CHECK("an address that is none",
	    stops((struct start){ .names = { { "SUPABASE_URL", "https://" } } }, "https://") &&
		stops(
		    (struct start){ .names = { { "SUPABASE_URL", "https://a b" } } }, "https://") &&
		stops((struct start){ .names = { { "MILLRACE_MICROSOFT_ISSUER", "ftp://a" } } },
		    "https://") &&
		starts((struct start){ .names = { { "SUPABASE_URL", "http://a" } } }));
	CHECK("a base is no endpoint's address",
	    stops((struct start){ .names = { { "OPENAI_BASE_URL",
				      "https://a/v1/chat/completions" } } },
		"without the endpoint") &&
		stops((struct start){ .names = { { "ANTHROPIC_BASE_URL",
					  "https://a/v1/messages/" } } },
		    "without the endpoint") &&
		stops((struct start){ .names = { { "MILLRACE_PROVIDERS",
					  "a=openai:http://a/v1/responses" } } },
		    "names with") &&
		starts((struct start){ .names = { { "OPENAI_BASE_URL", "http://models/v1/" } } }));
	CHECK("namespaces, a conninfo",
	    stops((struct start){ .names = { { "MILLRACE_SOCKETIO_NAMESPACES", "/a,b" } } },
		"at most 15") &&
		stops((struct start){ .names = { { "MILLRACE_SOCKETIO_NAMESPACES",
					  "/1,/2,/3,/4,/5,/6,/7,/8,/9,/a,/b,/c,/d,/e,/f,/g" } } },
		    "at most 15") &&
		starts((struct start){ .names = { { "MILLRACE_SOCKETIO_NAMESPACES",
					   "/1, /2,/3,/4,/5,/6,/7,/8,/9,/a,/b,/c,/d,/e,/f" } } }) &&
		stops(
		    (struct start){ .names = { { "MILLRACE_DB", "postgresql:///m" } } }, "libpq"));
	CHECK("a key of the vault that is none is told by others: the runner does without",
	    starts((struct start){
		.names = { { "MILLRACE_VAULT_KEY", "nonsense" } }, .role = CONFIG_RUNNER }));
	CHECK("a text that is too long",
	    stops(
		(struct start){
		    .names = { { "MILLRACE_RUNTIME_DIR",
			"/1234567890123456789012345678901234567890123456789012345678901234567890"
			"12345678901234567890" } } },
		"MILLRACE_RUNTIME_DIR has 91 bytes"));
}

/* Each by a name and a value. */
static void
containers(void)
{
	static const char *const bad[][2] = { { "_SOCKET", "run/docker.sock" },
		{ "_NETWORK", "host" }, { "_NETWORK", "container:other" },
		{ "_NETWORK", "ns:/proc/1/ns/net" }, { "_IMAGE", "a b" }, { "_IMAGE", "a?b" },
		{ "_MEMORY_MIB", "8" }, { "_CPU_PERCENT", "0" }, { "_PIDS", "1" },
		{ "_DISK_MIB", "0" }, { "_SECONDS", "3601" }, { "_IDLE_SECONDS", "0" } };
	bool good = true;
	char name[64];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(name, sizeof(name), "MILLRACE_CONTAINER%s", bad[i][0]);
		EACH(good,
		    stops((struct start){ .names = { { name, bad[i][1] } }, .role = CONFIG_RUNNER },
			name),
		    "%s=%s", name, bad[i][1]);
	}
	CHECK("a container engine's settings that are none", good);
	CHECK("and those that are",
	    starts((struct start){
		.names = { { "MILLRACE_CONTAINER_SOCKET", "/run/docker.sock" },
		    { "MILLRACE_CONTAINER_NETWORK", "my_net-2.b" },
		    { "MILLRACE_CONTAINER_IMAGE", "registry.example:5000/a/b@sha256:0f" } },
		.role = CONFIG_RUNNER }));
}

static void
secrets(void)
{
	const char *good = file("good", SECRET "\nsecond line\n"), *empty = file("empty", "");
	struct start s = { .names = { { "API_JWT_SECRET", SECRET } },
		.role = CONFIG_WORKER,
		.holds = has_secret };

	CHECK("a secret from the environment, which forgets it", starts(s));
	s = (struct start){ .names = { { "API_JWT_SECRET_FILE", good } },
		.role = CONFIG_WORKER,
		.holds = has_secret };
	CHECK("from a file's first line", starts(s));
	(void)file("API_JWT_SECRET", SECRET);
	s = (struct start){ .names = { { "CREDENTIALS_DIRECTORY", dir } },
		.role = CONFIG_WORKER,
		.holds = has_secret };
	CHECK("from a credential", starts(s));
	s = (struct start){ .names = { { "API_JWT_SECRET", SECRET },
				{ "API_JWT_SECRET_FILE", "/x" } },
		.holds = has_no_secret };
	CHECK("who may not hold it drops it unread", starts(s));
	s = (struct start){
		.names = { { "OPENAI_API_KEY", "sk-x" } }, .role = CONFIG_RUNNER, .holds = has_key
	};
	CHECK("a provider's key", starts(s));
	s.role = CONFIG_NO_SECRETS;
	s.holds = has_no_secret;
	CHECK("is dropped elsewhere", starts(s));
	s = (struct start){ .names = { { "API_JWT_SECRET", SECRET }, { "OPENAI_API_KEY", "sk-x" } },
		.role = CONFIG_STREAMD,
		.holds = has_only_jwt_secret };
	CHECK("each program holds its own secrets alone", starts(s));
	CHECK("no secret",
	    stops((struct start){ .role = CONFIG_WORKER }, "API_JWT_SECRET is not set"));
	s = (struct start){ .names = { { "API_JWT_SECRET", "short" } }, .role = CONFIG_WORKER };
	CHECK("a short one, and it is not shown",
	    stops(s, "it takes 32 to 1024") && !strstr(said, "short"));
	s = (struct start){ .names = { { "API_JWT_SECRET_FILE", "/nonexistent" } },
		.role = CONFIG_WORKER };
	CHECK("a file that is not there", stops(s, "No such file"));
	s = (struct start){ .names = { { "API_JWT_SECRET_FILE", empty } }, .role = CONFIG_WORKER };
	CHECK("an empty file", stops(s, "it takes 32 to 1024"));
}

static void
say_it(void *arg)
{
	log_open("unit", LOG_INFO);
	log_debug("not wanted");
	log_info("a\n\"b\"", "name", (const char *)arg, "absent", (const char *)NULL, "c", "d\xff");
}

static void
logging(void)
{
	int status = test_in_child(say_it, "x\n{\"level\":\"forged\"}", said, sizeof(said));

	CHECK(
	    "a log line is one line", status == 0 && strchr(said, '\n') == said + strlen(said) - 1);
	CHECK("with its values escaped", strstr(said, "\"msg\":\"a\\n\\\"b\\\"\",\"name\":\"x\\n{"
						      "\\\"level\\\":\\\"forged\\\"}\",\"c\":\"d"
						      "\\ufffd\"}"));
}

int
main(void)
{
	if (!mkdtemp(dir))
		abort();
	settings();
	bad_values();
	containers();
	secrets();
	logging();
	while (n_files > 0)
		if (unlink(paths[--n_files]) != 0)
			abort();
	if (rmdir(dir) != 0)
		abort();
	return test_end();
}
