/*
 * lib/identity/keys.c on a pipe to a stand-in for PostgreSQL: when keys are loaded, what of them
 * arrives where tokens are verified, and how often the runner is asked for unknown ones.
 */
#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/keys.h>
#include <millrace/external.h>
#include <millrace/log.h>

#include "postgres.h"

#define ISSUER "https://clerk.example"
#define ALONE_MS 3000

/* The public P-256 key of RFC 7517, A.1. */
#define JWK(kid)                                                 \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"" kid "\"," \
	"\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\"," \
	"\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}"

static const char *const row[] = { ISSUER, "known", JWK("known") };

static struct arena *mem;
static struct keys keys;
static bool fails;
static int n_loads_wanted;

static enum fate
fate(const char *statement)
{
	(void)statement;
	return fails ? FATE_FAULT : FATE_ROW;
}

static int
count(const char *name)
{
	int n = 0;

	for (const char *p = postgres.seen; (p = strstr(p, name)) != NULL; p++)
		n++;
	return n;
}

static int
n_loads(void)
{
	return count("jwks_keys ");
}

static void
up(void *arg)
{
	(void)arg;
	keys_on_connect(&keys);
}

static void
notify(void *arg, struct str channel, struct str payload)
{
	(void)arg;
	(void)payload;
	keys_on_notify(&keys, channel);
}

static void
begin(void)
{
	postgres_open();
	postgres.fate = fate;
	postgres.row = row;
	postgres.n_columns = 3;
	fails = false;
	if (!config()->db)
		config_load(CONFIG_NO_SECRETS);
	keys = (struct keys){ .pipe = pipe_open(postgres.loop, "unit", "unit", notify, up, NULL),
		.scratch = arena_new() };
}

static void
end(void)
{
	pipe_close(keys.pipe);
	arena_free(keys.scratch);
	postgres_close();
}

/* A token with this kid and a signature that is none. */
static struct str
token(const char *kid)
{
	struct str header = arena_printf(mem, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid),
		   claims =
		       arena_printf(mem, "{\"iss\":\"" ISSUER "\",\"sub\":\"user_1\",\"exp\":%lld}",
			   (long long)time(NULL) + 600);

	return arena_printf(
	    mem, "%.*s.%.*s.AAAA", S_ARG(base64url(mem, header)), S_ARG(base64url(mem, claims)));
}

/* What verification says to it; *unknown where its key is not in the set. */
static enum err
verdict(const char *kid, bool *unknown)
{
	struct external principal;
	const char *issuer;
	enum err e = external_verify(token(kid), &principal, &issuer);

	*unknown = issuer && strcmp(issuer, ISSUER) == 0;
	return e;
}

static bool
is_loaded(void)
{
	/* The reply may still be on its way. */
	return n_loads() >= n_loads_wanted && pipe_in_flight(keys.pipe) == 0;
}

static bool
loads(int n)
{
	n_loads_wanted = n;
	return postgres_run(is_loaded, 0, ALONE_MS);
}

static void
on_connect(void)
{
	bool unknown;

	CHECK("before the first load a token is not refused for good",
	    verdict("known", &unknown) == ERR_OVERLOADED && !unknown);
	begin();
	CHECK("a connect loads", loads(1) && n_loads() == 1);
	CHECK("the issuers that are configured", strcmp(postgres.args, "{\"" ISSUER "\"} ") == 0);
	CHECK("and listens", strcmp(postgres.listening, "LISTEN \"millrace_jwks\"") == 0);
	CHECK("a loaded key is used", verdict("known", &unknown) == ERR_UNAUTHORIZED && !unknown);
	CHECK("another one is unknown", verdict("other", &unknown) == ERR_UNAUTHORIZED && unknown);
	end();
}

/* What happens once the first load is done, `jump_ms` later; it may raise n_loads_wanted. */
static struct {
	int64_t jump_ms;
	void (*act)(void);
	int turns; /* since the first load */
} then;

static bool
is_over(void)
{
	if (!is_loaded())
		return false;
	if (then.turns == 0)
		skew_ms += then.jump_ms;
	/* Not in the turn of the jump: the loop's own clock has not jumped yet. */
	if (then.turns == 1)
		then.act();
	return then.turns++ > 2;
}

static void
after_load(const char *name, int64_t jump_ms, void (*happens)(void), int n)
{
	begin();
	n_loads_wanted = 1;
	then.jump_ms = jump_ms;
	then.act = happens;
	then.turns = 0;
	CHECK(name, postgres_run(is_over, 0, jump_ms + ALONE_MS) && n_loads() == n);
	end();
}

static void
notification(void)
{
	static const char *const renewed[] = { ISSUER, "renewed", JWK("renewed") };

	postgres.row = renewed;
	postgres_notify("something_else", "");
	postgres_notify("millrace_jwks", "");
	n_loads_wanted = 2;
}

static void
tick(void)
{
	keys_tick(&keys);
	keys_tick(&keys);
}

static void
tick_and_wait(void)
{
	tick();
	n_loads_wanted = 2;
}

/* Loads, to no avail, and ticks once that has failed. */
static void
failure(void)
{
	fails = !fails;
	if (!fails) {
		tick_and_wait();
		n_loads_wanted = 3;
		return;
	}
	keys_on_notify(&keys, S("millrace_jwks"));
	n_loads_wanted = 2;
	then.turns = 0;
}

static bool
is_requested(void)
{
	if (!is_loaded())
		return false;
	if (then.turns++ == 0) {
		keys_request(&keys, ISSUER);
		keys_request(&keys, ISSUER);
		skew_ms += 900;
		keys_request(&keys, ISSUER);
		skew_ms += 100;
		keys_request(&keys, ISSUER);
	}
	return then.turns > 3;
}

static void
requesting(void)
{
	begin();
	n_loads_wanted = 1;
	then.turns = 0;
	CHECK("unknown keys are requested, once a second",
	    postgres_run(is_requested, 0, ALONE_MS) && count("jwks_refresh ") == 2);
	CHECK("with their issuer and the pause that is configured",
	    strcmp(postgres.args, ISSUER " 30 ") == 0);
	end();
}

static bool
is_idle(void)
{
	return pipe_is_up(keys.pipe) && pipe_in_flight(keys.pipe) == 0;
}

/* In a child, since settings are read once. */
static void
without_issuer(void *arg)
{
	(void)arg;
	begin();
	if (!postgres_run(is_idle, 0, ALONE_MS))
		_exit(1);
	keys_tick(&keys);
	if (pipe_in_flight(keys.pipe) != 0 || postgres.listening[0])
		_exit(2);
	end();
	postgres_end();
}

int
main(void)
{
	char said[256];
	bool unknown;

	mem = arena_new();
	log_open("unit", LOG_ERROR + 1);
	CHECK("without an issuer nothing is listened to or loaded",
	    test_in_child(without_issuer, NULL, said, sizeof(said)) == 0);
	setenv("MILLRACE_CLERK_ISSUER", ISSUER, 1);
	postgres_open();
	config_load(CONFIG_NO_SECRETS);
	postgres_close();
	on_connect();
	after_load("a notification loads, another channel's does not", 0, notification, 2);
	CHECK("new keys take the place of the old",
	    verdict("renewed", &unknown) == ERR_UNAUTHORIZED && !unknown &&
		verdict("known", &unknown) == ERR_UNAUTHORIZED && unknown);
	after_load("within a minute a tick does nothing", 59000, tick, 1);
	after_load("after a minute it loads, once", 60000, tick_and_wait, 2);
	after_load("after a failure at once", 0, failure, 3);
	requesting();
	postgres_end();
	arena_free(mem);
	return test_end();
}
