/* An exchange with a model's server, in whichever format. */
#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/lenient.h>
#include <millrace/log.h>
#include <millrace/provider_list.h>

#include "runner/models/reply.h"
#include "runner/models/wire.h"
#include "runner/outside/http.h"

#define WORDS_MAX 300 /* bytes of a server's words that are told */
#define FORGET_MS ((int64_t)3600 * 1000)

/* By their bits, for the log. */
static const char *const part_names[] = { "stream_options", "tools", "stream",
	"what came with earlier messages", "system messages", "sampling parameters",
	"the usual limit of the answer", "the answer's format",
	"null for a text that is not there" };

/*
 * What the model was found to refuse (a set of parts), and until when by clock_ms() that is
 * believed: a server may be started with other options, a model replaced.
 */
struct refused {
	atomic_uint parts;
	_Atomic int64_t until_ms;
};
static struct refused refused_by[REFUSED_MAX];

struct refused *
wire_refused_new(size_t i)
{
	return &refused_by[i];
}

/* The parts that this call's request has, of those that may be sent. */
static unsigned
parts_of(const struct call *c, unsigned may)
{
	bool extra = false, null = false;

	for (size_t i = 0; i < c->n_messages; i++) {
		const struct message *m = &c->messages[i];

		null = null || (m->n_calls > 0 && m->content.n == 0);
		extra = extra || m->extra.n > 0;
		for (size_t k = 0; k < m->n_calls && !extra; k++)
			extra = m->calls[k].extra.n > 0 || m->calls[k].function_extra.n > 0;
	}
	if (!c->tools || !traits_of(c->provider->wire->kind, c->provider->model)->tools)
		may &= ~(unsigned)PART_TOOLS;
	if (!extra)
		may &= ~(unsigned)PART_EXTRA;
	/* Google's models before the third generation take it without tools alone. */
	if (c->format.n == 0 || c->provider->wire != &wire_google || may & PART_TOOLS)
		may &= ~(unsigned)PART_FORMAT;
	if (!null || c->provider->wire != &wire_openai)
		may &= ~(unsigned)PART_NULL;
	if (!c->temperature.p && !c->top_p.p && !c->top_k.p)
		may &= ~(unsigned)PART_SAMPLING;
	if (c->max_tokens == 0 && c->provider->wire != &wire_anthropic)
		may &= ~(unsigned)PART_LIMIT;
	return may & PART_STREAM ? may : may & ~(unsigned)PART_USAGE;
}

/* -- what came of it -- */

/* The server's words, for the log and a person. Some repeat the key that came with the request. */
static struct str
words(const struct call *c, struct str said)
{
	const char *key = provider_key(c->a, c->provider);

	if (said.n > 0 && *key && memmem(said.p, said.n, key, strlen(key)))
		return S("what it said held the key");
	if (said.n > WORDS_MAX)
		said.n = WORDS_MAX;
	while (said.n > 0 && !str_utf8(said))
		said.n--;
	return arena_str(c->a, said);
}

/* What a person reads where trying again would not help. */
static const char *
problem_of(const struct call *c, int status, struct str said)
{
	const char *between = said.n > 0 ? ": " : ".", *text = said.n > 0 ? said.p : "";
	const char *what = "The model's provider did not accept the request";
	const struct provider *p = c->provider;

	/* Its words often hold the key, with stars in it. */
	if (status == 401 && p->is_own_key)
		return arena_printf(c->a,
		    "The model's provider does not accept your own key; look at %s in the vault.",
		    p->vault_key)
		    .p;
	if (status == 401)
		return arena_printf(c->a,
		    "The model's provider does not accept this server's key; an administrator "
		    "has to look at %s.",
		    p->key_setting)
		    .p;
	if (status >= 300 && status < 400)
		return arena_printf(c->a,
		    "The model's provider has moved to another address; an administrator has "
		    "to look at %s.",
		    p->url_setting)
		    .p;
	if (status == 402)
		what = "The account at the model's provider has no credit left; an administrator "
		       "has to look at it";
	else if (status == 403)
		what = arena_printf(c->a,
		    "The model's provider does not let this server in; an administrator has to "
		    "look at %s and %s",
		    p->key_setting, p->url_setting)
			   .p;
	else if (status == 404 && c->as_is)
		what = "The model's provider does not know this model";
	else if (status == 404)
		what = arena_printf(c->a,
		    "The model's provider does not know the configured model or address; an "
		    "administrator has to look at %s and %s",
		    p->model_setting, p->url_setting)
			   .p;
	return arena_printf(c->a, "%s%s%s", what, between, text).p;
}

/* Does this status say that the same request may be answered another time? */
static bool
is_later(int status)
{
	return status == 408 || status == 409 || status == 429 || status >= 500;
}

