/* fcgi/rate.c: requests are counted by caller and kind, by minute, by all processes together. */
#include <time.h>

#include <millrace/config.h>

#include "fcgi/metrics.h"
#include "fcgi/rate.h"
#include "fcgi/worker.h"
#include "test.h"

#define USER "0192f3a4-b5c6-7d8e-9fab-cdef01234567"

static struct worker worker;
static char dir[] = "/tmp/millrace-unit-XXXXXX";

/* Counts once; what is left, or -1 where it is too often. */
static int64_t
count(enum rate rate, const char *who)
{
	struct route route = { .rate = rate };
	struct req r = {
		.a = arena_new(), .worker = &worker, .route = &route, .subject = str_from(who)
	};
	enum err e = rate_count(&r, route.rate);
	int64_t left = e == ERR_OK ? r.rate_remaining : -1;

	if (e != ERR_OK && (e != ERR_RATE_LIMITED || r.rate_remaining != 0))
		left = -2;
	if (r.rate_limit != 0 && (r.rate_reset <= time(NULL) || r.rate_reset > time(NULL) + 60))
		left = -3;
	if (r.rate_limit == 0)
		left = INT64_MAX;
	arena_free(r.a);
	return left;
}

static void
count_twice(void *arg)
{
	(void)arg;
	_exit((int)(count(RATE_LOGIN, "shared") + count(RATE_LOGIN, "shared")));
}

static void
limits(void)
{
	bool good = true;
	char said[64];

	for (int64_t i = 0; i < 5; i++)
		EACH(good, count(RATE_LOGIN, "a") == 4 - i, "%d", (int)i);
	CHECK("five of five", good);
	CHECK("the sixth is too often, and the seventh", count(RATE_LOGIN, "a") == -1 &&
							     count(RATE_LOGIN, "a") == -1 &&
							     metrics.rate_limited == 2);
	CHECK("another caller is counted for itself", count(RATE_LOGIN, "b") == 4);
	CHECK("another kind too", count(RATE_WRITE, "a") == 9);
	CHECK("no limit, no count",
	    count(RATE_READ, "a") == INT64_MAX && count(RATE_NONE, "a") == INT64_MAX);
	CHECK("another process counts along",
	    test_in_child(count_twice, NULL, said, sizeof(said)) == 4 + 3 &&
		count(RATE_LOGIN, "shared") == 2);
}

/* Callers that share slots push each other out at most; nobody is counted for another. */
static void
many_callers(void)
{
	char who[32];
	bool good = true;

	for (int i = 0; i < 20000; i++) {
		snprintf(who, sizeof(who), "caller %d", i);
		EACH(good, count(RATE_WRITE, who) == 9, "%s", who);
	}
	CHECK("twenty thousand callers are each counted once", good);
}

static void
knows_in_child(void *arg)
{
	struct uuid user;

	_exit(rate_key_user(str_from(arg), &user) && strcmp(user.text, USER) == 0);
}

static void
keys(void)
{
	char made_up[] = "0123456789abcdef0123456789abcdeX",
	     good[] = "fedcba9876543210fedcba9876543210", said[64];

	struct uuid user = { "" };

	CHECK("a key is unknown at first", !rate_key_user(str_from(good), &user));
	rate_know_key(str_from(good), &(struct uuid){ "00000000-0000-7000-8000-000000000001" });
	rate_know_key(str_from(good), &(struct uuid){ USER });
	CHECK("and its user's once it was good, for other processes too",
	    rate_key_user(str_from(good), &user) && strcmp(user.text, USER) == 0 &&
		!rate_key_user(str_from(made_up), &user) &&
		test_in_child(knows_in_child, good, said, sizeof(said)) == 1);
	rate_forget_key(str_from(made_up));
	CHECK("another's end is not its own", rate_key_user(str_from(good), &user));
	rate_forget_key(str_from(good));
	CHECK("one that is refused is nobody's again", !rate_key_user(str_from(good), &user));
}

int
main(void)
{
	char path[64];

	if (!mkdtemp(dir))
		abort();
	setenv("MILLRACE_RUNTIME_DIR", dir, 1);
	setenv("MILLRACE_RATE_LOGIN", "5", 1);
	setenv("MILLRACE_RATE_WRITE", "10", 1);
	setenv("MILLRACE_RATE_READ", "0", 1);
	config_load(CONFIG_NO_SECRETS);
	rate_open();
	/* A minute that ends while it is counted would begin the count anew. */
	if (time(NULL) % 60 > 56)
		sleep(4);
	limits();
	many_callers();
	keys();
	snprintf(path, sizeof(path), "%s/ratelimit", dir);
	if (unlink(path) != 0 || rmdir(dir) != 0)
		abort();
	return test_end();
}
