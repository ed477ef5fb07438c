#include <stdlib.h>

#include <millrace/caller.h>
#include <millrace/container_of.h>
#include <millrace/keys.h>

#include "streamd/events/feed.h"
#include "streamd/events/token_check.h"
#include "sql_stream.h"

#define TICK_MS 10000
#define TOKEN_MAX 8192

struct tokens {
	struct loop_timer tick; /* for keys_tick */
	struct loop *loop;
	struct feed *feed;
	struct arena *scratch;
	struct keys keys; /* external issuers' */
};

/* One check. It outlives a token_check that was cancelled. */
struct token_request {
	struct token_check *check; /* NULL: cancelled */
	struct principal who;
	int64_t expires_at;
};

static void
token_on_reply(void *arg, const struct pipe_reply *reply)
{
	struct token_request *r = arg;
	struct token_check *check = r->check;
	PGresult *const *res = reply->res;
	enum err e = reply->e;
	int64_t key_ends = 0;

	if (e == ERR_OK && (reply->n != 1 || PQntuples(res[0]) != 1 ||
			       !uuid_parse(sql_get(res[0], 0, 0), &r->who.user)))
		e = ERR_INTERNAL;
	if (e == ERR_OK) {
		(void)uuid_parse(sql_get(res[0], 0, 1), &r->who.key);
		r->who.analytics = sql_bool(res[0], 0, 2);
		(void)str_int(sql_get(res[0], 0, 3), &key_ends);
		r->expires_at = sooner(r->expires_at, key_ends);
	} else if (e != ERR_UNAUTHORIZED && e != ERR_FORBIDDEN) {
		e = ERR_OVERLOADED;
	} else {
		e = ERR_UNAUTHORIZED;
	}
	if (check) {
		check->request = NULL;
		check->on_reply(check, e, &r->who, r->expires_at);
	}
	free(r);
}

static struct str
text_or_null(const char *text)
{
	return text && *text ? str_from(text) : (struct str){ NULL, 0 };
}

static enum err
send_request(struct tokens *ts, struct token_request *r, const struct caller *c)
{
	static const struct external none;
	const struct external *x = c->how == CALLER_EXTERNAL ? c->external : &none;
	struct str hash = { c->how == CALLER_EXTERNAL ? (const char *)x->hash : NULL,
		c->how == CALLER_EXTERNAL ? sizeof(x->hash) : 0 };

	return pipe_stream_caller(feed_pipe(ts->feed), ts->scratch, token_on_reply, r,
	    c->claims.session, c->key_hash, text_or_null(x->provider), text_or_null(x->subject),
	    text_or_null(x->email), x->email_verified, text_or_null(x->name), hash);
}

void
token_check(struct tokens *ts, struct token_check *check, struct str token)
{
	struct arena *a = arena_new();
	struct token_request *r = xmalloc(sizeof(*r));
	struct caller c = { 0 };
	const char *unknown_issuer = NULL;
	enum err e = ERR_UNAUTHORIZED;

	*r = (struct token_request){ .check = check };
	check->request = r;
	if (token.n > 0 && token.n <= TOKEN_MAX)
		e = caller_by_token(a, token, &c, &unknown_issuer);
	if (unknown_issuer)
		keys_request(&ts->keys, unknown_issuer);
	if (e == ERR_OK) {
		r->expires_at = c.claims.expires_at;
		r->who.session = c.claims.session;
		if (c.external)
			principal_set_token_hash(
			    &r->who, (struct str){ (const char *)c.external->hash,
					 sizeof(c.external->hash) });
		e = send_request(ts, r, &c);
		arena_reset(ts->scratch);
	}
	arena_free(a);
	if (e != ERR_OK)
		token_on_reply(r, &(struct pipe_reply){ .e = e });
}

void
token_check_cancel(struct token_check *check)
{
	if (check->request)
		check->request->check = NULL;
	check->request = NULL;
}

void
tokens_on_notify(void *tokens, struct str payload)
{
	struct tokens *ts = tokens;

	(void)payload;
	keys_on_notify(&ts->keys, S("millrace_jwks"));
}

void
tokens_on_listen(void *tokens)
{
	struct tokens *ts = tokens;

	keys_on_connect(&ts->keys);
}

static void
tokens_tick_fires(struct loop_timer *t)
{
	struct tokens *ts = container_of(t, struct tokens, tick);

	keys_tick(&ts->keys);
	loop_arm(ts->loop, t, TICK_MS);
}

struct tokens *
tokens_open(struct loop *l, struct feed *f)
{
	struct tokens *ts = xmalloc(sizeof(*ts));

	*ts = (struct tokens){
		.tick.fire = tokens_tick_fires, .loop = l, .feed = f, .scratch = arena_new()
	};
	ts->keys = (struct keys){ .pipe = feed_listener_pipe(f), .scratch = ts->scratch };
	loop_arm(l, &ts->tick, TICK_MS);
	return ts;
}

void
tokens_close(struct tokens *ts)
{
	loop_disarm(ts->loop, &ts->tick);
	arena_free(ts->scratch);
	free(ts);
}