enum call_end
wire_refuse(struct call *c, struct refusal r, int64_t retry_after_ms)
{
	struct str said = words(c, r.text);
	char status[16];

	snprintf(status, sizeof(status), "%d", r.status);
	c->refused = r.status;
	log_warn("provider: refused", "run", c->job->run.text, "status", status, "error", said.p);
	c->retry_after_ms = r.retry_after_ms > retry_after_ms ? r.retry_after_ms : retry_after_ms;
	if (!is_later(r.status)) {
		/* Whose own key is wrong is to hear of it. */
		c->is_verdict = r.status == 401 && c->provider->is_own_key;
		c->problem = problem_of(c, r.status, said);
		return CALL_REFUSED;
	}
	c->problem = arena_printf(c->a, "%s%s%s",
	    r.status == 429 ? "The model's provider is busy and takes no more requests at the "
			      "moment; try again later"
			    : "The model's provider has trouble and gave no answer; try again "
			      "later",
	    said.n > 0 ? ": " : ".", said.n > 0 ? said.p : "")
			 .p;
	return CALL_BUSY;
}

/* The model has ended its turn; was there anything in it? */
static enum call_end
ended(struct reply *r)
{
	struct call *c = r->c;

	reply_calls(r);
	if (r->too_many_calls)
		log_warn("provider: more tool calls at once than are made", "run", c->job->run.text,
		    "made", arena_printf(c->a, "%d", TOOL_CALLS_MAX).p);
	c->finish = r->finish ? r->finish : "stop";
	if (c->n_calls > 0 && strcmp(c->finish, "stop") == 0)
		c->finish = "tool_calls";
	/* Whoever gets what came as it is hears that nothing was said, and why, as of the vendor.
	 */
	if (c->n_calls > 0 || c->text.n > 0 || (c->as_is && r->finish))
		return CALL_DONE;
	log_warn("provider: the answer is empty", "run", c->job->run.text, "finish", c->finish);
	if (strcmp(c->finish, "content_filter") == 0) {
		c->is_verdict = true;
		c->problem = "The model's provider withheld the answer (its content filter).";
		return CALL_REFUSED;
	}
	c->problem = strcmp(c->finish, "length") == 0
			 ? "The model came to the end of its length before it said anything."
			 : "The model gave an empty answer, and asking again did not help.";
	return CALL_EMPTY;
}

/* Has something answered that is no model's server: a web page, a text? */
static bool
is_another_protocol(const struct reply *r, const struct http_request *q)
{
	return (r->kind == BODY_WHOLE && r->garbage) ||
	       (r->kind == BODY_STREAM && r->n_events == 0 &&
		   strncasecmp(q->content_type, "text/event-stream", 17) != 0);
}

/* Broken off, or no answer at all. */
static enum call_end
broken_off(struct reply *r, const struct http_request *q, enum http_end how)
{
	struct call *c = r->c;
	struct str said = words(c, r->is_error ? r->error.text : str_from(q->error));

	log_warn("provider: the answer broke off", "run", c->job->run.text, "how",
	    r->repeats		 ? "it repeats itself"
	    : r->garbage	 ? "not the protocol"
	    : r->is_error	 ? "an error in the stream"
	    : how == HTTP_SILENT ? "silent"
				 : "cut",
	    "error", said.p);
	c->timed_out = how == HTTP_SILENT;
	if (r->kind == BODY_WHOLE && r->garbage)
		log_warn("provider: said", "run", c->job->run.text, "text",
		    words(c, refusal_of_body(c->a, buf_str(&r->body)).text).p);
	if (how == HTTP_DONE && is_another_protocol(r, q)) {
		c->problem = arena_printf(c->a,
		    "What answers at the model's address is not %s; an administrator has to look "
		    "at %s.",
		    c->provider->wire->title, c->provider->url_setting)
				 .p;
		return CALL_REFUSED;
	}
	if (r->n_events > 0) {
		c->problem = arena_printf(c->a,
		    "The model's answer broke off, and asking for the rest did not help%s%s",
		    r->is_error && said.n > 0 ? ": " : ".", r->is_error && said.n > 0 ? said.p : "")
				 .p;
		return r->repeats ? CALL_REFUSED : CALL_CUT;
	}
	c->problem = "The model's provider gave no answer; try again later.";
	return CALL_BUSY;
}

/* -- what the server refuses to be asked -- */

/* Is `name` in the text, not as the end of another word? */
static bool
names(const char *text, const char *name)
{
	for (const char *at = text; (at = strcasestr(at, name)) != NULL; at++)
		if (at == text || !isalnum((unsigned char)at[-1]))
			return true;
	return false;
}

/*
 * The parts that a refusal names, of those that were sent. It has to say that it does not take
 * them: a model's mistake in calling a tool is told in similar words.
 */
