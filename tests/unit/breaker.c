/* runner/outside/breaker.c: each host has its own, however many there are. */
#include "runner/outside/breaker.h"
#include "test.h"

#define FAILURES 8
#define HOSTS 512

static void
fail(const char *host, int times)
{
	for (int i = 0; i < times; i++)
		breaker_report(host, false);
}

static const char *
name(char text[32], const char *what, int i)
{
	snprintf(text, 32, "%s%d.example:443", what, i);
	return text;
}

static void
forty_hosts(void)
{
	bool good = true;
	char text[32];

	fail(name(text, "dead", 0), FAILURES);
	for (int i = 1; i < 40; i++)
		EACH(good, breaker_wait_ms(name(text, "well", i)) == 0, "%s", text);
	CHECK("a dead host shuts out none of 40 others", good);
	for (int i = 1; i < 40; i++)
		fail(name(text, "dead", i), FAILURES);
	for (int i = 0; i < 40; i++)
		EACH(good, breaker_wait_ms(name(text, "dead", i)) > 0, "%s", text);
	CHECK("forty dead hosts are open at once", good);
	for (int i = 0; i < 40; i++)
		EACH(good, breaker_wait_ms(name(text, "well", i)) == 0, "%s", text);
	CHECK("and the others still go", good);
	breaker_report(name(text, "dead", 7), true);
	CHECK("one that answers is closed", breaker_wait_ms(text) == 0);
	CHECK("and no other with it", breaker_wait_ms(name(text, "dead", 8)) > 0);
}

static void
forgotten(void)
{
	char text[32];

	fail("kept.example:443", FAILURES);
	fail("left.example:443", FAILURES);
	for (int i = 0; i < HOSTS - 1; i++) {
		fail(name(text, "many", i), 1);
		(void)breaker_wait_ms("kept.example:443");
	}
	CHECK("what was used last is remembered", breaker_wait_ms("kept.example:443") > 0);
	CHECK("what was not is forgotten", breaker_wait_ms("left.example:443") == 0);
}

int
main(void)
{
	fail("a:1", FAILURES - 1);
	CHECK("seven failures are borne", breaker_wait_ms("a:1") == 0);
	breaker_report("a:1", true);
	fail("a:1", FAILURES - 1);
	CHECK("only those in a row count", breaker_wait_ms("a:1") == 0);
	fail("a:1", 1);
	CHECK("the eighth opens it for three seconds",
	    breaker_wait_ms("a:1") > 2000 && breaker_wait_ms("a:1") <= 3000);
	CHECK("a host's other port is another", breaker_wait_ms("a:2") == 0);
	forty_hosts();
	forgotten();
	return test_end();
}
