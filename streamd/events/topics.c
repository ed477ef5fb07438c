#include <stddef.h>
#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#include <millrace/caller.h>
#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/keys.h>
#include <millrace/log.h>

#include "streamd/events/topics.h"
#include "streamd/events/usage.h"
#include "streamd/events/feed.h"
#include "sql_stream.h"
#include "streamd/metrics.h"

/* How long an answer is believed; what makes it wrong is told at once, but a notification may be missed. */
#define BELIEVED_MS 5000
#define ANSWERS_MAX 8192
#define TICK_MS 10000
/* Who comes is looked at again so long after, many of one session at once. */
#define ARRIVALS_MS 100
#define BUSY_MS 10
#define TOKEN_MAX 8192
/* Questions of one user that wait for their answers: what the database answers in a fraction of a second. */
#define ASKS_MAX 4096

/* What was answered, by who asked and for what. */
struct answer {
	UT_hash_handle hh;
	bool allowed;
	int64_t until_ms;
	unsigned name_len;
	char name[];
};

struct access {
	struct loop_timer tick; /* first: the loop gives it back */
	struct loop_timer arrivals; /* armed: somebody has come and is to be looked at again */
	struct loop *loop;
	struct hub *hub;
	struct reader *reader;
	struct arena *scratch;
	struct keys keys;
	struct answer *answers;
	struct holder *holders; /* and whose streams are here */
	struct person *next; /* of those who are being told */
	bool doubts; /* somebody could not be looked at */
	uint64_t changes; /* an answer to what was asked before the last one is not remembered */
};

/* What the database was asked, for whoever still wants to know. */
struct question {
	struct access *access;
	struct ask *ask;
	struct token_ask *token;
	struct person who; /* of a token, or of somebody who is looked at again */
	bool enters; /* of somebody who has just come */
	int64_t expires_at;
	int64_t after;
	uint64_t changes;
	struct answer *answer; /* to be remembered */
};

/* ------------------------------------------------------ what users have */

bool
access_is_full(const struct access *a, const struct uuid *user)
{
	const struct holder *h = holder_find(a->holders, user);

	if (config()->user_streams == 0 || !h || h->streams < config()->user_streams)
		return false;
	stats.user_limit++;
	log_info("a user has as many streams as one may have", "user", user->text);
	return true;
}

unsigned
access_most(const struct access *a)
{
	return holders_most(a->holders);
}

bool
access_is_enough(const struct access *a, const struct person *p)
{
	const struct holder *h = holder_find(a->holders, &p->user);

	return h && h->asks >= ASKS_MAX;
}

/* ------------------------------------------------------ what is believed */

static void
forget_all(struct access *a)
{
	struct answer *x, *next;

	HASH_ITER (hh, a->answers, x, next) {
		HASH_DEL(a->answers, x);
		free(x);
	}
	a->changes++;
}

/* "user analytics topic". */
static struct answer *
answer_new_for(const struct person *p, struct str topic)
{
	struct answer *x = xmalloc(sizeof(*x) + sizeof(p->user.text) + 1 + topic.n);
	size_t n = strlen(p->user.text);

	*x = (struct answer){ .name_len = (unsigned)(n + 1 + topic.n) };
	memcpy(x->name, p->user.text, n);
	x->name[n] = p->analytics ? '+' : '-';
	memcpy(x->name + n + 1, topic.p, topic.n);
	return x;
}

static struct answer *
answer_find(struct access *a, const struct answer *like)
{
	struct answer *x;

	HASH_FIND(hh, a->answers, like->name, like->name_len, x);
	if (x && x->until_ms <= loop_now(a->loop)) {
		HASH_DEL(a->answers, x);
		free(x);
		return NULL;
	}
	return x;
}

static void
answer_keep(struct access *a, struct answer *x)
{
	struct answer *old = answer_find(a, x);

	if (old) {
		HASH_DEL(a->answers, old);
		free(old);
	}
	if (HASH_COUNT(a->answers) >= ANSWERS_MAX)
		forget_all(a);
	x->until_ms = loop_now(a->loop) + BELIEVED_MS;
	HASH_ADD_KEYPTR(hh, a->answers, x->name, x->name_len, x);
}

/* ---------------------------------------------------------------- topics */

static void
question_free(struct question *q)
{
	free(q->answer);
	free(q);
}