static unsigned
named_parts(const char *text, unsigned sent)
{
	static const struct {
		unsigned part;
		const char *name;
	} known[] = { { PART_USAGE, "stream_options" }, { PART_USAGE, "include_usage" },
		{ PART_TOOLS, "tool" }, { PART_TOOLS, "function" }, { PART_EXTRA, "reasoning" },
		{ PART_EXTRA, "extra_content" }, { PART_EXTRA, "thought" },
		{ PART_EXTRA, "thinking" }, { PART_EXTRA, "signature" },
		{ PART_EXTRA, "provider_specific_fields" }, { PART_SYSTEM, "system" },
		{ PART_SYSTEM, "developer instruction" }, { PART_SAMPLING, "temperature" },
		{ PART_SAMPLING, "top_p" }, { PART_SAMPLING, "topP" }, { PART_SAMPLING, "top_k" },
		{ PART_SAMPLING, "topK" }, { PART_LIMIT, "max_tokens" },
		{ PART_LIMIT, "max_completion_tokens" }, { PART_LIMIT, "max_output_tokens" },
		{ PART_LIMIT, "maxOutputTokens" }, { PART_FORMAT, "JSON mode" },
		{ PART_FORMAT, "mime type" }, { PART_FORMAT, "name \"responseJsonSchema\"" } };
	static const char *const refusing[] = { "support", "permit", "allow", "accept", "enable",
		"require", "deprecat", "unknown", "unrecogni", "unexpected", "extra", "invalid",
		"implement", "must be verified",
		"\u4e0d\u652f\u6301" /* not supported, in Chinese */ };
	unsigned parts = 0;
	bool refuses = false;

	/* Cloudflare: "Type mismatch of '/messages/2/content', 'string' not in 'null'" */
	if (names(text, "content") && (strcasestr(text, "null") || strcasestr(text, "string") ||
					  strcasestr(text, "empty") || strcasestr(text, "none")))
		parts |= PART_NULL;

	for (size_t i = 0; i < sizeof(refusing) / sizeof(*refusing); i++)
		refuses = refuses || strcasestr(text, refusing[i]);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known) && refuses; i++)
		if (names(text, known[i].name))
			parts |= known[i].part;
	/* stream_options names the stream, too. */
	if (refuses && !(parts & PART_USAGE) && names(text, "stream"))
		parts |= PART_STREAM;
	return parts & sent;
}

/* -- the call -- */

/* One request and what comes of it. */
struct exchange {
	struct http_request http;
	struct reply reply;
};

static enum http_want
exchange_on_bytes(void *arg, struct str bytes)
{
	struct exchange *x = arg;
	bool more = reply_feed(&x->reply, bytes);

	/* A host that says what is wrong with a request is as well as one that answers it. */
	x->http.useful = x->reply.spoke || (x->reply.is_error && x->reply.error.status != 0 &&
					       !is_later(x->reply.error.status));
	return more ? HTTP_MORE : x->reply.done ? HTTP_ENOUGH : HTTP_NO_MORE;
}

enum call_end
wire_failed(struct call *c, const struct http_request *q, enum http_end how, struct refusal *why)
{
	if (how == HTTP_STOPPED)
		return CALL_STOPPED;
	if (how == HTTP_OPEN) {
		c->problem = "The model's provider does not answer at the moment; try again later.";
		return CALL_REFUSED;
	}
	if (q->status > 0 && (how == HTTP_DONE || q->status >= 400)) {
		*why = refusal_of_body(c->a, q->reply);
		/* Google's for a key that is none is 400. */
		if (q->status == 400 && strcasestr(why->text.p, "API key not valid"))
			why->status = 401;
		/* One sign alone would mislead: a quota that is used up comes as 429, too. */
		else if (!(q->status == 429 && why->status == 402))
			why->status = q->status;
		return wire_refuse(c, *why, q->retry_after_ms);
	}
	log_warn("provider: was not reached", "run", c->job->run.text, "error", q->error);
	c->problem = "The model's provider cannot be reached at the moment; try again later.";
	c->timed_out = how == HTTP_SILENT;
	return CALL_BUSY;
}

/*
 * Is the error in a stream about the request, or the model's mistake in a call, and not a break?
 * Groq tells the latter ("tool_use_failed") when the model has thought, or said something before
 * it.
 */
static bool
is_refusal(const struct reply *r)
{
	const struct call *c = r->c;
	int status = r->error.status;

	if (!r->is_error)
		return false;
	return (c->text.n == r->n_said && c->thoughts.n == 0) ||
	       (!c->as_is && status >= 400 && !is_later(status));
}

