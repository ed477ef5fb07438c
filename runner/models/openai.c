/*
 * Chat completions as OpenAI's API reference has them ("Chat", "Streaming", "Function calling"),
 * streamed, from any server that speaks so. What others do differently in their replies is
 * reply.c's to bear; here is what they refuse to be asked.
 */
#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/models/lenient.h"
#include "runner/models/reply.h"
#include "runner/models/tools.h"
#include "runner/outside/http.h"

#define WORDS_MAX 300 /* bytes of a server's words that are told */
#define FORGET_MS ((int64_t)3600 * 1000)

/* What a request has and a server may refuse. */
enum {
	PART_USAGE = 1, /* stream_options */
	PART_TOOLS = 2,
	PART_STREAM = 4,
	PART_EXTRA = 8, /* what came with earlier messages of the turn and goes back */
	PART_SYSTEM = 16, /* a message of that role; else it stands before the user's first */
	PART_CHOICES = 32, /* temperature, max_tokens */
	PARTS_ALL = 63
};

/* By their bits, for the log. */
static const char *const part_names[] = { "stream_options", "tools", "stream",
	"what came with earlier messages", "system messages", "temperature and max_tokens" };

/*
 * What the model was found to refuse (a set of parts), and until when by clock_ms() that is
 * believed: a server may be started with other options, a model replaced. A process asks one model.
 */
static atomic_uint refused_parts;
static _Atomic int64_t refused_until_ms;

/* -- the request -- */

/* The members of a JSON object, behind others. */
static void
put_members(struct buf *b, struct str object)
{
	if (object.n <= 2)
		return;
	buf_put(b, S(","));
	buf_put(b, (struct str){ object.p + 1, object.n - 2 });
}

/* A function's name as OpenAI allows it: models invent others, and servers refuse those. */
static void
put_name(struct buf *b, struct str name)
{
	char safe[64];
	size_t n = name.n < sizeof(safe) ? name.n : sizeof(safe);

	for (size_t i = 0; i < n; i++)
		safe[i] = isalnum((unsigned char)name.p[i]) || name.p[i] == '-' ? name.p[i] : '_';
	buf_json(b, (struct str){ safe, n });
}

static void
put_calls(struct buf *b, const struct message *m, unsigned parts)
{
	buf_put(b, S(",\"tool_calls\":["));
	for (size_t i = 0; i < m->n_calls; i++) {
		const struct tool_call *call = &m->calls[i];

		buf_put(b, i > 0 ? S(",{\"id\":") : S("{\"id\":"));
		buf_json(b, call->wire_id);
		buf_put(b, S(",\"type\":\"function\",\"function\":{\"name\":"));
		put_name(b, call->name);
		buf_put(b, S(",\"arguments\":"));
		/* Servers that parse it refuse the whole request for what is no object. */
		buf_json(b, is_json_object(call->arguments) ? call->arguments : S("{}"));
		if (parts & PART_EXTRA)
			put_members(b, call->function_extra);
		buf_put(b, S("}"));
		if (parts & PART_EXTRA)
			put_members(b, call->extra);
		buf_put(b, S("}"));
	}
	buf_put(b, S("]"));
}

static void
put_message(struct buf *b, const struct message *m, unsigned parts)
{
	static const char *const roles[] = { [ROLE_SYSTEM] = "system",
		[ROLE_USER] = "user",
		[ROLE_ASSISTANT] = "assistant",
		[ROLE_TOOL] = "tool" };

	buf_printf(b, "{\"role\":\"%s\",\"content\":", roles[m->role]);
	if (m->n_calls > 0 && m->content.n == 0)
		buf_put(b, S("null"));
	else
		buf_json(b, m->content.p ? m->content : S(""));
	if (m->n_calls > 0)
		put_calls(b, m, parts);
	if (parts & PART_EXTRA)
		put_members(b, m->extra);
	if (m->role == ROLE_TOOL) {
		buf_put(b, S(",\"tool_call_id\":"));
		buf_json(b, m->call_id);
	}
	buf_put(b, S("}"));
}