static void
topic_answered(void *arg, const struct pipe_reply *reply)
{
	struct question *q = arg;
	struct access *a = q->access;
	struct ask *ask = q->ask;
	struct holder *h = holder_find(a->holders, &q->who.user);
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
	if (e == ERR_OK && allowed && q->changes == a->changes) {
		q->answer->allowed = true;
		answer_keep(a, q->answer);
		q->answer = NULL;
	}
	h->asks--;
	holder_release(&a->holders, h);
	question_free(q);
	if (!ask)
		return;
	*ask = (struct ask){ .done = ask->done };
	ask->done(ask, e, allowed, head, kept);
}

void
access_ask(
    struct access *a, struct ask *ask, const struct person *p, struct str topic, int64_t after)
{
	struct question *q;
	struct answer *like = answer_new_for(p, topic);
	int64_t head;
	enum err e;

	/* How far the topic is is known without asking where somebody here listens to it already. */
	if (after < 0 && answer_find(a, like) && hub_head(a->hub, topic, &head)) {
		free(like);
		*ask = (struct ask){ .done = ask->done };
		ask->done(ask, ERR_OK, true, head, true);
		return;
	}
	q = xmalloc(sizeof(*q));
	*q = (struct question){
		.access = a, .ask = ask, .who.user = p->user, .changes = a->changes, .answer = like
	};
	holder_get(&a->holders, &p->user)->asks++;
	ask->access = a;
	ask->question = q;
	e = pipe_stream_topic_ask(reader_pipe(a->reader), a->scratch, topic_answered, q, p->user,
	    p->analytics, topic, after);
	arena_reset(a->scratch);
	if (e != ERR_OK)
		topic_answered(q, &(struct pipe_reply){ .e = e });
}

void
ask_cancel(struct ask *ask)
{
	if (ask->question)
		ask->question->ask = NULL;
	*ask = (struct ask){ .done = ask->done };
}

/* ---------------------------------------------------------------- tokens */

static void
take_hash(struct person *p, struct str hash)
{
	p->by_token = hash.n == sizeof(p->token_hash);
	if (p->by_token)
		memcpy(p->token_hash, hash.p, hash.n);
}

static void
token_answered(void *arg, const struct pipe_reply *reply)
{
	struct question *q = arg;
	struct token_ask *ask = q->token;
	PGresult *const *res = reply->res;
	enum err e = reply->e;
	int64_t key_ends = 0;

	if (e == ERR_OK && (reply->n != 1 || PQntuples(res[0]) != 1 ||
			       !uuid_parse(sql_get(res[0], 0, 0), &q->who.user)))
		e = ERR_INTERNAL;
	if (e == ERR_OK) {
		(void)uuid_parse(sql_get(res[0], 0, 1), &q->who.key);
		q->who.analytics = sql_bool(res[0], 0, 2);
		(void)str_int(sql_get(res[0], 0, 3), &key_ends);
		q->expires_at = sooner(q->expires_at, key_ends);
	} else if (e != ERR_UNAUTHORIZED && e != ERR_FORBIDDEN) {
		e = ERR_OVERLOADED;
	} else {
		e = ERR_UNAUTHORIZED;
	}
	if (ask) {
		*ask = (struct token_ask){ .done = ask->done };
		ask->done(ask, e, &q->who, q->expires_at);
	}
	question_free(q);
}

static struct str
text_or_null(const char *text)
{
	return text && *text ? str_from(text) : (struct str){ NULL, 0 };
}

static enum err
token_send(struct question *q, const struct caller *c)
{
	static const struct external nobody;
	struct access *a = q->access;
	const struct external *x = c->how == CALLER_EXTERNAL ? c->external : &nobody;
	struct str hash = { c->how == CALLER_EXTERNAL ? (const char *)x->hash : NULL,
		c->how == CALLER_EXTERNAL ? sizeof(x->hash) : 0 };

	return pipe_stream_caller(reader_pipe(a->reader), a->scratch, token_answered, q,
	    c->claims.session, c->key_hash, text_or_null(x->provider), text_or_null(x->subject),
	    text_or_null(x->email), x->email_verified, text_or_null(x->name), hash);
}

