#include <stdlib.h>

#include <utlist.h>

#include <millrace/arena.h>
#include <millrace/clock.h>
#include <millrace/log.h>

#include "streamd/events/hub.h"
#include "streamd/metrics.h"

/* How long the runner has to write events again that a crash of the database has lost. */
#define SHORT_LOG_US ((int64_t)5 * 1000 * 1000)

struct hub {
	struct topic *topics;
	struct topic *pending_first, **pending_last;
	struct hub_source *source;
	struct recent *recent;
};

struct hub *
hub_new(void)
{
	struct hub *h = xmalloc(sizeof(*h));

	*h = (struct hub){ .recent = recent_new() };
	h->pending_last = &h->pending_first;
	return h;
}

void
hub_set_source(struct hub *h, struct hub_source *source)
{
	h->source = source;
}

void
hub_free(struct hub *h)
{
	while (hub_next_pending(h))
		;
	recent_free(h->recent);
	free(h);
}

size_t
hub_topics(const struct hub *h)
{
	return HASH_COUNT(h->topics);
}

/* Frees a topic without subscribers that nothing else refers to. */
static void
topic_release(struct topic *t)
{
	struct hub *h = t->hub;

	if (t->subs || t->busy || t->pending || t->reading)
		return;
	HASH_DEL(h->topics, t);
	known_free(t->known);
	free(t);
}

static struct topic *
topic_find(const struct hub *h, struct str name)
{
	struct topic *t;

	HASH_FIND(hh, h->topics, name.p, name.n, t);
	return t;
}

bool
hub_head(const struct hub *h, struct str topic, int64_t *head)
{
	const struct topic *t = topic_find(h, topic);

	if (!t || t->stale || t->reading)
		return false;
	*head = t->latest;
	return true;
}

static struct topic *
topic_get(struct hub *h, struct str name)
{
	size_t size = offsetof(struct topic, name) + name.n + 1;
	struct topic *t = topic_find(h, name);

	if (t)
		return t;
	t = xmalloc(size > sizeof(*t) ? size : sizeof(*t));
	*t = (struct topic){ .hub = h,
		.stale = true,
		.name_len = (uint32_t)name.n,
		.known = recent_take(h->recent, name) };
	memcpy(t->name, name.p, name.n);
	t->name[name.n] = '\0';
	HASH_ADD_KEYPTR(hh, h->topics, t->name, t->name_len, t);
	return t;
}

static bool
is_behind(const struct topic *t, const struct sub *s)
{
	return t->stale || s->sent < t->latest;
}

/* Queues the topic for a read. A read under way queues it again at its end. */
static void
topic_queue_read(struct topic *t)
{
	if (t->pending || t->reading)
		return;
	t->pending = true;
	t->pending_next = NULL;
	*t->hub->pending_last = t;
	t->hub->pending_last = &t->pending_next;
}

static void
read_if_behind(struct topic *t, const struct sub *s)
{
	if (is_behind(t, s) && s->ops->ready(s))
		topic_queue_read(t);
}

void
hub_subscribe(struct hub *h, struct sub *s, struct str topic, int64_t after)
{
	struct topic *t = topic_get(h, topic);

	s->topic = t;
	s->sent = after;
	DL_PREPEND(t->subs, s);
	/* Beyond what is known here: another streamd was ahead, or the client invented it. */
	if (after > t->latest)
		t->stale = true;
	read_if_behind(t, s);
}

void
hub_unsubscribe(struct sub *s)
{
	struct topic *t = s->topic;

	if (!t)
		return;
	s->topic = NULL;
	if (t->next == s)
		t->next = s->next;
	DL_DELETE(t->subs, s);
	topic_release(t);
}

void
hub_drained(struct sub *s)
{
	if (s->topic)
		read_if_behind(s->topic, s);
}

/* Walks over all subscribers. A delivery may unsubscribe any of them: hub_unsubscribe moves t->next
   past those. */
static struct sub *
first(struct topic *t)
{
	t->next = t->subs ? t->subs->next : NULL;
	return t->subs;
}

static struct sub *
following(struct topic *t)
{
	struct sub *s = t->next;

	t->next = s ? s->next : NULL;
	return s;
}

void
hub_notified(struct hub *h, struct str topic, int64_t seq, struct event *e)
{
	struct topic *t = topic_find(h, topic);

	if (!t) {
		recent_add(h->recent, topic, seq, e);
		return;
	}
	if (seq > t->latest)
		t->latest = seq;
	if (seq > t->came)
		t->came = seq;
	t->busy++;
	for (struct sub *s = first(t); s; s = following(t)) {
		if (s->sent >= seq) {
			if (e && event_is_terminal(e) && s->ops->ended)
				s->ops->ended(s);
			continue;
		}
		if (e && s->sent == seq - 1) {
			/* Set first: the delivery of the last event unsubscribes it. */
			s->sent = seq;
			if (s->ops->deliver(s, e))
				continue;
			s->sent = seq - 1;
		}
		read_if_behind(t, s);
	}
	t->busy--;
	topic_release(t);
}

void
hub_announce(struct hub *h, struct str topic, struct event *e)
{
	struct topic *t = topic_find(h, topic);

	if (!t)
		return;
	t->busy++;
	for (struct sub *s = first(t); s; s = following(t))
		if (s->ops->announced && s->ops->ready(s))
			(void)s->ops->deliver(s, e);
	t->busy--;
	topic_release(t);
}

struct str_list
hub_announced(const struct hub *h, struct arena *a)
{
	struct str_list names = { arena_alloc(a, (hub_topics(h) + 1) * sizeof(struct str)), 0 };
	const struct topic *t;
	const struct sub *s;

	for (t = h->topics; t; t = t->hh.next) {
		DL_FOREACH (t->subs, s)
			if (s->ops->announced)
				break;
		if (s)
			names.p[names.n++] = arena_str(a, (struct str){ t->name, t->name_len });
	}
	return names;
}

