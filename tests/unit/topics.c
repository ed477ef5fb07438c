/* streamd/events/topics.c: what is cached, for how long, and what a user may have under way. */
#include <millrace/log.h>

#include "streamd/events/topics.h"
#include "streamd/events/usage.h"

#include "fake_pipe.h"
#include "test.h"

#define USER "0190b3e8-8a54-7c3e-9d55-0242ac120002"

static struct loop *loop;
static struct hub *hub;
static struct usage usage;
static struct topics *ts;
static struct principal who;

/* ----------------------------------------------------------- subscriber, query */

static bool
sub_ready(const struct sub *s)
{
	(void)s;
	return true;
}

static bool
sub_deliver(struct sub *s, struct event *e)
{
	(void)s;
	(void)e;
	return true;
}

static const struct sub_ops sub_ops = { .ready = sub_ready, .deliver = sub_deliver };

static void
source_read(struct hub_source *source)
{
	struct topic *t = hub_next_pending(hub);

	(void)source;
	if (t)
		hub_read_done(t, 7, true);
}

static struct hub_source source = { .read = source_read };

static int n_replies;
static struct {
	enum err e;
	bool allowed, kept;
	int64_t head;
} last;

static void
on_reply(struct topic_query *q, enum err e, bool allowed, int64_t head, bool kept)
{
	n_replies += q->request == NULL;
	last.e = e;
	last.allowed = allowed;
	last.head = head;
	last.kept = kept;
}

static void
row(bool allowed, const char *head)
{
	fake_row((const char *[]){ allowed ? "t" : "f", head, "t" }, 3);
}

/* ------------------------------------------------------------------- cases */

static void
cached(void)
{
	struct topic_query q = { .on_reply = on_reply };
	struct sub sub = { .ops = &sub_ops };

	topics_query(ts, &q, &who, S("agent:1"), -1);
	CHECK("a query waits for the database", n_replies == 0 && q.request && fake_waiting() == 1);
	row(true, "7");
	CHECK("and has its reply",
	    n_replies == 1 && last.e == ERR_OK && last.allowed && last.head == 7 && last.kept);
	topics_query(ts, &q, &who, S("agent:1"), -1);
	CHECK("the head of a topic without subscribers is queried", fake_waiting() == 1);
	row(true, "7");
	hub_subscribe(hub, &sub, S("agent:1"), 0);
	hub_turn(hub);
	topics_query(ts, &q, &who, S("agent:1"), -1);
	CHECK("with one, the cache replies at once",
	    n_replies == 3 && fake_waiting() == 0 && last.allowed && last.head == 7);
	topics_query(ts, &q, &who, S("agent:1"), 3);
	CHECK("but not to whether events are kept", fake_waiting() == 1);
	row(true, "7");
	who.analytics = true;
	topics_query(ts, &q, &who, S("agent:1"), -1);
	CHECK("nor with other rights", fake_waiting() == 1);
	row(true, "7");
	who.analytics = false;
	topics_on_notify(ts, S(USER));
	topics_query(ts, &q, &who, S("agent:1"), -1);
	CHECK("nor after a change", fake_waiting() == 1);
	topics_on_notify(ts, S(USER));
	row(true, "7");
	topics_query(ts, &q, &who, S("agent:1"), -1);
	CHECK("a reply from before a change is not cached", fake_waiting() == 1);
	row(false, "7");
	topics_query(ts, &q, &who, S("agent:1"), -1);
	CHECK("nor is a refusal", fake_waiting() == 1 && !last.allowed);
	row(false, "7");
	hub_unsubscribe(&sub);
}

static void
cancelled(void)
{
	struct topic_query q = { .on_reply = on_reply };

	n_replies = 0;
	topics_query(ts, &q, &who, S("agent:2"), -1);
	topic_query_cancel(&q);
	topic_query_cancel(&q);
	CHECK("a cancelled query still counts as its user's",
	    usage_find(&usage, &who.user) && fake_waiting() == 1);
	row(true, "1");
	CHECK("has no reply", n_replies == 0);
	fake_down = true;
	topics_query(ts, &q, &who, S("agent:2"), -1);
	fake_down = false;
	CHECK("without a connection the reply is an error, at once",
	    n_replies == 1 && last.e == ERR_OVERLOADED && !last.allowed && !q.request);
	CHECK("nothing is counted any more", usage.users == NULL);
}

static void
flooding(void)
{
	struct user_usage *u = usage_get(&usage, &who.user);

	CHECK("a user without queries is not flooding", !topics_user_is_flooding(ts, &who));
	u->queries = 4096;
	CHECK("one with thousands is", topics_user_is_flooding(ts, &who));
	u->queries = 0;
	usage_release(&usage, u);
}

int
main(void)
{
	log_open("test", LOG_ERROR);
	if (!uuid_parse(S(USER), &who.user))
		abort();
	loop = loop_new();
	hub = hub_new();
	hub_set_source(hub, &source);
	ts = topics_open(loop, hub, NULL, &usage);
	cached();
	cancelled();
	flooding();
	topics_close(ts);
	hub_free(hub);
	loop_free(loop);
	return test_end();
}