void
access_token(struct access *a, struct token_ask *ask, struct str token)
{
	struct arena *mem = arena_new();
	struct question *q = xmalloc(sizeof(*q));
	struct caller c = { 0 };
	const char *wanted = NULL;
	enum err e = ERR_UNAUTHORIZED;

	*q = (struct question){ .access = a, .token = ask };
	ask->access = a;
	ask->question = q;
	if (token.n > 0 && token.n <= TOKEN_MAX)
		e = caller_by_token(mem, token, &c, &wanted);
	if (wanted)
		keys_request(&a->keys, wanted);
	if (e == ERR_OK) {
		q->expires_at = c.claims.expires_at;
		q->who.session = c.claims.session;
		if (c.external)
			take_hash(&q->who, (struct str){ (const char *)c.external->hash,
					       sizeof(c.external->hash) });
		e = token_send(q, &c);
		arena_reset(a->scratch);
	}
	arena_free(mem);
	if (e != ERR_OK)
		token_answered(q, &(struct pipe_reply){ .e = e });
}

void
token_cancel(struct token_ask *ask)
{
	if (ask->question)
		ask->question->token = NULL;
	*ask = (struct token_ask){ .done = ask->done };
}

/* --------------------------------------------------------------- persons */

struct person
person_of_grant(const struct grant *g)
{
	struct person p = {
		.user = g->user, .session = g->session, .key = g->key, .analytics = g->analytics
	};

	take_hash(&p, g->token_hash);
	return p;
}

static struct str
token_hash(const struct person *p)
{
	return p->by_token ? (struct str){ (const char *)p->token_hash, sizeof(p->token_hash) }
			   : (struct str){ NULL, 0 };
}

void
person_leave(struct access *a, struct person *p)
{
	struct holder *h;

	if (!p->prev)
		return;
	if (a->next == p)
		a->next = p->next;
	h = holder_find(a->holders, &p->user);
	DL_DELETE(h->persons, p);
	p->prev = p->next = NULL;
	h->streams--;
	holder_release(&a->holders, h);
}

void
person_save(const struct person *p, struct buf *out)
{
	buf_printf(out, "\"user\":\"%s\",\"session\":\"%s\",\"key\":\"%s\",\"analytics\":%s,",
	    p->user.text, p->session.text, p->key.text, p->analytics ? "true" : "false");
	buf_put(out, S("\"token_hash\":"));
	buf_json(out, base64url(out->a, token_hash(p)));
	buf_put(out, S(","));
}

/* An id, or none. */
static bool
take_uuid(json_object *from, const char *name, struct uuid *out)
{
	struct str text = json_text(from, name);

	*out = (struct uuid){ 0 };
	return text.n == 0 || uuid_parse(text, out);
}

bool
person_restore(struct person *p, json_object *from)
{
	struct arena *a = arena_new();
	struct str hash;

	p->analytics = json_object_get_boolean(json_at(from, "analytics"));
	if (base64url_decode(a, json_text(from, "token_hash"), &hash))
		take_hash(p, hash);
	arena_free(a);
	return take_uuid(from, "user", &p->user) && take_uuid(from, "session", &p->session) &&
	       take_uuid(from, "key", &p->key);
}

/* Is it the same person, come by the same? */
static bool
is_same(const struct person *a, const struct person *b)
{
	return strcmp(a->user.text, b->user.text) == 0 &&
	       strcmp(a->session.text, b->session.text) == 0 &&
	       strcmp(a->key.text, b->key.text) == 0 && str_eq(token_hash(a), token_hash(b));
}

/*
 * Each may go while it is told, and others with it: whoever goes is passed over (person_leave). Where some have only come, nobody is told
 * who is as they were taken to be: else many of one session would all be told of each.
 */
static void
tell_all(struct access *a, const struct question *q, bool alive, bool analytics)
{
	const struct holder *h = holder_find(a->holders, &q->who.user);

	for (struct person *p = h ? h->persons : NULL; p; p = a->next) {
		a->next = p->next;
		if (!is_same(p, &q->who) || (q->enters && alive && p->analytics == analytics))
			continue;
		p->analytics = analytics;
		p->changed(p, !alive);
	}
	a->next = NULL;
}

static void
person_answered(void *arg, const struct pipe_reply *reply)
{
	struct question *q = arg;
	PGresult *const *res = reply->res;
	struct access *a = q->access;

	if (reply->e == ERR_OK && reply->n == 1 && PQntuples(res[0]) == 1)
		tell_all(a, q, sql_bool(res[0], 0, 0), sql_bool(res[0], 0, 1));
	else
		a->doubts = true;
	question_free(q);
}

