/* streamd/events/hub.c with a source that is a log in memory: whatever is lost, late or refused,
   each subscriber gets every event once and in order. */
#include <millrace/container_of.h>
#include <millrace/log.h>

#include "streamd/events/hub.h"

#include "test.h"

#define TOPIC "run:1"
#define LOG_MAX 400

/* --------------------------------------------------------------- the source */

static struct {
	struct hub_source source;
	struct hub *hub;
	int64_t from, head; /* seqs from … head are in the log, the last one terminal if `done` */
	bool done;
	struct topic *reading; /* a read that has begun */
	int n_reads, n_rechecks;
} fake;

static void
source_read(struct hub_source *source)
{
	(void)source;
	if (fake.reading || (fake.reading = hub_next_pending(fake.hub)) == NULL)
		return;
	fake.n_reads++;
}

static void
source_recheck_later(struct hub_source *source)
{
	(void)source;
	fake.n_rechecks++;
}

static struct event
event_of(int64_t seq)
{
	return (struct event){ .seq = seq,
		.type = fake.done && seq == fake.head ? S("done") : S("token"),
		.data = S("{}") };
}

/* Ends the read under way with at most `max` events, but one where there is one. */
static void
finish_read(int64_t max)
{
	struct topic *t = fake.reading;
	int64_t seq = t->read_upto + 1 > fake.from ? t->read_upto + 1 : fake.from;
	bool empty = true;

	fake.reading = NULL;
	for (; seq <= fake.head && max > 0; seq++, max--) {
		struct event e = event_of(seq);

		hub_read_event(t, &e);
		event_end(&e);
		empty = false;
	}
	hub_read_done(t, fake.head, empty);
}

/* Loop turns until nothing is pending. */
static void
settle(void)
{
	for (int i = 0; i < LOG_MAX; i++) {
		hub_turn(fake.hub);
		if (!fake.reading)
			return;
		finish_read(LOG_MAX);
	}
}

static void
notify(int64_t seq)
{
	struct event e = event_of(seq);

	hub_notified(fake.hub, S(TOPIC), seq, &e);
	event_end(&e);
}

/* Writes an event to the log and notifies of it. */
static void
publish(void)
{
	fake.head++;
	notify(fake.head);
}

/* ------------------------------------------------------------- a subscriber */

struct client {
	struct sub sub;
	bool blocked; /* has output queued */
	int room; /* events that it takes before it is full; -1: any number */
	int n, n_ended;
	int64_t got[LOG_MAX];
	struct client *ends; /* unsubscribed by a delivery */
};

static bool
client_ready(const struct sub *s)
{
	return !container_of(s, struct client, sub)->blocked;
}

static bool
client_deliver(struct sub *s, struct event *e)
{
	struct client *c = container_of(s, struct client, sub);

	if (c->ends)
		hub_unsubscribe(&c->ends->sub);
	if (c->room == 0)
		return false;
	if (c->room > 0)
		c->room--;
	c->got[c->n++ % LOG_MAX] = e->seq;
	if (event_is_terminal(e))
		hub_unsubscribe(s);
	return true;
}

static void
client_ended(struct sub *s)
{
	container_of(s, struct client, sub)->n_ended++;
	hub_unsubscribe(s);
}

static const struct sub_ops client_ops = {
	.ready = client_ready, .deliver = client_deliver, .ended = client_ended
};

static void
subscribe(struct client *c, int64_t after)
{
	*c = (struct client){ .sub.ops = &client_ops, .room = -1 };
	hub_subscribe(fake.hub, &c->sub, S(TOPIC), after);
}

/* Exactly the events first … last, in order. */
static bool
got(const struct client *c, int64_t first, int64_t last)
{
	if (c->n != last - first + 1)
		return false;
	for (int i = 0; i < c->n; i++)
		if (c->got[i] != first + i)
			return false;
	return true;
}

static void
begin(int64_t head)
{
	memset(&fake, 0, sizeof(fake));
	fake.source =
	    (struct hub_source){ .read = source_read, .recheck_later = source_recheck_later };
	fake.hub = hub_new();
	fake.from = 1;
	fake.head = head;
	hub_set_source(fake.hub, &fake.source);
}