/* Asks for the rest of an answer that was broken off. */
static void
put_continuation(struct buf *b, struct str partial)
{
	const struct message said = { .role = ROLE_ASSISTANT, .content = partial };
	const struct message wish = { .role = ROLE_USER,
		.content = S("Your last message was cut off by a technical fault. Continue it "
			     "exactly where it stops: write only what comes next, from "
			     "the next character on, repeating nothing and explaining nothing.") };

	buf_put(b, S(","));
	put_message(b, &said, 0);
	buf_put(b, S(","));
	put_message(b, &wish, 0);
}

static void
put_messages(struct buf *b, const struct call *c, unsigned parts)
{
	struct str system = { NULL, 0 };
	bool first = true;

	for (size_t i = 0; i < c->n_messages; i++) {
		struct message m = c->messages[i];

		if (m.role == ROLE_SYSTEM && !(parts & PART_SYSTEM)) {
			system = m.content;
			continue;
		}
		if (m.role == ROLE_USER && system.n > 0) {
			m.content =
			    arena_printf(c->a, "%.*s\n\n%.*s", S_ARG(system), S_ARG(m.content));
			system.n = 0;
		}
		buf_put(b, first ? S("") : S(","));
		put_message(b, &m, parts);
		first = false;
	}
	if (c->text.n > 0)
		put_continuation(b, buf_str(&c->text));
}

/* The parts that this call's request has, of those that may be sent. */
static unsigned
parts_of(const struct call *c, unsigned may)
{
	bool extra = false;

	for (size_t i = 0; i < c->n_messages && !extra; i++) {
		const struct message *m = &c->messages[i];

		extra = m->extra.n > 0;
		for (size_t k = 0; k < m->n_calls && !extra; k++)
			extra = m->calls[k].extra.n > 0 || m->calls[k].function_extra.n > 0;
	}
	if (!c->tools)
		may &= ~(unsigned)PART_TOOLS;
	if (!extra)
		may &= ~(unsigned)PART_EXTRA;
	if (!c->temperature.p && c->max_tokens == 0)
		may &= ~(unsigned)PART_CHOICES;
	return may & PART_STREAM ? may : may & ~(unsigned)PART_USAGE;
}

