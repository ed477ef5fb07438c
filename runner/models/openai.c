/*
 * Chat completions as OpenAI's API reference has them ("Chat", "Streaming", "Function calling"),
 * streamed, from any server that speaks so. What others do differently in their replies is borne
 * here and in reply.c; what they refuse to be asked is exchange.c's.
 */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/reply.h"
#include "runner/models/wire.h"

/* -- the request -- */

/* The members of a JSON object, behind others; not those that another vendor's server gave. */
static void
put_members(struct buf *b, struct str object)
{
	if (object.n <= 2 || str_starts(object, EXTRA_ANTHROPIC) ||
	    str_starts(object, EXTRA_GOOGLE))
		return;
	buf_put(b, S(","));
	buf_put(b, (struct str){ object.p + 1, object.n - 2 });
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
		wire_put_name(b, call->name);
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
		buf_put(b, parts & PART_NULL ? S("null") : S("\"\""));
	else if (m->is_error)
		buf_json(b, arena_printf(b->a, "Error: %.*s", S_ARG(m->content)));
	else if (m->parts.n > 0)
		buf_put(b, m->parts);
	else
		buf_json(b, m->content.p ? m->content : S(""));
	if (m->name.n > 0) {
		buf_put(b, S(",\"name\":"));
		buf_json(b, m->name);
	}
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

static void
put_limits(struct buf *b, const struct call *c, unsigned parts)
{
	const struct traits *t = traits_of("openai", c->provider->model);

	if (parts & PART_SAMPLING && t->sampling != SAMPLING_NONE) {
		wire_put_number(b, ",\"temperature\"", c->temperature);
		wire_put_number(b, ",\"top_p\"", c->top_p);
	}
	/* Whoever refuses the one name wants the other. */
	if (c->max_tokens > 0)
		buf_printf(b, ",\"%s\":%lld",
		    t->completion_limit == ((parts & PART_LIMIT) != 0) ? "max_completion_tokens"
								       : "max_tokens",
		    (long long)c->max_tokens);
	if (c->effort.n > 0 && (c->effort_as_is || t->thinking == THINK_EFFORT)) {
		buf_put(b, S(",\"reasoning_effort\":"));
		/* Words of Anthropic's that go further */
		buf_json(b, !c->effort_as_is &&
				    (str_eq(c->effort, S("xhigh")) || str_eq(c->effort, S("max")))
				? S("high")
				: c->effort);
	}
}

static void
put_choice(struct buf *b, struct str choice)
{
	if (choice.n == 0)
		return;
	buf_put(b, S(",\"tool_choice\":"));
	if (choice.p[0] != ':') {
		buf_json(b, choice);
		return;
	}
	buf_put(b, S("{\"type\":\"function\",\"function\":{\"name\":"));
	buf_json(b, (struct str){ choice.p + 1, choice.n - 1 });
	buf_put(b, S("}}"));
}

static const char *
openai_url(const struct call *c, unsigned parts)
{
	(void)parts;
	return arena_printf(c->a, "%.*s/chat/completions", S_ARG(wire_base(c))).p;
}

static struct str
openai_request(const struct call *c, unsigned parts)
{
	struct buf b = { .a = c->a };
	size_t n;
	const struct message *messages = wire_messages(c, parts, &n);

	buf_put(&b, S("{\"model\":"));
	buf_json(&b, str_from(c->provider->model));
	buf_put(&b, parts & PART_STREAM ? S(",\"stream\":true") : S(",\"stream\":false"));
	if (parts & PART_USAGE)
		buf_put(&b, S(",\"stream_options\":{\"include_usage\":true}"));
	put_limits(&b, c, parts);
	buf_put(&b, S(",\"messages\":["));
	for (size_t i = 0; i < n; i++) {
		buf_put(&b, i > 0 ? S(",") : S(""));
		put_message(&b, &messages[i], parts);
	}
	buf_put(&b, S("]"));
	if (parts & PART_TOOLS) {
		buf_put(&b, S(",\"tools\":"));
		buf_put(&b, str_from(c->schema));
		put_choice(&b, c->tool_choice);
		buf_put(&b, c->one_call ? S(",\"parallel_tool_calls\":false") : S(""));
	}
	if (c->stop.n > 0)
		buf_printf(&b, ",\"stop\":%.*s", S_ARG(c->stop));
	buf_put(&b, c->more);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* -- the reply -- */

/* False where the call is longer than may be. */
static bool
openai_on_piece(struct reply *r, json_object *o)
{
	static const char *const call_members[] = { "index", "id", "type", "function", NULL };
	static const char *const flat_members[] = { "index", "id", "type", "function", "name",
		"arguments", NULL };
	static const char *const function_members[] = { "name", "arguments", NULL };
	json_object *function = json_at(o, "function");
	bool is_flat = !json_object_is_type(function, json_type_object);
	json_object *from = is_flat ? o : function;
	struct call_piece piece = { .index = lenient_count(json_at(o, "index")),
		.id = lenient_text(r->scratch, json_at(o, "id")),
		.name = lenient_text(r->scratch, json_at(from, "name")),
		.arguments = reply_arguments(r, json_at(from, "arguments")),
		.is_whole = json_object_is_type(json_at(from, "arguments"), json_type_object) };
	struct pending_call *p = reply_piece(r, &piece);

	if (!p)
		return true;
	reply_keep(r, &p->kept, o, is_flat ? flat_members : call_members);
	reply_keep(r, &p->function_kept, function, function_members);
	return !r->garbage;
}

static bool
openai_on_tool_calls(struct reply *r, json_object *pieces)
{
	if (json_object_is_type(pieces, json_type_object))
		return openai_on_piece(r, pieces);
	if (!json_object_is_type(pieces, json_type_array))
		return true;
	for (size_t i = 0; i < json_object_array_length(pieces); i++)
		if (!openai_on_piece(r, json_object_array_get_idx(pieces, i)))
			return false;
	return true;
}

/* A call in the form of before there were several. */
static bool
openai_on_function_call(struct reply *r, json_object *o)
{
	return !json_object_is_type(o, json_type_object) || openai_on_piece(r, o);
}

/* -- chunks -- */

/* NULL: it has not ended, but was broken off. */
static const char *
finish_name(struct str reason)
{
	static const struct {
		const char *said, *meant;
	} known[] = { { "length", "length" }, { "max_tokens", "length" },
		{ "model_length", "length" }, { "content_filter", "content_filter" },
		{ "safety", "content_filter" }, { "sensitive", "content_filter" },
		{ "tool_calls", "tool_calls" }, { "tool_use", "tool_calls" },
		{ "function_call", "tool_calls" }, { "error", NULL }, { "network_error", NULL },
		{ "insufficient_system_resource", NULL }, { "abort", NULL } };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_eq_nocase(reason, str_from(known[i].said)))
			return known[i].meant;
	return "stop";
}

/* A part of a count, as chat completions have it, or as responses. */
static int64_t
detail(json_object *usage, const char *in_chat, const char *in_responses, const char *name)
{
	int64_t n = lenient_count(json_at(json_at(usage, in_chat), name));

	return n >= 0 ? n : lenient_count(json_at(json_at(usage, in_responses), name));
}

static void
openai_on_counts(struct reply *r, json_object *usage)
{
	struct call *c = r->c;
	int64_t in = lenient_count(json_at(usage, "prompt_tokens")),
		out = lenient_count(json_at(usage, "completion_tokens"));

	if (in < 0)
		in = lenient_count(json_at(usage, "input_tokens"));
	if (out < 0)
		out = lenient_count(json_at(usage, "output_tokens"));
	/* No prompt is empty: a count of nothing is a member that was not filled in. */
	if (in > 0)
		c->input_tokens = in;
	if (out > 0 || (out == 0 && in > 0))
		c->output_tokens = out;
	if (in <= 0)
		return;
	c->cached_tokens =
	    detail(usage, "prompt_tokens_details", "input_tokens_details", "cached_tokens");
	if (c->cached_tokens < 0)
		c->cached_tokens = lenient_count(json_at(usage, "prompt_cache_hit_tokens"));
	c->reasoning_tokens =
	    detail(usage, "completion_tokens_details", "output_tokens_details", "reasoning_tokens");
}

/* The delta; or the message, where there is no delta: of a whole answer. */
static json_object *
message_of(const struct reply *r, json_object *choice)
{
	json_object *delta = json_at(choice, "delta");

	if (json_object_is_type(delta, json_type_object) && json_object_object_length(delta) > 0)
		return delta;
	/* Some end a stream with all of it once more. */
	return r->c->text.n > r->n_said || r->n_calls > 0 ? NULL : json_at(choice, "message");
}

/* What it thinks, of servers that tell, in either of two members. */
static void
openai_on_thought(struct reply *r, json_object *message)
{
	struct str text = json_text(message, "reasoning_content");

	if (text.n == 0 && (text = json_text(message, "reasoning")).n > 0)
		r->c->thoughts_in = "reasoning";
	reply_thought(r, text);
}

/* How likely the words were, of servers that are asked for it. */
static void
openai_on_logprobs(struct reply *r, json_object *list)
{
	struct str o;

	if (!r->c->on_logprobs || json_length(list) == 0)
		return;
	/* As the whole of an object, which strict parsers take. */
	o = text_mend(r->scratch, arena_printf(r->scratch, "{\"x\":%s}", json_serialised(list).p));
	if (is_json_object(o))
		r->c->on_logprobs(r->c->text_arg, (struct str){ o.p + 6, o.n - 8 });
}

/* Some servers name the text that has ended the answer: vLLM, SGLang. */
static void
openai_on_stop(struct reply *r, json_object *choice)
{
	struct str text = json_text(choice, "stop_reason");

	if (text.n == 0)
		text = json_text(choice, "matched_stop");
	if (text.n > 0 && r->c->stop.n > 0)
		r->c->stopped_by = arena_str(r->c->a, text);
}

/* False where the reply is to be read no further. */
static bool
openai_on_choice(struct reply *r, json_object *choice)
{
	static const char *const members[] = { "role", "content", "refusal", "tool_calls",
		"function_call", "name", "annotations", "audio", NULL };
	json_object *message = message_of(r, choice);
	struct str text = lenient_text(r->scratch, json_at(message, "content")),
		   finish = lenient_text(r->scratch, json_at(choice, "finish_reason"));

	if (text.n == 0 && (text = lenient_text(r->scratch, json_at(message, "refusal"))).n > 0)
		r->c->refuses = r->c->text.n == r->n_said || r->c->refuses;
	/* Of servers that answer a chat as they complete a text */
	if (text.n == 0)
		text = lenient_text(r->scratch, json_at(choice, "text"));
	reply_keep(r, &r->kept, message, members);
	openai_on_thought(r, message);
	openai_on_logprobs(r, json_at(json_at(choice, "logprobs"), "content"));
	openai_on_stop(r, choice);
	if (!openai_on_tool_calls(r, json_at(message, "tool_calls")) ||
	    !openai_on_function_call(r, json_at(message, "function_call")) || !reply_text(r, text))
		return false;
	if (finish.n > 0 && (r->finish = finish_name(finish)) == NULL)
		reply_fail(r, finish);
	return true;
}

static json_object *
first_choice(json_object *o)
{
	json_object *choices = json_at(o, "choices");

	if (json_object_is_type(choices, json_type_object))
		return choices;
	return json_object_is_type(choices, json_type_array) &&
		       json_object_array_length(choices) > 0
		   ? json_object_array_get_idx(choices, 0)
		   : NULL;
}

static void
openai_on_usage(struct reply *r, json_object *o)
{
	openai_on_counts(r, json_at(o, "usage"));
	openai_on_counts(r, json_at(json_at(o, "x_groq"), "usage"));
	openai_on_counts(r, json_at(json_at(o, "response"), "usage"));
	openai_on_counts(r, json_at(first_choice(o), "usage"));
}

static bool
openai_on_document(struct reply *r, json_object *o)
{
	json_object *choice = first_choice(o);

	r->is_answer = r->is_answer || json_at(o, "choices") != NULL;
	return choice ? openai_on_choice(r, choice) : true;
}

const struct wire wire_openai = {
	.kind = "openai",
	.title = "an OpenAI-compatible server",
	.url = openai_url,
	.request = openai_request,
	.on_usage = openai_on_usage,
	.on_document = openai_on_document,
};