static void
end(struct client *a, struct client *b)
{
	if (a)
		hub_unsubscribe(&a->sub);
	if (b)
		hub_unsubscribe(&b->sub);
	settle();
	hub_free(fake.hub);
}

/* ------------------------------------------------------------------- cases */

static void
in_order(void)
{
	struct client a;
	int64_t head = 0;

	begin(0);
	subscribe(&a, 0);
	CHECK("an unknown topic's head is not known", !hub_head(fake.hub, S(TOPIC), &head));
	settle();
	for (int i = 0; i < 5; i++)
		publish();
	CHECK("notified events are delivered at once, in order", got(&a, 1, 5));
	CHECK("without a read", fake.n_reads == 1);
	CHECK("the head is known", hub_head(fake.hub, S(TOPIC), &head) && head == 5);
	notify(5);
	notify(3);
	settle();
	CHECK("a repeated notification delivers nothing twice", got(&a, 1, 5));
	end(&a, NULL);
}

static void
late_joiner(void)
{
	struct client a, b;

	begin(5);
	subscribe(&a, 0);
	hub_turn(fake.hub);
	publish();
	CHECK("nothing overtakes the read under way", a.n == 0);
	subscribe(&b, 3);
	finish_read(2);
	settle();
	CHECK("a late subscriber gets the log, and then what came meanwhile", got(&a, 1, 6));
	CHECK("one that comes during a read gets what follows its own seq", got(&b, 4, 6));
	publish();
	CHECK("both get the next one at once", got(&a, 1, 7) && got(&b, 4, 7));
	end(&a, &b);
}

/* A run that was made at a time, in Unix milliseconds. */
static struct str
run_at(int64_t ms)
{
	static char name[64];

	snprintf(name, sizeof(name), "run:%08llx-%04llx-7000-8000-000000000000",
	    (unsigned long long)ms >> 16, (unsigned long long)ms & 0xffff);
	return str_from(name);
}

static void
notify_of(struct str topic, int64_t seq, bool has_content)
{
	struct event e = event_of(seq);

	hub_notified(fake.hub, topic, seq, has_content ? &e : NULL);
	event_end(&e);
}

static void
subscribe_to(struct client *c, struct str topic)
{
	*c = (struct client){ .sub.ops = &client_ops, .room = -1 };
	hub_subscribe(fake.hub, &c->sub, topic, 0);
	hub_recall(fake.hub);
	hub_turn(fake.hub);
}

/* Without a read, the events from 1 to `last`; then the one after it. */
static bool
recalled(struct client *c, int64_t run, int64_t last)
{
	subscribe_to(c, run_at(run));
	if (fake.reading || !got(c, 1, last))
		return false;
	notify_of(run_at(run), last + 1, true);
	return got(c, 1, last + 1) && !fake.reading;
}

static bool
is_read(struct client *c, int64_t run)
{
	bool was_read;

	subscribe_to(c, run_at(run));
	was_read = fake.reading != NULL && c->n == 0;
	if (fake.reading)
		finish_read(LOG_MAX);
	return was_read;
}

static void
new_runs(void)
{
	struct client c[9];

	begin(0);
	CHECK("before anything is heard each run is read", is_read(&c[0], 1000));
	hub_unsure(fake.hub, 2000);
	CHECK("so is one that is older than what is heard", is_read(&c[1], 2000));
	CHECK("of a new run nothing has come", recalled(&c[2], 2001, 0));
	for (int i = 1; i <= 3; i++)
		notify_of(run_at(2002), i, true);
	notify_of(run_at(2002), 3, true);
	CHECK("what came before its subscriber is there", recalled(&c[3], 2002, 3));
	notify_of(run_at(2003), 1, true);
	notify_of(run_at(2003), 2, false);
	CHECK("an event too large for a notification is read", is_read(&c[4], 2003));
	notify_of(run_at(2004), 2, true);
	CHECK("so is one whose notification was missed", is_read(&c[5], 2004));
	hub_unsubscribe(&c[3].sub);
	fake.head = 4;
	CHECK("who comes after another's end reads", is_read(&c[6], 2002) && got(&c[6], 1, 4));
	notify_of(run_at(2005), 1, true);
	*(&c[7]) = (struct client){ .sub.ops = &client_ops, .room = -1 };
	hub_subscribe(fake.hub, &c[7].sub, run_at(2005), 0);
	hub_mark_stale(fake.hub);
	hub_recall(fake.hub);
	CHECK("where notifications may be lost nothing is known", c[7].n == 0);
	hub_unsure(fake.hub, 3000);
	notify_of(run_at(2999), 1, true);
	settle();
	CHECK("nor of runs until then", is_read(&c[8], 2999));
	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++)
		hub_unsubscribe(&c[i].sub);
	settle();
	hub_free(fake.hub);
}