static struct str
request(const struct call *c, unsigned parts)
{
	struct buf b = { .a = c->a };

	buf_put(&b, S("{\"model\":"));
	buf_json(&b, c->model.n > 0 ? c->model : str_from(config()->openai_model));
	buf_put(&b, parts & PART_STREAM ? S(",\"stream\":true") : S(",\"stream\":false"));
	if (parts & PART_USAGE)
		buf_put(&b, S(",\"stream_options\":{\"include_usage\":true}"));
	if (parts & PART_CHOICES && c->temperature.p)
		buf_printf(&b, ",\"temperature\":%.*s", S_ARG(c->temperature));
	if (parts & PART_CHOICES && c->max_tokens > 0)
		buf_printf(&b, ",\"max_tokens\":%lld", (long long)c->max_tokens);
	buf_put(&b, S(",\"messages\":["));
	put_messages(&b, c, parts);
	buf_put(&b, S("]"));
	if (parts & PART_TOOLS) {
		buf_put(&b, S(",\"tools\":"));
		buf_put(&b, str_from(tools_schema));
	}
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* -- what came of it -- */

/* The server's words, for the log and a person. Some repeat the key that came with the request. */
static struct str
words(struct arena *a, struct str said)
{
	const char *key = config()->openai_key;

	if (said.n > 0 && *key && memmem(said.p, said.n, key, strlen(key)))
		return S("what it said held the key");
	if (said.n > WORDS_MAX)
		said.n = WORDS_MAX;
	while (said.n > 0 && !str_utf8(said))
		said.n--;
	return arena_str(a, said);
}

/* What a person reads where trying again would not help. */
static const char *
problem_of(struct arena *a, int status, struct str said)
{
	const char *between = said.n > 0 ? ": " : ".", *text = said.n > 0 ? said.p : "";
	const char *what = "The model's provider did not accept the request";

	/* Its words often hold the key, with stars in it. */
	if (status == 401)
		return "The model's provider does not accept this server's key; an administrator "
		       "has to look at OPENAI_API_KEY.";
	if (status >= 300 && status < 400)
		return "The model's provider has moved to another address; an administrator has "
		       "to look at OPENAI_BASE_URL.";
	if (status == 402)
		what = "The account at the model's provider has no credit left; an administrator "
		       "has to look at it";
	else if (status == 403)
		what = "The model's provider does not let this server in; an administrator has to "
		       "look at OPENAI_API_KEY and OPENAI_BASE_URL";
	else if (status == 404)
		what = "The model's provider does not know the configured model or address; an "
		       "administrator has to look at OPENAI_MODEL and OPENAI_BASE_URL";
	return arena_printf(a, "%s%s%s", what, between, text).p;
}

/* Does this status say that the same request may be answered another time? */
static bool
is_later(int status)
{
	return status == 408 || status == 409 || status == 429 || status >= 500;
}

/* It did not answer: may it be tried again, and what does a person read? */
static enum call_end
refused(struct call *c, struct refusal r, int64_t retry_after_ms)
{
	struct str said = words(c->a, r.text);
	char status[16];

	snprintf(status, sizeof(status), "%d", r.status);
	log_warn("provider: refused", "run", c->job->run.text, "status", status, "error", said.p);
	c->retry_after_ms = retry_after_ms;
	if (!is_later(r.status)) {
		c->problem = problem_of(c->a, r.status, said);
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
	if (c->n_calls > 0 || c->text.n > 0)
		return CALL_DONE;
	log_warn("provider: the answer is empty", "run", c->job->run.text, "finish", c->finish);
	if (strcmp(c->finish, "content_filter") == 0) {
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
	struct str said = words(c->a, r->is_error ? r->error.text : str_from(q->error));

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
		    words(c->a, refusal_of_body(c->a, buf_str(&r->body)).text).p);
	if (how == HTTP_DONE && is_another_protocol(r, q)) {
		c->problem = "What answers at the model's address is not an OpenAI-compatible "
			     "server; an administrator has to look at OPENAI_BASE_URL.";
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
		{ PART_EXTRA, "provider_specific_fields" }, { PART_SYSTEM, "system" },
		{ PART_CHOICES, "temperature" }, { PART_CHOICES, "max_tokens" } };
	static const char *const refusing[] = { "support", "permit", "allow", "accept", "enable",
		"require", "unknown", "unrecogni", "unexpected", "extra", "invalid",
		"must be verified", "\u4e0d\u652f\u6301" /* not supported, in Chinese */ };
	unsigned parts = 0;
	bool refuses = false;

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

static const char *
url(struct arena *a)
{
	struct str base = str_from(config()->openai_base_url);

	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	return arena_printf(a, "%.*s/chat/completions", S_ARG(base)).p;
}

/* One request and what comes of it. */
struct exchange {
	struct http_request http;
	struct reply reply;
};

static enum http_want
on_bytes(void *arg, struct str bytes)
{
	struct exchange *x = arg;
	bool more = reply_feed(&x->reply, bytes);

	/* A host that says what is wrong with a request is as well as one that answers it. */
	x->http.useful = x->reply.spoke || (x->reply.is_error && x->reply.error.status != 0 &&
					       !is_later(x->reply.error.status));
	return more ? HTTP_MORE : x->reply.done ? HTTP_ENOUGH : HTTP_NO_MORE;
}

/* What came of a request: *why is filled where it was refused, in whichever way. */
static enum call_end
conclude(struct call *c, struct exchange *x, enum http_end how, struct refusal *why)
{
	const struct http_request *q = &x->http;
	struct reply *r = &x->reply;

	if (how == HTTP_STOPPED)
		return CALL_STOPPED;
	if (how == HTTP_OPEN) {
		c->problem = "The model's provider does not answer at the moment; try again later.";
		return CALL_REFUSED;
	}
	if (q->status >= 200 && q->status < 300) {
		if (reply_is_complete(r))
			return ended(r);
		if (!r->is_error || c->text.n > r->n_said)
			return broken_off(r, q, how);
		*why = r->error;
		if (why->status == 0)
			why->status = 500;
		return refused(c, *why, q->retry_after_ms);
	}
	if (q->status > 0 && (how == HTTP_DONE || q->status >= 400)) {
		*why = refusal_of_body(c->a, q->reply);
		/* One sign alone would mislead: a quota that is used up comes as 429, too. */
		if (!(q->status == 429 && why->status == 402))
			why->status = q->status;
		return refused(c, *why, q->retry_after_ms);
	}
	log_warn("provider: was not reached", "run", c->job->run.text, "error", q->error);
	c->problem = "The model's provider cannot be reached at the moment; try again later.";
	c->timed_out = how == HTTP_SILENT;
	return CALL_BUSY;
}

static enum call_end
send_request(struct call *c, unsigned parts, struct refusal *why)
{
	static const char *const headers[] = { "Content-Type: application/json",
		"Accept: text/event-stream, application/json", NULL };
	struct exchange x = { .http = {
				  .url = url(c->a),
				  .bearer = config()->openai_key,
				  .headers = headers,
				  .body = request(c, parts),
				  .silence_ms = config()->provider_seconds * 1000,
				  .patience_ms = CALL_PATIENCE_MS,
				  .on_body = on_bytes,
				  .arg = &x,
			      } };
	enum call_end end;
	enum http_end how;

	reply_init(&x.reply, c);
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
	/* A refusal without a word can only be of the request. */
	*is_named = named || why->text.n == 0;
	if (named || (why->status != 400 && why->status != 422))
		return named;
	return sent & (PART_USAGE | PART_TOOLS | PART_EXTRA | PART_CHOICES);
}

static unsigned
remembered(void)
{
	return clock_ms() < atomic_load(&refused_until_ms) ? atomic_load(&refused_parts) : 0;
}

static void
remember(unsigned parts)
{
	atomic_store(&refused_parts, remembered() | parts);
	atomic_store(&refused_until_ms, clock_ms() + FORGET_MS);
}

static enum call_end
openai_call(struct call *c)
{
	/* What is remembered is of the server's own model. */
	unsigned dropped = c->model.n > 0 ? 0 : remembered(), learned = 0;

	for (;;) {
		struct refusal why = { .text = S("") };
		unsigned sent = parts_of(c, PARTS_ALL & ~dropped), drop;
		enum call_end end = send_request(c, sent, &why);
		bool is_named;

		if ((drop = parts_to_drop(&why, sent, &is_named)) == 0) {
			if (learned && c->model.n == 0 && why.status == 0 && end != CALL_BUSY)
				remember(learned);
			return end;
		}
		for (size_t i = 0; i < sizeof(part_names) / sizeof(*part_names); i++)
			if (drop >> i & 1)
				log_info("provider: is asked again without", "run",
				    c->job->run.text, "part", part_names[i]);
		dropped |= drop;
		learned |= is_named ? drop : 0;
	}
}

static const char *
openai_model(void)
{
	return config()->openai_model;
}

static bool
openai_has_tools(void)
{
	return !(remembered() & PART_TOOLS);
}

const struct provider provider_openai = {
	.name = "openai",
	.model = openai_model,
	.has_tools = openai_has_tools,
	.call = openai_call,
};
