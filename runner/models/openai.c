/*
 * Chat completions as OpenAI's API reference has them ("Chat", "Streaming", "Function calling"),
 * streamed, from any server that speaks so. What others do differently is borne: choices that are
 * null, tool calls without an index, no usage, no [DONE].
 */
#include <stdio.h>
#include <string.h>

#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/log.h>

#include "runner/models/provider.h"
#include "runner/models/tools.h"
#include "runner/outside/http.h"
#include "runner/outside/sse.h"

#define EVENT_MAX ((size_t)2 * 1024 * 1024) /* bytes of one chunk */

/* A tool call as its pieces come. */
struct pending_call {
	struct buf id, name, arguments;
};

/* A reply in the making. */
struct reply {
	struct call *c;
	struct http_request *http;
	struct sse sse;
	struct arena *scratch; /* of one chunk */
	struct pending_call calls[TOOL_CALLS_MAX];
	size_t n_calls;
	const char *finish;
	bool done; /* [DONE] came */
	bool garbage; /* what came is not the protocol */
	struct str error_type,
	    error_message; /* an error in mid-stream; present type: there was one */
	bool is_stream; /* the first bytes of an event stream have come */
};

/* -- the request -- */

static void
put_calls(struct buf *b, const struct message *m)
{
	buf_put(b, S(",\"tool_calls\":["));
	for (size_t i = 0; i < m->n_calls; i++) {
		buf_put(b, i > 0 ? S(",{\"id\":") : S("{\"id\":"));
		buf_json(b, m->calls[i].id);
		buf_put(b, S(",\"type\":\"function\",\"function\":{\"name\":"));
		buf_json(b, m->calls[i].name);
		buf_put(b, S(",\"arguments\":"));
		buf_json(b, m->calls[i].arguments);
		buf_put(b, S("}}"));
	}
	buf_put(b, S("]"));
}

static void
put_message(struct buf *b, const struct message *m)
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
		put_calls(b, m);
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
	put_message(b, &said);
	buf_put(b, S(","));
	put_message(b, &wish);
}

