/* streamd/events/principal.c and usage.c: who is counted, who is revalidated, and who is notified.
 */
#include <millrace/config.h>
#include <millrace/log.h>

#include "streamd/events/principal.h"
#include "streamd/events/usage.h"

#include "fake_pipe.h"
#include "test.h"

#define USER "0190b3e8-8a54-7c3e-9d55-0242ac120002"
#define OTHER "0190b3e8-8a54-7c3e-9d55-0242ac120003"
#define SESSION "0190b3e8-8a54-7c3e-9d55-0242ac120004"

static struct arena *mem;
static struct loop *loop;
static struct usage usage;
static struct principals *ps;
static int n_changed, n_ended;
static struct principal *detached_by_change;

static void
on_change(struct principal *p, bool ended)
{
	n_changed++;
	n_ended += ended;
	if (detached_by_change)
		principal_detach(ps, detached_by_change);
	if (ended)
		principal_detach(ps, p);
}

static struct principal
principal(const char *user, const char *session, const char *hash)
{
	struct grant g = { .topic = S("run:x") };

	if (user && !uuid_parse(str_from(user), &g.user))
		abort();
	if (session && !uuid_parse(str_from(session), &g.session))
		abort();
	if (hash)
		g.token_hash = str_from(hash);
	return principal_of_grant(&g);
}

static void
attach(struct principal *p)
{
	p->on_change = on_change;
	principal_attach(ps, p);
}

static void
loop_once(struct loop_timer *t)
{
	(void)t;
	loop_stop(loop);
}

/* Runs the loop for `ms` milliseconds: new principals are revalidated after 100 of them. */
static void
run(int64_t ms)
{
	struct loop_timer t = { .fire = loop_once };

	loop_arm(loop, &t, ms);
	loop_run(loop);
}

static void
row(bool alive, bool analytics)
{
	fake_row((const char *[]){ alive ? "t" : "f", analytics ? "t" : "f" }, 2);
}

static void
begin(void)
{
	loop = loop_new();
	ps = principals_open(loop, NULL, &usage);
	n_changed = n_ended = 0;
	detached_by_change = NULL;
	fake_down = false;
}

static void
end(void)
{
	CHECK("nothing remains of a user without streams", usage.users == NULL);
	principals_close(ps);
	loop_free(loop);
}

static void
handed_over(void)
{
	static const char hash[] = "0123456789abcdef0123456789abcdef";
	struct principal p = principal(USER, NULL, hash), back = { 0 };
	struct buf b = { .a = mem };
	json_object *o;
	const char *why;

	CHECK("a token's hash is kept", p.by_token && memcmp(p.token_hash, hash, 32) == 0);
	CHECK("one of another length is none", !principal(USER, NULL, "short").by_token);
	p.analytics = true;
	buf_put(&b, S("{"));
	principal_save(&p, &b);
	buf_put(&b, S("\"last\":true}"));
	if (json_parse(mem, buf_str(&b), &o, &why) != ERR_OK)
		abort();
	CHECK("a principal comes back from a handover",
	    principal_restore(&back, o) && strcmp(back.user.text, USER) == 0 && back.analytics &&
		back.by_token && memcmp(back.token_hash, hash, 32) == 0 && !back.session.text[0]);
	if (json_parse(mem, S("{\"user\":\"x\"}"), &o, &why) != ERR_OK)
		abort();
	CHECK("a malformed one is refused", !principal_restore(&back, o));
}

static void
counted(void)
{
	struct principal a = principal(USER, SESSION, NULL), b = principal(USER, NULL, NULL),
			 other = principal(OTHER, NULL, NULL), nobody = principal(NULL, NULL, NULL);

	begin();
	attach(&a);
	CHECK("below the limit", !principals_user_is_full(ps, &a.user));
	attach(&b);
	attach(&other);
	attach(&nobody);
	CHECK("a user with as many streams as allowed is full",
	    principals_user_is_full(ps, &a.user) && !principals_user_is_full(ps, &other.user));
	CHECK("the most of one user", usage_most_streams(&usage) == 2);
	principal_detach(ps, &a);
	principal_detach(ps, &a);
	CHECK("a detached stream makes room", !principals_user_is_full(ps, &a.user));
	principal_detach(ps, &b);
	principal_detach(ps, &other);
	principal_detach(ps, &nobody);
	end();
}

static void
revalidated(void)
{
	struct principal a = principal(USER, SESSION, NULL), b = a, c = principal(USER, NULL, NULL);

	begin();
	attach(&a);
	attach(&b);
	attach(&c);
	CHECK("nothing is sent at once", fake_waiting() == 0);
	run(150);
	CHECK("one statement for all credentials", fake_waiting() == 1);
	fake_rows((const char *[]){ "t", "f", "t", "f" }, 2, 2);
	CHECK("nobody is notified where nothing differs", n_changed == 0);
	principals_on_notify(ps, S(OTHER));
	principals_on_notify(ps, S("malformed"));
	CHECK("other users are not revalidated", fake_waiting() == 0);
	principals_on_notify(ps, S(USER));
	CHECK("a notification revalidates each credential", fake_waiting() == 1);
	fake_rows((const char *[]){ "t", "t", "f", "f" }, 2, 2);
	CHECK("all of a credential are notified, and an ended one ends its streams alone",
	    n_changed == 3 && n_ended == 1 && !c.prev && a.prev && b.prev);
	CHECK("with their new rights", a.analytics && b.analytics && !c.analytics);
	principals_on_notify(ps, S(USER));
	fake_rows((const char *[]){ "f", "f", "f", "f" }, 2, 2);
	principals_on_ready(ps);
	CHECK("a reply of another length is believed in nothing, and asked for again",
	    n_changed == 3 && fake_waiting() == 1);
	row(true, true);
	principal_detach(ps, &a);
	principal_detach(ps, &b);
	end();
}

static void
detaching(void)
{
	struct principal a = principal(USER, SESSION, NULL), b = a, c = a;

	begin();
	attach(&a);
	attach(&b);
	attach(&c);
	principals_on_notify(ps, S(USER));
	detached_by_change = &b;
	row(true, false);
	CHECK("a callback may detach the next principal", n_changed == 2 && !b.prev && c.prev);
	principals_on_notify(ps, S(USER));
	principal_detach(ps, &a);
	principal_detach(ps, &c);
	row(false, false);
	CHECK("a reply may come after the last stream", n_changed == 2);
	end();
}

static void
failing(void)
{
	struct principal a = principal(USER, SESSION, NULL);

	begin();
	attach(&a);
	fake_down = true;
	principals_on_notify(ps, S(USER));
	fake_down = false;
	principals_on_ready(ps);
	CHECK("what could not be sent is repeated when the database is back", fake_waiting() == 1);
	fake_fail(ERR_OVERLOADED);
	principals_on_ready(ps);
	CHECK("so is what failed", fake_waiting() == 1);
	row(false, false);
	CHECK("and then believed", n_ended == 1);
	principals_on_ready(ps);
	principals_on_listen(ps);
	CHECK("nothing is left to revalidate", fake_waiting() == 0);
	end();
}

int
main(void)
{
	setenv("MILLRACE_USER_STREAMS", "2", 1);
	config_load(CONFIG_NO_SECRETS);
	log_open("test", LOG_ERROR);
	mem = arena_new();
	handed_over();
	counted();
	revalidated();
	detaching();
	failing();
	arena_free(mem);
	return test_end();
}
