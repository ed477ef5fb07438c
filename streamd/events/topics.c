#include <stdlib.h>

#include <uthash.h>

#include <millrace/arena.h>

#include "streamd/events/feed.h"
#include "streamd/events/topics.h"
#include "streamd/events/usage.h"
#include "sql_stream.h"

/* A change is notified at once; the bound is for a notification that was lost. */
#define CACHE_MS 5000
#define CACHE_MAX 8192
/* One user's queries without a reply: the database replies to as many in a fraction of a second. */
#define QUERIES_MAX 4096

/* That a user may listen to a topic. The key is "<user><+|-><topic>", + with analytics. */
struct allowed {
	UT_hash_handle hh;
	int64_t until_ms;
	unsigned key_len;
	char key[];
};

struct topics {
	struct loop *loop;
	const struct hub *hub;
	struct feed *feed;
	struct usage *usage;
	struct arena *scratch;
	struct allowed *cache;
	uint64_t generation; /* counts how often the cache was dropped */
};

/* One statement. It outlives a query that was cancelled. */
struct topic_request {
	struct topics *topics;
	struct topic_query *query; /* NULL: cancelled */
	struct user_usage *user; /* whose `queries` this is one of */
	uint64_t generation; /* as of sending: a reply from before a change is not cached */
	struct allowed *allowed; /* the entry to cache */
};

/* ------------------------------------------------------------------ cache */

static void
cache_drop(struct topics *ts)
{
	struct allowed *x, *next;

	HASH_ITER (hh, ts->cache, x, next) {
		HASH_DEL(ts->cache, x);
		free(x);
	}
	ts->generation++;
}

static struct allowed *
allowed_new(const struct principal *p, struct str topic)
{
	struct allowed *x = xmalloc(sizeof(*x) + sizeof(p->user.text) + 1 + topic.n);
	size_t n = strlen(p->user.text);

	*x = (struct allowed){ .key_len = (unsigned)(n + 1 + topic.n) };
	memcpy(x->key, p->user.text, n);
	x->key[n] = p->analytics ? '+' : '-';
	memcpy(x->key + n + 1, topic.p, topic.n);
	return x;
}

/* The entry with x's key that has not expired, or NULL. */
static struct allowed *
cache_find(struct topics *ts, const struct allowed *x)
{
	struct allowed *found;

	HASH_FIND(hh, ts->cache, x->key, x->key_len, found);
	if (found && found->until_ms <= loop_now(ts->loop)) {
		HASH_DEL(ts->cache, found);
		free(found);
		return NULL;
	}
	return found;
}

static void
cache_add(struct topics *ts, struct allowed *x)
{
	struct allowed *old = cache_find(ts, x);

	if (old) {
		HASH_DEL(ts->cache, old);
		free(old);
	}
	if (HASH_COUNT(ts->cache) >= CACHE_MAX)
		cache_drop(ts);
	x->until_ms = loop_now(ts->loop) + CACHE_MS;
	HASH_ADD_KEYPTR(hh, ts->cache, x->key, x->key_len, x);
}

/* ---------------------------------------------------------------- queries */

static void
topics_on_reply(void *arg, const struct pipe_reply *reply)
{
	struct topic_request *r = arg;
	struct topics *ts = r->topics;
	struct topic_query *q = r->query;
	PGresult *const *res = reply->res;
	enum err e = reply->e;
	bool allowed = false, kept = false;
	int64_t head = 0;

	if (e == ERR_OK && (reply->n != 1 || PQntuples(res[0]) != 1))
		e = ERR_INTERNAL;
	if (e == ERR_OK) {
		allowed = sql_bool(res[0], 0, 0);
		(void)str_int(sql_get(res[0], 0, 1), &head);
		kept = sql_bool(res[0], 0, 2);
	}
	if (allowed && r->generation == ts->generation) {
		cache_add(ts, r->allowed);
		r->allowed = NULL;
	}
	r->user->queries--;
	usage_release(ts->usage, r->user);
	free(r->allowed);
	free(r);
	if (!q)
		return;
	q->request = NULL;
	q->on_reply(q, e, allowed, head, kept);
}

void
topics_query(struct topics *ts, struct topic_query *q, const struct principal *p, struct str topic,
    int64_t after)
{
	struct topic_request *r;
	struct allowed *x = allowed_new(p, topic);
	int64_t head;
	enum err e;

	/* The hub knows the head of a topic that somebody here listens to already. */
	if (after < 0 && cache_find(ts, x) && hub_head(ts->hub, topic, &head)) {
		free(x);
		q->request = NULL;
		q->on_reply(q, ERR_OK, true, head, true);
		return;
	}
	r = xmalloc(sizeof(*r));
	*r = (struct topic_request){ .topics = ts,
		.query = q,
		.user = usage_get(ts->usage, &p->user),
		.generation = ts->generation,
		.allowed = x };
	r->user->queries++;
	q->request = r;
	e = pipe_stream_topic_allowed(feed_pipe(ts->feed), ts->scratch, topics_on_reply, r, p->user,
	    p->analytics, topic, after);
	arena_reset(ts->scratch);
	if (e != ERR_OK)
		topics_on_reply(r, &(struct pipe_reply){ .e = e });
}

void
topic_query_cancel(struct topic_query *q)
{
	if (q->request)
		q->request->query = NULL;
	q->request = NULL;
}

bool
topics_user_is_flooding(const struct topics *ts, const struct principal *p)
{
	const struct user_usage *u = usage_find(ts->usage, &p->user);

	return u && u->queries >= QUERIES_MAX;
}

/* ---------------------------------------------------------- notifications */

void
topics_on_notify(void *topics, struct str payload)
{
	(void)payload;
	cache_drop(topics);
}

void
topics_on_listen(void *topics)
{
	cache_drop(topics);
}

struct topics *
topics_open(struct loop *l, const struct hub *h, struct feed *f, struct usage *u)
{
	struct topics *ts = xmalloc(sizeof(*ts));

	*ts = (struct topics){ .loop = l, .hub = h, .feed = f, .usage = u, .scratch = arena_new() };
	return ts;
}

void
topics_close(struct topics *ts)
{
	cache_drop(ts);
	arena_free(ts->scratch);
	free(ts);
}