static void
lost_notification(void)
{
	struct client a;

	begin(0);
	subscribe(&a, 0);
	settle();
	publish();
	fake.head++;
	settle();
	CHECK("an event whose notification is lost is not known", got(&a, 1, 1));
	publish();
	CHECK("the one after it waits", got(&a, 1, 1));
	settle();
	CHECK("a read heals the gap, in order", got(&a, 1, 3));
	fake.head++;
	hub_mark_stale(fake.hub);
	settle();
	CHECK("a stale topic is read, though nothing was notified", got(&a, 1, 4));
	fake.head++;
	hub_notified(fake.hub, S(TOPIC), fake.head, NULL);
	settle();
	CHECK("an event too large for a notification is read", got(&a, 1, 5));
	end(&a, NULL);
}

static void
stale_head(void)
{
	struct client a;
	int64_t head;

	begin(3);
	subscribe(&a, 3);
	settle();
	hub_mark_stale(fake.hub);
	CHECK("a stale topic's head is not known", !hub_head(fake.hub, S(TOPIC), &head));
	hub_turn(fake.hub);
	CHECK("nor while it is read", !hub_head(fake.hub, S(TOPIC), &head));
	hub_read_failed(fake.reading);
	fake.reading = NULL;
	CHECK("nor after a read that failed", !hub_head(fake.hub, S(TOPIC), &head));
	settle();
	CHECK("a failed read is repeated", hub_head(fake.hub, S(TOPIC), &head) && head == 3);
	CHECK("and nobody gets anything twice", a.n == 0);
	end(&a, NULL);
}

static void
slow_subscriber(void)
{
	struct client a, b;

	begin(0);
	subscribe(&a, 0);
	subscribe(&b, 0);
	settle();
	a.room = 2;
	for (int i = 0; i < 4; i++) {
		publish();
		a.blocked = a.room == 0;
	}
	CHECK("one without room does not hold up others", got(&a, 1, 2) && got(&b, 1, 4));
	fake.n_reads = 0;
	settle();
	CHECK("nothing is read for one that is not ready", fake.n_reads == 0);
	a.room = -1;
	a.blocked = false;
	hub_drained(&a.sub);
	publish();
	settle();
	CHECK("drained, it is caught up", got(&a, 1, 5) && got(&b, 1, 5));
	end(&a, &b);
}

static void
deleted_events(void)
{
	struct client a, b;

	begin(52);
	fake.from = 50;
	subscribe(&a, 10);
	settle();
	CHECK("events deleted for their age are passed over", got(&a, 50, 52));
	fake.from = 53;
	subscribe(&b, 20);
	settle();
	publish();
	CHECK("also where all are deleted", got(&b, 53, 53) && got(&a, 50, 53));
	end(&a, &b);
}

static void
invented_seq(void)
{
	struct client a;

	begin(3);
	subscribe(&a, 100);
	settle();
	CHECK("a seq beyond the log is rechecked later", a.n == 0 && fake.n_rechecks > 0);
	fake.n_reads = 0;
	hub_recheck_short(fake.hub);
	settle();
	CHECK("by a read", fake.n_reads == 1 && a.n == 0);
	fake.done = true;
	publish();
	CHECK("a terminal event before it ends the subscriber", a.n_ended == 1 && a.n == 0);
	settle();
	CHECK("a topic without subscribers is freed", hub_topics(fake.hub) == 0);
	end(NULL, NULL);
}

