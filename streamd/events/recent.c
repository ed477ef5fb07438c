#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#include <millrace/arena.h>

#include "streamd/events/recent.h"

#define KEEP_MS 2000
#define TOPICS_MAX 4096
#define BYTES_MAX ((size_t)1024 * 1024)
#define TOPIC_BYTES_MAX ((size_t)32 * 1024)
#define RUN_LEN 40 /* "run:" and a uuid */

struct entry {
	UT_hash_handle hh;
	struct entry *prev, *next;
	int64_t since_ms; /* clock_ms() */
	int64_t run_ms; /* when the run was made */
	struct known *known; /* NULL: not any more */
	char name[RUN_LEN];
};

struct recent {
	struct entry *by_name;
	struct entry *oldest;
	size_t bytes;
	int64_t unsure_ms;
};

struct recent *
recent_new(void)
{
	struct recent *r = xmalloc(sizeof(*r));

	*r = (struct recent){ .unsure_ms = INT64_MAX };
	return r;
}

void
recent_unsure(struct recent *r, int64_t until_ms)
{
	r->unsure_ms = until_ms;
}

void
known_free(struct known *k)
{
	if (!k)
		return;
	for (struct kept *e = k->first, *next; e; e = next) {
		next = e->next;
		free(e);
	}
	free(k);
}

static struct known *
known_new(void)
{
	struct known *k = xmalloc(sizeof(*k));

	*k = (struct known){ 0 };
	k->end = &k->first;
	return k;
}

static void
known_add(struct known *k, const struct event *e)
{
	struct kept *it = xmalloc(sizeof(*it) + e->type.n + e->data.n);

	memcpy(it->bytes, e->type.p, e->type.n);
	memcpy(it->bytes + e->type.n, e->data.p, e->data.n);
	it->next = NULL;
	it->event = (struct event){ .seq = e->seq,
		.type = { it->bytes, e->type.n },
		.data = { it->bytes + e->type.n, e->data.n },
		.at_ms = e->at_ms,
		.born_ms = e->born_ms };
	*k->end = it;
	k->end = &it->next;
	k->last = e->seq;
	k->bytes += e->data.n;
}

/* What is known of it goes to the caller. */
static struct known *
entry_take(struct recent *r, struct entry *e)
{
	struct known *k = e->known;

	e->known = NULL;
	r->bytes -= k ? k->bytes : 0;
	return k;
}

static void
entry_end(struct recent *r, struct entry *e)
{
	known_free(entry_take(r, e));
	HASH_DEL(r->by_name, e);
	DL_DELETE(r->oldest, e);
	free(e);
}

void
recent_free(struct recent *r)
{
	while (r->oldest)
		entry_end(r, r->oldest);
	free(r);
}

/* When a run was made, by the topic's name (RFC 9562, 5.7); false where it is none of a run. */
static bool
run_ms(struct str topic, int64_t *ms)
{
	struct uuid id;

	if (topic.n != RUN_LEN || !str_starts(topic, S("run:")) ||
	    !uuid_parse((struct str){ topic.p + 4, topic.n - 4 }, &id))
		return false;
	id.text[13] = '\0';
	memmove(id.text + 8, id.text + 9, 5);
	*ms = strtoll(id.text, NULL, 16);
	return true;
}

static void
expire(struct recent *r, int64_t now_ms)
{
	while (r->oldest && (now_ms - r->oldest->since_ms > KEEP_MS || r->bytes > BYTES_MAX ||
				HASH_COUNT(r->by_name) > TOPICS_MAX)) {
		if (r->oldest->run_ms > r->unsure_ms)
			r->unsure_ms = r->oldest->run_ms;
		entry_end(r, r->oldest);
	}
}

/* The topic's; NULL where nothing is known of it. */
static struct entry *
entry_get(struct recent *r, struct str topic)
{
	struct entry *e;
	int64_t made_ms, now_ms = clock_ms();

	expire(r, now_ms);
	if (!run_ms(topic, &made_ms) || made_ms <= r->unsure_ms)
		return NULL;
	HASH_FIND(hh, r->by_name, topic.p, topic.n, e);
	if (e)
		return e;
	e = xmalloc(sizeof(*e));
	*e = (struct entry){ .since_ms = now_ms, .run_ms = made_ms, .known = known_new() };
	memcpy(e->name, topic.p, RUN_LEN);
	HASH_ADD(hh, r->by_name, name, RUN_LEN, e);
	DL_APPEND(r->oldest, e);
	return e;
}

void
recent_add(struct recent *r, struct str topic, int64_t seq, const struct event *e)
{
	struct entry *it = entry_get(r, topic);

	if (!it || !it->known || seq <= it->known->last)
		return;
	if (!e || seq != it->known->last + 1 || it->known->bytes + e->data.n > TOPIC_BYTES_MAX) {
		known_free(entry_take(r, it));
		return;
	}
	known_add(it->known, e);
	r->bytes += e->data.n;
}

struct known *
recent_take(struct recent *r, struct str topic)
{
	struct entry *e = entry_get(r, topic);

	return e ? entry_take(r, e) : NULL;
}
