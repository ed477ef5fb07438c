#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/crypto.h>
#include <millrace/log.h>

#include "streamd/events/feed.h"
#include "streamd/events/principal.h"
#include "streamd/events/usage.h"
#include "streamd/metrics.h"
#include "sql_stream.h"

/* Delay before new principals are revalidated, so that many of one session share a statement. */
#define PENDING_MS 100
#define BUSY_MS 10
#define RETRY_MS 10000
#define CREDENTIALS 32 /* that one statement asks for at most */

struct revalidation;

struct principals {
	struct loop_timer pending; /* armed: new principals wait for revalidation */
	struct loop_timer retry; /* armed: `stale` was set, and is acted on when it fires */
	struct loop *loop;
	struct feed *feed;
	struct usage *usage;
	struct arena *scratch;
	struct principal *next; /* while principals are notified: who comes after the present one */
	struct revalidation *gathered; /* what is to be asked next, or NULL */
	bool stale; /* a revalidation failed */
};

/* Some credentials' revalidation under way. */
struct revalidation {
	struct principals *principals;
	bool only_pending; /* for new principals, and not because something changed */
	size_t n;
	struct principal who[CREDENTIALS]; /* copies: the streams may end before the reply */
};

bool
principals_user_is_full(const struct principals *ps, const struct uuid *user)
{
	static struct log_seldom seldom;
	const struct user_usage *u = usage_find(ps->usage, user);

	if (config()->user_streams == 0 || !u || u->streams < config()->user_streams)
		return false;
	metrics.user_limit++;
	if (log_seldom(&seldom))
		log_info("principal: user has the most streams allowed", "user", user->text,
		    "left_out", seldom.left_out);
	return true;
}

/* ---------------------------------------------------------- one principal */

void
principal_set_token_hash(struct principal *p, struct str hash)
{
	p->by_token = hash.n == sizeof(p->token_hash);
	if (p->by_token)
		memcpy(p->token_hash, hash.p, hash.n);
}

static struct str
token_hash(const struct principal *p)
{
	return p->by_token ? (struct str){ (const char *)p->token_hash, sizeof(p->token_hash) }
			   : (struct str){ NULL, 0 };
}

struct principal
principal_of_grant(const struct grant *g)
{
	struct principal p = {
		.user = g->user, .session = g->session, .key = g->key, .analytics = g->analytics
	};

	principal_set_token_hash(&p, g->token_hash);
	return p;
}

void
principal_save(const struct principal *p, struct buf *out)
{
	buf_printf(out, "\"user\":\"%s\",\"session\":\"%s\",\"key\":\"%s\",\"analytics\":%s,",
	    p->user.text, p->session.text, p->key.text, p->analytics ? "true" : "false");
	buf_put(out, S("\"token_hash\":"));
	buf_json(out, base64url(out->a, token_hash(p)));
	buf_put(out, S(","));
}

/* An id, or an empty text for none. */
static bool
read_uuid(json_object *from, const char *name, struct uuid *out)
{
	struct str text = json_text(from, name);

	*out = (struct uuid){ 0 };
	return text.n == 0 || uuid_parse(text, out);
}

bool
principal_restore(struct principal *p, json_object *from)
{
	struct arena *a = arena_new();
	struct str hash;

	p->analytics = json_object_get_boolean(json_at(from, "analytics"));
	if (base64url_decode(a, json_text(from, "token_hash"), &hash))
		principal_set_token_hash(p, hash);
	arena_free(a);
	return read_uuid(from, "user", &p->user) && read_uuid(from, "session", &p->session) &&
	       read_uuid(from, "key", &p->key);
}

/* The same user with the same credential. */
static bool
is_same(const struct principal *a, const struct principal *b)
{
	return strcmp(a->user.text, b->user.text) == 0 &&
	       strcmp(a->session.text, b->session.text) == 0 &&
	       strcmp(a->key.text, b->key.text) == 0 && str_eq(token_hash(a), token_hash(b));
}

/* ----------------------------------------------------------- revalidation */

/*
 * A callback may detach its principal and others; principal_detach moves ps->next past those.
 * For new principals only a difference is notified: otherwise each newcomer of a session would
 * make all its streams query their topics again.
 */
static void
notify_all(struct principals *ps, const struct principal *who, bool only_pending, bool alive,
    bool analytics)
{
	const struct user_usage *u = usage_find(ps->usage, &who->user);

	for (struct principal *p = u ? u->principals : NULL; p; p = ps->next) {
		ps->next = p->next;
		if (!is_same(p, who) || (only_pending && alive && p->analytics == analytics))
			continue;
		p->analytics = analytics;
		p->on_change(p, !alive);
	}
	ps->next = NULL;
}

/* A row for each credential, in their order. */
static void
principal_on_reply(void *arg, const struct pipe_reply *reply)
{
	struct revalidation *r = arg;
	struct principals *ps = r->principals;
	PGresult *const *res = reply->res;

	if (reply->e == ERR_OK && reply->n == 1 && (size_t)PQntuples(res[0]) == r->n) {
		for (int i = 0; i < (int)r->n; i++)
			notify_all(ps, &r->who[i], r->only_pending, sql_bool(res[0], i, 0),
			    sql_bool(res[0], i, 1));
	} else {
		ps->stale = true;
		if (ps->retry.due_ms == 0)
			loop_arm(ps->loop, &ps->retry, RETRY_MS);
	}
	free(r);
}