static void
unsubscribing(void)
{
	struct client a, b;

	begin(0);
	subscribe(&a, 0);
	subscribe(&b, 0);
	settle();
	b.ends = &a;
	publish();
	publish();
	CHECK("a delivery may unsubscribe the next in turn", got(&b, 1, 2) && a.n == 0);
	b.ends = &b;
	publish();
	settle();
	CHECK("and itself", got(&b, 1, 3) && hub_topics(fake.hub) == 0);
	subscribe(&a, 0);
	hub_turn(fake.hub);
	hub_unsubscribe(&a.sub);
	CHECK("a topic stays while it is read", hub_topics(fake.hub) == 1);
	finish_read(LOG_MAX);
	CHECK("and goes then", hub_topics(fake.hub) == 0);
	end(NULL, NULL);
}

/* Any mixture of losses, delays, full and failed: all is delivered in the end, once, in order. */
static void
any_mixture(void)
{
	uint32_t state = 7;
	bool good = true;

	for (int run = 0; run < 300; run++) {
		struct client c[2];

		begin(test_random(&state) % 5);
		subscribe(&c[0], 0);
		subscribe(&c[1], 0);
		for (int i = 0; i < 200; i++) {
			struct client *one = &c[test_random(&state) % 2];

			switch (test_random(&state) % 8) {
			case 0:
			case 1:
				publish();
				break;
			case 2:
				fake.head++;
				break;
			case 3:
				hub_turn(fake.hub);
				break;
			case 4:
				if (fake.reading)
					finish_read(1 + test_random(&state) % 4);
				break;
			case 5:
				one->room = (int)(test_random(&state) % 3);
				one->blocked = one->room == 0;
				break;
			case 6:
				one->room = -1;
				one->blocked = false;
				hub_drained(&one->sub);
				break;
			case 7:
				if (fake.reading && test_random(&state) % 2)
					hub_read_failed(fake.reading), fake.reading = NULL;
				break;
			}
		}
		for (int i = 0; i < 2; i++) {
			c[i].room = -1;
			c[i].blocked = false;
		}
		hub_mark_stale(fake.hub);
		if (fake.reading)
			finish_read(LOG_MAX);
		settle();
		EACH(good, got(&c[0], 1, fake.head) && got(&c[1], 1, fake.head), "run %d", run);
		end(&c[0], &c[1]);
	}
	CHECK("any mixture of losses and delays heals", good);
}

static const struct sub_ops announced_ops = {
	.ready = client_ready, .deliver = client_deliver, .ended = client_ended, .announced = true
};

/* What is in no log goes to who takes such, when that has nothing queued, and counts for nobody. */
static void
announcements(void)
{
	struct event e = { .type = S("agent_countdown"), .data = S("{}") };
	struct arena *a = arena_new();
	struct client one, other;
	struct str_list names;

	begin(1);
	subscribe(&one, 1);
	subscribe(&other, 1);
	settle();
	CHECK("nobody takes what is announced", hub_announced(fake.hub, a).n == 0);
	other.sub.ops = &announced_ops;
	names = hub_announced(fake.hub, a);
	CHECK("a topic that somebody does for", names.n == 1 && str_eq(names.p[0], S(TOPIC)));
	hub_announce(fake.hub, S(TOPIC), &e);
	hub_announce(fake.hub, S("run:2"), &e);
	CHECK("it is announced to that one", one.n == 0 && other.n == 1 && other.got[0] == 0);
	other.blocked = true;
	hub_announce(fake.hub, S(TOPIC), &e);
	CHECK("not while it is slow", other.n == 1);
	other.blocked = false;
	other.n = 0;
	publish();
	settle();
	CHECK("the log goes on as before", got(&one, 2, 2) && got(&other, 2, 2));
	event_end(&e);
	arena_free(a);
	end(&one, &other);
}

int
main(void)
{
	log_open("test", LOG_ERROR);
	in_order();
	late_joiner();
	new_runs();
	lost_notification();
	stale_head();
	slow_subscriber();
	deleted_events();
	invented_seq();
	unsubscribing();
	any_mixture();
	announcements();
	return test_end();
}