static struct str
request(const struct call *c)
{
	struct buf b = { .a = c->a };

	buf_put(&b, S("{\"model\":"));
	buf_json(&b, str_from(config()->openai_model));
	buf_put(
	    &b, S(",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":["));
	for (size_t i = 0; i < c->n_messages; i++) {
		if (i > 0)
			buf_put(&b, S(","));
		put_message(&b, &c->messages[i]);
	}
	if (c->text.n > 0)
		put_continuation(&b, buf_str(&c->text));
	buf_put(&b, S("]"));
	if (c->tools) {
		buf_put(&b, S(",\"tools\":"));
		buf_put(&b, str_from(tools_schema));
	}
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* -- the reply -- */

/* The call that a piece belongs to: by its index, else by its id, else the last one. */
static struct pending_call *
call_of(struct reply *r, json_object *piece)
{
	int64_t index = json_int(piece, "index", -1);
	struct str id = json_text(piece, "id");

	if (index < 0)
		index = id.n > 0 || r->n_calls == 0 ? (int64_t)r->n_calls : (int64_t)r->n_calls - 1;
	if (index >= TOOL_CALLS_MAX || (size_t)index > r->n_calls)
		return NULL;
	if ((size_t)index == r->n_calls) {
		struct arena *a = r->c->a;

		r->calls[r->n_calls++] =
		    (struct pending_call){ { .a = a }, { .a = a }, { .a = a } };
	}
	return &r->calls[index];
}

static bool
on_tool_calls(struct reply *r, json_object *pieces)
{
	for (size_t i = 0; i < json_object_array_length(pieces); i++) {
		json_object *piece = json_object_array_get_idx(pieces, i);
		struct pending_call *call = call_of(r, piece);
		json_object *function = json_at(piece, "function");
		struct str id = json_text(piece, "id"), name = json_text(function, "name"),
			   args = json_text(function, "arguments");

		if (!call || call->arguments.n + args.n > ARGUMENTS_MAX ||
		    call->name.n + name.n > 128)
			return false;
		if (call->id.n == 0)
			buf_put(&call->id, (struct str){ id.p, id.n < 40 ? id.n : 40 });
		buf_put(&call->name, name);
		buf_put(&call->arguments, args);
	}
	return true;
}

static const char *
finish_name(struct str reason)
{
	static const char *const known[] = { "stop", "length", "content_filter", "tool_calls" };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_eq(reason, str_from(known[i])))
			return known[i];
	return "stop";
}

/* One choice's delta. False where the reply is to be read no further. */
static bool
on_choice(struct reply *r, json_object *choice)
{
	json_object *delta = json_at(choice, "delta"), *calls = json_at(delta, "tool_calls");
	struct str text = json_text(delta, "content"), finish = json_text(choice, "finish_reason");

	if (text.n == 0)
		text = json_text(delta, "refusal");
	if (text.n > 0) {
		r->http->useful = true;
		r->c->say(r->c->say_arg, text);
		buf_put(&r->c->text, text);
	}
	if (calls && json_object_is_type(calls, json_type_array) && !on_tool_calls(r, calls)) {
		r->garbage = true;
		return false;
	}
	if (finish.n > 0)
		r->finish = finish_name(finish);
	if (r->c->text.n < ANSWER_MAX)
		return true;
	r->finish = "length";
	return false;
}

static void
on_usage(struct call *c, json_object *usage)
{
	int64_t in = json_int(usage, "prompt_tokens", -1),
		out = json_int(usage, "completion_tokens", -1);

	if (in < 0 || out < 0)
		return;
	c->counted = true;
	c->input_tokens = in;
	c->output_tokens = out;
}

/* Some servers repeat the key that came with what they did not like. */
static struct str
without_key(struct str said)
{
	const char *key = config()->openai_key;

	if (said.n == 0 || !*key || !memmem(said.p, said.n, key, strlen(key)))
		return said;
	return S("what it said held the key");
}

static bool
on_event(void *arg, struct str type, struct str data)
{
	struct reply *r = arg;
	json_object *chunk, *choices, *error, *usage;
	const char *why;

	(void)type;
	r->is_stream = true;
	if (str_eq(str_trim(data), S("[DONE]"))) {
		r->done = true;
		return false;
	}
	arena_reset(r->scratch);
	if (json_parse(r->scratch, data, &chunk, &why) != ERR_OK ||
	    !json_object_is_type(chunk, json_type_object)) {
		r->garbage = true;
		return false;
	}
	if ((error = json_at(chunk, "error")) != NULL) {
		r->error_message = arena_str(r->c->a, without_key(json_text(error, "message")));
		r->error_type = arena_str(
		    r->c->a, json_text(error, "type").p ? json_text(error, "type") : S("error"));
		return false;
	}
	if ((usage = json_at(chunk, "usage")) != NULL)
		on_usage(r->c, usage);
	choices = json_at(chunk, "choices");
	if (!choices || !json_object_is_type(choices, json_type_array) ||
	    json_object_array_length(choices) == 0)
		return true;
	return on_choice(r, json_object_array_get_idx(choices, 0));
}

static enum http_want
on_bytes(void *arg, struct str bytes)
{
	struct reply *r = arg;

	if (sse_feed(&r->sse, bytes, on_event, r))
		return HTTP_MORE;
	return r->done ? HTTP_ENOUGH : HTTP_NO_MORE;
}

/* -- what came of it -- */

static void
take_calls(struct reply *r)
{
	struct call *c = r->c;

	c->calls = arena_alloc(c->a, r->n_calls * sizeof(*c->calls));
	for (size_t i = 0; i < r->n_calls; i++) {
		const struct pending_call *p = &r->calls[i];

		c->calls[i] = (struct tool_call){ .id = buf_str(&p->id),
			.name = buf_str(&p->name),
			.arguments = buf_str(&p->arguments) };
		if (c->calls[i].id.n == 0)
			c->calls[i].id =
			    arena_printf(c->a, "call_%s_%zu", c->job->run.text + 28, i);
	}
	c->n_calls = r->n_calls;
}

/*
 * The server's own words for what it did not like; for the log and, where they are about the
 * request, for the person.
 */
static struct str
error_text(struct arena *a, struct str body)
{
	json_object *o, *error;
	const char *why;
	struct str text = { NULL, 0 };

	if (json_parse(a, body, &o, &why) == ERR_OK && (error = json_at(o, "error")) != NULL)
		text = json_object_is_type(error, json_type_string) ? json_text(o, "error")
								    : json_text(error, "message");
	text = without_key(text);
	if (text.n > 300)
		text.n = 300;
	while (text.n > 0 && !str_utf8(text))
		text.n--;
	return arena_str(a, text);
}

/* A status that is not 200: may it be tried again, and what does a person read? */
static enum call_end
refused(struct call *c, const struct http_request *q)
{
	struct str said = error_text(c->a, q->reply);
	char status[16];

	snprintf(status, sizeof(status), "%d", q->status);
	log_warn("provider: refused", "run", c->job->run.text, "status", status, "error", said.p);
	c->retry_after_ms = q->retry_after_ms;
	if (q->status == 408 || q->status == 409 || q->status == 429 || q->status >= 500) {
		c->problem =
		    q->status == 429
			? "The model's provider is busy and takes no more requests at the moment; "
			  "try again later."
			: "The model's provider has trouble and gave no answer; try again later.";
		return CALL_BUSY;
	}
	if (q->status == 401 || q->status == 403)
		c->problem = "The model's provider does not accept this server's key; an "
			     "administrator has to look at OPENAI_API_KEY.";
	else if (q->status == 404)
		c->problem = "The model's provider does not know the configured model or address; "
			     "an administrator has to look at "
			     "OPENAI_MODEL and OPENAI_BASE_URL.";
	else if (q->status >= 300 && q->status < 400)
		c->problem = "The model's provider has moved to another address; an administrator "
			     "has to look at OPENAI_BASE_URL.";
	else
		c->problem =
		    arena_printf(c->a, "The model's provider did not accept the request%s%s",
			said.n > 0 ? ": " : ".", said.n > 0 ? said.p : "")
			.p;
	return CALL_REFUSED;
}

/* The reply had status 200; was it an answer, and a whole one? */
static enum call_end
answered(struct reply *r, const struct http_request *q, enum http_end end)
{
	struct call *c = r->c;

	/* Some servers end without a reason, some without [DONE]. */
	if (!r->finish && r->done && (c->text.n > 0 || r->n_calls > 0))
		r->finish = "stop";
	if (r->finish && (r->done || r->error_type.p == NULL) && !r->garbage) {
		c->finish = r->finish;
		take_calls(r);
		if (c->n_calls > 0 && strcmp(c->finish, "stop") == 0)
			c->finish = "tool_calls";
		return CALL_DONE;
	}
	log_warn("provider: the answer broke off", "run", c->job->run.text, "how",
	    r->garbage		 ? "not the protocol"
	    : r->error_type.p	 ? "an error in the stream"
	    : end == HTTP_SILENT ? "silent"
				 : "cut",
	    "error", r->error_message.p ? r->error_message.p : q->error);
	c->timed_out = end == HTTP_SILENT;
	if (r->is_stream) {
		c->problem = "The model's answer broke off, and asking for the rest did not help.";
		return CALL_CUT;
	}
	if (end == HTTP_DONE && q->content_type[0] &&
	    strncasecmp(q->content_type, "text/event-stream", 17) != 0) {
		c->problem = "What answers at the model's address is not an OpenAI-compatible "
			     "server; an administrator has to look at "
			     "OPENAI_BASE_URL.";
		return CALL_REFUSED;
	}
	c->problem = "The model's provider gave no answer; try again later.";
	return CALL_BUSY;
}

static const char *
url(struct arena *a)
{
	struct str base = str_from(config()->openai_base_url);

	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	return arena_printf(a, "%.*s/chat/completions", S_ARG(base)).p;
}

static enum call_end
openai_call(struct call *c)
{
	static const char *const headers[] = { "Content-Type: application/json",
		"Accept: text/event-stream, application/json", NULL };
	struct reply r = { .c = c, .scratch = arena_new() };
	struct http_request q = {
		.url = url(c->a),
		.bearer = config()->openai_key,
		.headers = headers,
		.body = request(c),
		.silence_ms = config()->provider_seconds * 1000,
		.patience_ms = CALL_PATIENCE_MS,
		.take = on_bytes,
		.arg = &r,
	};
	enum call_end end;
	enum http_end how;

	sse_init(&r.sse, EVENT_MAX);
	r.http = &q;
	how = http_call(&c->job->stop, c->a, &q);
	if (how == HTTP_STOPPED) {
		end = CALL_STOPPED;
	} else if (how == HTTP_OPEN) {
		c->problem = "The model's provider does not answer at the moment; try again later.";
		end = CALL_REFUSED;
	} else if (q.status == 200) {
		end = answered(&r, &q, how);
	} else if (q.status > 0 && (how == HTTP_DONE || q.status >= 400)) {
		end = refused(c, &q);
	} else {
		log_warn("provider: was not reached", "run", c->job->run.text, "error", q.error);
		c->problem =
		    "The model's provider cannot be reached at the moment; try again later.";
		c->timed_out = how == HTTP_SILENT;
		end = CALL_BUSY;
	}
	sse_free(&r.sse);
	arena_free(r.scratch);
	return end;
}

static const char *
openai_model(void)
{
	return config()->openai_model;
}

const struct provider provider_openai = {
	.name = "openai",
	.model = openai_model,
	.call = openai_call,
};