/* Asks for what was gathered. */
static void
revalidate_gathered(struct principals *ps)
{
	struct revalidation *r = ps->gathered;
	struct str_list users, sessions, keys, hashes;
	enum err e;

	if (!r)
		return;
	ps->gathered = NULL;
	users = sessions = keys = hashes = (struct str_list){ NULL, r->n };
	users.p = arena_alloc(ps->scratch, 4 * r->n * sizeof(*users.p));
	sessions.p = users.p + r->n;
	keys.p = sessions.p + r->n;
	hashes.p = keys.p + r->n;
	for (size_t i = 0; i < r->n; i++) {
		users.p[i] = uuid_str(&r->who[i].user);
		sessions.p[i] = uuid_str(&r->who[i].session);
		keys.p[i] = uuid_str(&r->who[i].key);
		hashes.p[i] = base64url(ps->scratch, token_hash(&r->who[i]));
	}
	e = pipe_stream_principals(
	    feed_pipe(ps->feed), ps->scratch, principal_on_reply, r, users, sessions, keys, hashes);
	arena_reset(ps->scratch);
	if (e != ERR_OK)
		principal_on_reply(r, &(struct pipe_reply){ .e = e });
}

static void
revalidate(struct principals *ps, const struct principal *p, bool only_pending)
{
	struct revalidation *r = ps->gathered;

	if (!r) {
		r = ps->gathered = xmalloc(sizeof(*r));
		r->principals = ps;
		r->only_pending = only_pending;
		r->n = 0;
	}
	r->who[r->n++] = *p;
	if (r->n == CREDENTIALS)
		revalidate_gathered(ps);
}

/* A credential that was seen in this pass: it is asked for once, for all its streams. */
struct credential {
	UT_hash_handle hh;
	struct {
		struct uuid session, key;
		unsigned char token_hash[sizeof(((struct principal *)NULL)->token_hash)];
	} id;
};

/* True where *seen did not have p's credential yet; it has it then. */
static bool
add_credential(struct credential **seen, const struct principal *p)
{
	struct credential *new = xmalloc(sizeof(*new)), *found;

	*new = (struct credential){ .id = { p->session, p->key } };
	memcpy(new->id.token_hash, p->token_hash, sizeof(p->token_hash));
	HASH_FIND(hh, *seen, &new->id, sizeof(new->id), found);
	if (found)
		free(new);
	else
		HASH_ADD(hh, *seen, id, sizeof(new->id), new);
	return !found;
}

static void
revalidate_user(struct principals *ps, const struct user_usage *u, bool only_pending)
{
	struct credential *seen = NULL, *c, *next;
	struct principal *p;

	DL_FOREACH (u->principals, p) {
		if (only_pending && !p->pending)
			continue;
		p->pending = false;
		if (add_credential(&seen, p))
			revalidate(ps, p, only_pending);
	}
	HASH_ITER (hh, seen, c, next) {
		HASH_DEL(seen, c);
		free(c);
	}
}

static void
revalidate_all(struct principals *ps)
{
	ps->stale = false;
	for (const struct user_usage *u = ps->usage->users; u; u = u->hh.next)
		revalidate_user(ps, u, false);
	revalidate_gathered(ps);
}

/* Revalidate in slices while the pipe is not busy: thousands of arrivals at once would otherwise
   grow its queue for good. */
static void
principal_pending_fires(struct loop_timer *t)
{
	struct principals *ps = container_of(t, struct principals, pending);
	const struct user_usage *u = ps->usage->users;

	for (; u && !pipe_is_busy(feed_pipe(ps->feed)); u = u->hh.next)
		revalidate_user(ps, u, true);
	revalidate_gathered(ps);
	if (u)
		loop_arm(ps->loop, t, BUSY_MS);
}

void
principal_attach(struct principals *ps, struct principal *p)
{
	struct user_usage *u;

	if (!p->user.text[0])
		return;
	u = usage_get(ps->usage, &p->user);
	DL_APPEND(u->principals, p);
	u->streams++;
	p->pending = true;
	if (ps->pending.due_ms == 0)
		loop_arm(ps->loop, &ps->pending, PENDING_MS);
}

void
principal_detach(struct principals *ps, struct principal *p)
{
	struct user_usage *u;

	if (!p->prev)
		return;
	if (ps->next == p)
		ps->next = p->next;
	u = usage_find(ps->usage, &p->user);
	DL_DELETE(u->principals, p);
	p->prev = p->next = NULL;
	u->streams--;
	usage_release(ps->usage, u);
}

/* ---------------------------------------------------------- notifications */

void
principals_on_notify(void *principals, struct str payload)
{
	struct principals *ps = principals;
	const struct user_usage *u;
	struct uuid user;

	u = uuid_parse(payload, &user) ? usage_find(ps->usage, &user) : NULL;
	if (u)
		revalidate_user(ps, u, false);
	revalidate_gathered(ps);
}

void
principals_on_listen(void *principals)
{
	revalidate_all(principals);
}

void
principals_on_ready(void *principals)
{
	struct principals *ps = principals;

	if (ps->stale)
		revalidate_all(ps);
}

static void
principal_retry_fires(struct loop_timer *t)
{
	principals_on_ready(container_of(t, struct principals, retry));
}

struct principals *
principals_open(struct loop *l, struct feed *f, struct usage *u)
{
	struct principals *ps = xmalloc(sizeof(*ps));

	*ps = (struct principals){ .pending.fire = principal_pending_fires,
		.retry.fire = principal_retry_fires,
		.loop = l,
		.feed = f,
		.usage = u,
		.scratch = arena_new() };
	return ps;
}

void
principals_close(struct principals *ps)
{
	loop_disarm(ps->loop, &ps->pending);
	loop_disarm(ps->loop, &ps->retry);
	arena_free(ps->scratch);
	free(ps);
}