static void
look_again(struct access *a, const struct person *p, bool enters)
{
	struct question *q = xmalloc(sizeof(*q));
	enum err e;

	*q = (struct question){ .access = a, .who = *p, .enters = enters };
	e = pipe_stream_person(reader_pipe(a->reader), a->scratch, person_answered, q, p->user,
	    p->session, p->key, token_hash(p));
	arena_reset(a->scratch);
	if (e != ERR_OK)
		person_answered(q, &(struct pipe_reply){ .e = e });
}

/* What was told to who had not entered yet, they did not hear: between the worker's look and this, or since a session was opened. Of
   nobody (a reply of a route that anyone may call) nothing can be told. */
void
person_enter(struct access *a, struct person *p)
{
	struct holder *h;

	if (!p->user.text[0])
		return;
	h = holder_get(&a->holders, &p->user);
	DL_APPEND(h->persons, p);
	h->streams++;
	p->is_new = true;
	if (a->arrivals.due_ms == 0)
		loop_arm(a->loop, &a->arrivals, ARRIVALS_MS);
}

/* A way in that is asked about, once for all who came by it. */
struct way {
	UT_hash_handle hh;
	struct {
		struct uuid session, key;
		unsigned char token_hash[sizeof(((struct person *)NULL)->token_hash)];
	} id;
};

/* One question for each way in of a user's that is open here, or by which somebody has just come. */
static void
look_at(struct access *a, const struct holder *h, bool only_new)
{
	struct way *ways = NULL, *w, *next;
	struct person *p;

	DL_FOREACH (h->persons, p) {
		struct way *new;

		if (only_new && !p->is_new)
			continue;
		p->is_new = false;
		new = xmalloc(sizeof(*new));
		*new = (struct way){ .id = { p->session, p->key } };
		memcpy(new->id.token_hash, p->token_hash, sizeof(p->token_hash));
		HASH_FIND(hh, ways, &new->id, sizeof(new->id), w);
		if (w) {
			free(new);
			continue;
		}
		HASH_ADD(hh, ways, id, sizeof(new->id), new);
		look_again(a, p, only_new);
	}
	HASH_ITER (hh, ways, w, next) {
		HASH_DEL(ways, w);
		free(w);
	}
}

static void
look_at_doubts(struct access *a)
{
	a->doubts = false;
	for (const struct holder *h = a->holders; h; h = h->hh.next)
		look_at(a, h, false);
}

/* Of thousands who come at once some after the others: the questions' memory would else be had for good. */
static void
arrivals_fire(struct loop_timer *t)
{
	struct access *a = container_of(t, struct access, arrivals);
	const struct holder *h = a->holders;

	for (; h && !pipe_is_busy(reader_pipe(a->reader)); h = h->hh.next)
		look_at(a, h, true);
	if (h)
		loop_arm(a->loop, t, BUSY_MS);
}

void
access_heard(struct access *a, struct str channel, struct str payload)
{
	const struct holder *h;
	struct uuid user;

	keys_on_notify(&a->keys, channel);
	if (!str_eq(channel, S("millrace_access")))
		return;
	forget_all(a);
	h = uuid_parse(payload, &user) ? holder_find(a->holders, &user) : NULL;
	if (h)
		look_at(a, h, false);
}

void
access_connected(struct access *a)
{
	forget_all(a);
	pipe_listen(a->keys.pipe, "millrace_access");
	keys_on_connect(&a->keys);
	look_at_doubts(a);
}

void
access_can_ask(struct access *a)
{
	if (a->doubts)
		look_at_doubts(a);
}

static void
tick_fires(struct loop_timer *t)
{
	struct access *a = container_of(t, struct access, tick);

	keys_tick(&a->keys);
	access_can_ask(a);
	loop_arm(a->loop, t, TICK_MS);
}

struct access *
access_open(struct loop *l, struct hub *h, struct reader *r)
{
	struct access *a = xmalloc(sizeof(*a));

	*a = (struct access){ .tick.fire = tick_fires,
		.arrivals.fire = arrivals_fire,
		.loop = l,
		.hub = h,
		.reader = r,
		.scratch = arena_new() };
	a->keys = (struct keys){ .pipe = reader_listener(r), .scratch = a->scratch };
	loop_arm(l, &a->tick, TICK_MS);
	reader_tell(r, a);
	return a;
}

void
access_close(struct access *a)
{
	forget_all(a);
	loop_disarm(a->loop, &a->tick);
	loop_disarm(a->loop, &a->arrivals);
	arena_free(a->scratch);
	free(a);
}