void
hub_mark_stale(struct hub *h)
{
	struct topic *t, *next;

	HASH_ITER (hh, h->topics, t, next) {
		t->stale = true;
		known_free(t->known);
		t->known = NULL;
		topic_queue_read(t);
	}
}

void
hub_unsure(struct hub *h, int64_t until_ms)
{
	recent_unsure(h->recent, until_ms);
}

void
hub_turn(struct hub *h)
{
	if (h->pending_first)
		h->source->read(h->source);
}

/* Reads from the least seq of a ready subscriber. False where nobody needs a read. */
static bool
choose_after(struct topic *t)
{
	bool found = false;
	struct sub *s;

	DL_FOREACH (t->subs, s) {
		if (!is_behind(t, s) || !s->ops->ready(s))
			continue;
		if (!found || s->sent < t->read_upto)
			t->read_upto = s->sent;
		found = true;
	}
	return found;
}

/* A read of the topic begins. */
static void
read_begin(struct topic *t)
{
	t->reading = true;
	/* Notifications from here on are reliable again; the read brings the rest. */
	if (t->stale)
		t->latest = 0;
	t->stale = false;
	t->latest_before = t->latest;
}

struct topic *
hub_next_pending(struct hub *h)
{
	struct topic *t;

	while ((t = h->pending_first) != NULL) {
		h->pending_first = t->pending_next;
		if (!h->pending_first)
			h->pending_last = &h->pending_first;
		t->pending = false;
		if (choose_after(t))
			break;
		topic_release(t);
	}
	if (!t)
		return NULL;
	read_begin(t);
	return t;
}

void
hub_read_event(struct topic *t, struct event *e)
{
	for (struct sub *s = first(t); s; s = following(t)) {
		int64_t before = s->sent;

		/* Deliver only to those who have all before it: not to one that subscribed
		   meanwhile with less, nor to one that had no room for the event before. Where seq
		   jumps, the missing events were deleted for their age. */
		if (before >= e->seq && event_is_terminal(e) && s->ops->ended)
			s->ops->ended(s);
		if (before < t->read_upto || before >= e->seq)
			continue;
		s->sent = e->seq;
		if (!s->ops->deliver(s, e))
			s->sent = before;
	}
	t->read_upto = e->seq;
	if (e->seq > t->came)
		t->came = e->seq;
	metrics.events_read++;
}

/* The events from `from` to `to` have been deleted for their age. */
static void
pass_over(struct topic *t, int64_t from, int64_t to)
{
	struct sub *s;

	DL_FOREACH (t->subs, s)
		if (s->sent >= from && s->sent < to)
			s->sent = to;
}

/* Subscribers have more than the log holds: the database lost its last commits in a crash (they are
   asynchronous), or a client invented its number. The runner writes lost events again unchanged, so
   subscribers keep their seq for a while, and get nothing twice. After that they go back to the
   log's end: events that are written then must reach them. */
static void
log_is_short(struct topic *t, int64_t head)
{
	bool over = t->short_since_us != 0 && clock_us() - t->short_since_us >= SHORT_LOG_US;
	bool waits = false;
	struct sub *s;

	DL_FOREACH (t->subs, s) {
		if (s->sent <= head)
			continue;
		if (over)
			s->sent = t->short_head < head ? t->short_head : head;
		else
			waits = true;
	}
	if (waits && t->short_since_us == 0) {
		/* An invented number is no loss. */
		if (t->came > head)
			log_warn(
			    "hub: log ends before what its subscribers have", "topic", t->name);
		t->short_since_us = clock_us();
		t->short_head = head;
	}
	if (waits)
		t->hub->source->recheck_later(t->hub->source);
	else
		t->short_since_us = 0;
}

void
hub_recheck_short(struct hub *h)
{
	struct topic *t, *next;

	HASH_ITER (hh, h->topics, t, next) {
		if (t->short_since_us == 0)
			continue;
		t->stale = true;
		topic_queue_read(t);
	}
}

void
hub_read_done(struct topic *t, int64_t head, bool empty)
{
	struct sub *s;

	t->reading = false;
	if (empty && head > t->read_upto)
		pass_over(t, t->read_upto, head);
	/* Only without notifications and newcomers during the read does its head hold. */
	if (t->latest == t->latest_before && !t->stale)
		log_is_short(t, head);
	if (head > t->latest || t->latest == t->latest_before)
		t->latest = head;
	DL_FOREACH (t->subs, s)
		read_if_behind(t, s);
	topic_release(t);
}

void
hub_read_failed(struct topic *t)
{
	t->reading = false;
	t->stale = true;
	if (t->subs)
		topic_queue_read(t);
	topic_release(t);
}

/* A read of what is known; false where the log has to say it. May free the topic. */
static bool
recall(struct topic *t)
{
	struct known *k = t->known;

	if (!k)
		return false;
	t->known = NULL;
	if (!choose_after(t) || t->read_upto > 0) {
		known_free(k);
		return false;
	}
	read_begin(t);
	for (struct kept *it = k->first; it; it = it->next) {
		hub_read_event(t, &it->event);
		event_end(&it->event);
	}
	hub_read_done(t, k->last > t->came ? k->last : t->came, false);
	known_free(k);
	return true;
}

void
hub_recall(struct hub *h)
{
	struct topic *t = h->pending_first, *next;

	h->pending_first = NULL;
	h->pending_last = &h->pending_first;
	for (; t; t = next) {
		next = t->pending_next;
		t->pending = false;
		if (!recall(t))
			topic_queue_read(t);
	}
}