/* What came of a request: *why is filled where it was refused, in whichever way. */
static enum call_end
conclude(struct call *c, struct exchange *x, enum http_end how, struct refusal *why)
{
	const struct http_request *q = &x->http;
	struct reply *r = &x->reply;

	if (how == HTTP_STOPPED || how == HTTP_OPEN || q->status < 200 || q->status >= 300)
		return wire_failed(c, q, how, why);
	if (reply_is_complete(r))
		return ended(r);
	if (!is_refusal(r))
		return broken_off(r, q, how);
	*why = r->error;
	if (why->status == 0)
		why->status = 500;
	return wire_refuse(c, *why, q->retry_after_ms);
}

const char *const *
wire_headers(const struct call *c, const char *content_type)
{
	const struct provider *p = c->provider;
	const char **lines = arena_alloc(c->a, 5 * sizeof(*lines)), *key = provider_key(c->a, p);
	size_t n = 0;

	lines[n++] = arena_printf(c->a, "Content-Type: %s", content_type).p;
	lines[n++] = "Accept: text/event-stream, application/json";
	if (p->wire->header)
		lines[n++] = p->wire->header;
	if (p->wire->key_header && *key)
		lines[n++] = arena_printf(c->a, "%s: %s", p->wire->key_header, key).p;
	lines[n] = NULL;
	return lines;
}

static enum call_end
send_request(struct call *c, unsigned parts, struct refusal *why)
{
	const struct wire *wire = c->provider->wire;
	struct exchange x = { .http = {
				  .url = wire->url(c, parts),
				  .bearer =
				      wire->key_header ? NULL : provider_key(c->a, c->provider),
				  .headers = wire_headers(c, "application/json"),
				  .body = wire->request(c, parts),
				  .within_ms = c->within_ms,
				  .silence_ms = config()->provider_seconds * 1000,
				  .patience_ms = c->within_ms > 0 ? 0 : CALL_PATIENCE_MS,
				  .on_body = exchange_on_bytes,
				  .arg = &x,
			      } };
	enum call_end end;
	enum http_end how;

	reply_init(&x.reply, c, wire);
	how = http_call(&c->job->stop, c->a, &x.http);
	reply_end(&x.reply, how == HTTP_DONE);
	end = conclude(c, &x, how, why);
	reply_free(&x.reply);
	return end;
}

/*
 * What to leave out when asking once more: what the refusal names; where it names nothing, all that
 * is optional, which it may have meant.
 */
static unsigned
parts_to_drop(const struct refusal *why, unsigned sent, bool *is_named)
{
	unsigned named = 0;

	*is_named = false;
	/* A server may have its own mistakes about parts of a request: 500 counts, too. */
	if (why->status < 400 || why->status == 401 || why->status == 403 ||
	    (is_later(why->status) && why->status < 500))
		return 0;
	if (why->text.n > 0)
		named = named_parts(why->text.p, sent);
	/* This schema is too much for the model, or has what it does not know: another one is not.
	 */
	if (!named && strcasestr(why->text.p ? why->text.p : "", "schema") && sent & PART_FORMAT)
		return PART_FORMAT;
	/* A refusal without a word can only be of the request. */
	*is_named = named || why->text.n == 0;
	if (named || (why->status != 400 && why->status != 422))
		return named;
	return sent & (PART_USAGE | PART_TOOLS | PART_EXTRA | PART_SAMPLING | PART_FORMAT);
}

unsigned
wire_refused(const struct provider *p)
{
	if (!p->refused)
		return 0;
	return clock_ms() < atomic_load(&p->refused->until_ms) ? atomic_load(&p->refused->parts)
							       : 0;
}

static void
remember(const struct provider *p, unsigned parts)
{
	if (!p->refused)
		return;
	atomic_store(&p->refused->parts, wire_refused(p) | parts);
	atomic_store(&p->refused->until_ms, clock_ms() + FORGET_MS);
}

enum call_end
wire_call(struct call *c)
{
	unsigned dropped = wire_refused(c->provider), learned = 0;

	for (;;) {
		struct refusal why = { .text = S("") };
		unsigned sent = parts_of(c, PARTS_ALL & ~dropped), drop;
		/* What the client has worded itself, its vendor refuses itself. */
		bool is_own = c->messages_body && c->provider->wire == &wire_anthropic;
		unsigned fixed =
		    (c->as_is ? PART_TOOLS : 0) | (is_own ? PART_EXTRA | PART_SYSTEM : 0);
		enum call_end end = send_request(c, sent, &why);
		bool is_named;

		if ((drop = parts_to_drop(&why, sent & ~fixed, &is_named)) == 0) {
			if (learned && why.status == 0 && end != CALL_BUSY)
				remember(c->provider, learned);
			return end;
		}
		for (size_t i = 0; i < sizeof(part_names) / sizeof(*part_names); i++)
			if (drop >> i & 1)
				log_info("provider: is asked again without", "run",
				    c->job->run.text, "part", part_names[i]);
		dropped |= drop;
		learned |= is_named ? drop : 0;
		c->thoughts.n = 0;
	}
}
