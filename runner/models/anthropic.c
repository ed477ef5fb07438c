/*
 * Messages as Anthropic's API reference has them ("Messages", "Streaming messages", "Tool use",
 * "Extended thinking"), streamed. What the model has thought before its tool calls goes back with
 * them as it came, since its signature is checked; a reply's blocks are kept for that in their
 * order, those of text and calls by what they stand for alone.
 */
#include <ctype.h>
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/reply.h"
#include "runner/models/wire.h"

#define OUTPUT_TOKENS                                                              \
	32000 /* asked for where nobody says how many, and the model gives as many \
	       */
#define OUTPUT_TOKENS_ANY 4096 /* what every model gives */

/* -- the request -- */

/* An id that the vendor's pattern allows: another's may be anything. */
static struct str
id_of(const struct tool_call *call)
{
	for (size_t i = 0; i < call->wire_id.n; i++)
		if (!isalnum((unsigned char)call->wire_id.p[i]) &&
		    !strchr("_-", call->wire_id.p[i]))
			return call->id;
	return call->wire_id;
}

/* Appends a block, after others of the same list. */
static void
put_block(struct buf *b, size_t from, const char *type)
{
	buf_printf(b, "%s{\"type\":\"%s\"", b->n > from ? "," : "", type);
}

static void
put_text(struct buf *b, size_t from, struct str text)
{
	if (wire_is_blank(text))
		return;
	put_block(b, from, "text");
	buf_put(b, S(",\"text\":"));
	buf_json(b, text);
	buf_put(b, S("}"));
}

static void
put_call(struct buf *b, size_t from, const struct tool_call *call)
{
	put_block(b, from, "tool_use");
	buf_put(b, S(",\"id\":"));
	buf_json(b, id_of(call));
	buf_put(b, S(",\"name\":"));
	wire_put_name(b, call->name);
	buf_put(b, S(",\"input\":"));
	buf_put(b, is_json_object(call->arguments) ? call->arguments : S("{}"));
	buf_put(b, S("}"));
}

/* How far the message has been put. */
struct progress {
	size_t text; /* bytes */
	size_t calls;
};

static void
put_text_until(struct buf *b, size_t from, const struct message *m, struct progress *p, size_t end)
{
	if (end > m->content.n)
		end = m->content.n;
	if (end <= p->text)
		return;
	put_text(b, from, (struct str){ m->content.p + p->text, end - p->text });
	p->text = end;
}

/* A block that was kept: itself, or what it stands for. */
static void
put_kept(struct buf *b, size_t from, const struct message *m, struct progress *p, json_object *o)
{
	struct str type = json_text(o, "type");
	int64_t end = lenient_count(json_at(o, "end"));

	if (str_eq(type, S("text"))) {
		put_text_until(b, from, m, p, end < 0 ? 0 : (size_t)end);
	} else if (str_eq(type, S("tool_use"))) {
		/* Text may not stand behind a call that it came before. */
		if (p->calls < m->n_calls)
			put_call(b, from, &m->calls[p->calls++]);
	} else {
		buf_put(b, b->n > from ? S(",") : S(""));
		buf_put(b, json_serialised(o));
	}
}

static void
put_assistant(struct buf *b, const struct call *c, const struct message *m, unsigned parts)
{
	struct progress p = { 0 };
	size_t from = b->n;
	json_object *o = NULL, *kept = NULL;

	if (parts & PART_EXTRA && str_starts(m->extra, EXTRA_ANTHROPIC) &&
	    lenient_parse(c->a, m->extra, &o))
		kept = json_at(o, "anthropic");
	if (json_object_is_type(kept, json_type_array))
		for (size_t i = 0; i < json_object_array_length(kept); i++)
			put_kept(b, from, m, &p, json_object_array_get_idx(kept, i));
	put_text_until(b, from, m, &p, m->content.n);
	while (p.calls < m->n_calls)
		put_call(b, from, &m->calls[p.calls++]);
	if (b->n == from)
		put_text(b, from, S("(nothing)"));
}

/* An image, by its address or with its bytes. */
static void
put_image(struct buf *b, size_t from, struct str url)
{
	struct str type, data;

	put_block(b, from, "image");
	if (wire_is_data_url(url, &type, &data)) {
		buf_put(b, S(",\"source\":{\"type\":\"base64\",\"media_type\":"));
		buf_json(b, type);
		buf_put(b, S(",\"data\":"));
		buf_json(b, data);
	} else {
		buf_put(b, S(",\"source\":{\"type\":\"url\",\"url\":"));
		buf_json(b, url);
	}
	buf_put(b, S("}}"));
}

static void
put_user(struct buf *b, const struct call *c, size_t from, const struct message *m)
{
	struct wire_part part;

	for (size_t i = 0; wire_part(c->a, m, i, &part); i++)
		if (part.image.n > 0)
			put_image(b, from, part.image);
		else
			put_text(b, from, part.text);
	if (b->n == from)
		put_text(b, from, S("(nothing)"));
}

static void
put_result(struct buf *b, size_t from, const struct message *messages, size_t i)
{
	const struct tool_call *call = wire_call_of(messages, i);

	put_block(b, from, "tool_result");
	buf_put(b, S(",\"tool_use_id\":"));
	buf_json(b, call ? id_of(call) : messages[i].call_id);
	buf_put(b, S(",\"content\":"));
	buf_json(b, messages[i].content.p ? messages[i].content : S(""));
	buf_put(b, S("}"));
}

/* Results of calls stand in one message of the user's. */
static void
put_messages(struct buf *b, const struct call *c, unsigned parts)
{
	size_t n, from;
	const struct message *messages = wire_messages(c, parts, &n);

	for (size_t i = 0, put = 0; i < n; i++) {
		const struct message *m = &messages[i];

		if (m->role == ROLE_SYSTEM)
			continue;
		buf_printf(b, "%s{\"role\":\"%s\",\"content\":[", put++ > 0 ? "," : "",
		    m->role == ROLE_ASSISTANT ? "assistant" : "user");
		from = b->n;
		if (m->role == ROLE_ASSISTANT)
			put_assistant(b, c, m, parts);
		else if (m->role == ROLE_USER)
			put_user(b, c, from, m);
		else
			for (put_result(b, from, messages, i);
			     i + 1 < n && messages[i + 1].role == ROLE_TOOL;)
				put_result(b, from, messages, ++i);
		buf_put(b, S("]}"));
	}
}

static void
put_limits(struct buf *b, const struct call *c, unsigned parts)
{
	const struct traits *t = traits_of("anthropic", c->provider->model);
	int64_t most = t->output_max, want = c->max_tokens > 0 ? c->max_tokens : OUTPUT_TOKENS;

	if (!(parts & PART_LIMIT))
		most = OUTPUT_TOKENS_ANY;
	buf_printf(b, ",\"max_tokens\":%lld", (long long)(want < most ? want : most));
	if (!(parts & PART_SAMPLING) || t->sampling == SAMPLING_NONE)
		return;
	wire_put_number(b, ",\"temperature\"", c->temperature);
	if (!c->temperature.p || t->sampling == SAMPLING_ALL)
		wire_put_number(b, ",\"top_p\"", c->top_p);
}

static void
put_choice(struct buf *b, struct str choice)
{
	if (choice.n == 0)
		return;
	if (choice.p[0] != ':') {
		buf_printf(b, ",\"tool_choice\":{\"type\":\"%s\"}",
		    str_eq(choice, S("required")) ? "any"
		    : str_eq(choice, S("none"))	  ? "none"
						  : "auto");
		return;
	}
	buf_put(b, S(",\"tool_choice\":{\"type\":\"tool\",\"name\":"));
	wire_put_name(b, (struct str){ choice.p + 1, choice.n - 1 });
	buf_put(b, S("}"));
}

static const char *
anthropic_url(const struct call *c, unsigned parts)
{
	(void)parts;
	return arena_printf(c->a, "%.*s/messages", S_ARG(wire_base(c))).p;
}

static struct str
anthropic_request(const struct call *c, unsigned parts)
{
	struct buf b = { .a = c->a };

	buf_put(&b, S("{\"model\":"));
	buf_json(&b, str_from(c->provider->model));
	put_limits(&b, c, parts);
	buf_put(&b, parts & PART_STREAM ? S(",\"stream\":true") : S(""));
	for (size_t i = 0; i < c->n_messages && parts & PART_SYSTEM; i++)
		if (c->messages[i].role == ROLE_SYSTEM && !wire_is_blank(c->messages[i].content)) {
			buf_put(&b, S(",\"system\":"));
			buf_json(&b, c->messages[i].content);
			break;
		}
	buf_put(&b, S(",\"messages\":["));
	put_messages(&b, c, parts);
	buf_put(&b, S("]"));
	if (parts & PART_TOOLS) {
		buf_put(&b, S(",\"tools\":["));
		wire_put_tools(c, &b, "input_schema");
		buf_put(&b, S("]"));
		put_choice(&b, c->tool_choice);
	}
	if (c->stop.n > 0)
		buf_printf(&b, ",\"stop_sequences\":%.*s", S_ARG(c->stop));
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* -- the reply -- */

/*
 * Counts are cumulative: the last that is given of each counts. What a stream says of its output as
 * it `begins` is a token or two: where it breaks off, a guess by its text is nearer.
 */
static void
on_counts(struct reply *r, json_object *usage, bool begins)
{
	struct call *c = r->c;
	int64_t in = lenient_count(json_at(usage, "input_tokens")),
		read = lenient_count(json_at(usage, "cache_read_input_tokens")),
		written = lenient_count(json_at(usage, "cache_creation_input_tokens")),
		out = lenient_count(json_at(usage, "output_tokens")),
		thought = lenient_count(
		    json_at(json_at(usage, "output_tokens_details"), "thinking_tokens"));

	if (in >= 0)
		r->uncached = in;
	if (read >= 0)
		c->cached_tokens = read;
	if (written >= 0)
		c->cache_write_tokens = written;
	if (in >= 0 || read >= 0 || written >= 0)
		c->input_tokens =
		    r->uncached + call_part(c->cached_tokens) + call_part(c->cache_write_tokens);
	if (out >= 0 && !begins)
		c->output_tokens = out;
	if (thought >= 0)
		c->reasoning_tokens = thought;
}

static void
anthropic_on_usage(struct reply *r, json_object *o)
{
	on_counts(r, json_at(o, "usage"), false);
	on_counts(r, json_at(json_at(o, "message"), "usage"), true);
}

/* Keeps {"anthropic":[block]}, behind the blocks before it. Takes `block`. */
static void
keep_block(struct reply *r, json_object *block)
{
	static const char *const none[] = { NULL };
	json_object *o = json_object_new_object(), *list = json_object_new_array();

	json_object_array_add(list, block);
	json_object_object_add(o, "anthropic", list);
	reply_keep(r, &r->kept, o, none);
	json_object_put(o);
}

static void
put_member(struct reply *r, json_object *o, const char *name, const struct buf *value)
{
	struct str text = text_mend(r->scratch, buf_str(value));

	json_object_object_add(
	    o, name, json_object_new_string_len(text.p ? text.p : "", (int)text.n));
}

/* The block that was begun is whole. */
static void
end_block(struct reply *r)
{
	json_object *o = json_object_new_object();

	switch (r->block) {
	case BLOCK_OTHER:
		json_object_put(o);
		return;
	case BLOCK_TEXT:
		json_object_object_add(o, "type", json_object_new_string("text"));
		json_object_object_add(o, "end", json_object_new_int64((int64_t)r->c->text.n));
		break;
	case BLOCK_CALL:
		json_object_object_add(o, "type", json_object_new_string("tool_use"));
		break;
	case BLOCK_THINKING:
		json_object_object_add(o, "type", json_object_new_string("thinking"));
		put_member(r, o, "thinking", &r->thinking);
		put_member(r, o, "signature", &r->signature);
		break;
	}
	keep_block(r, o);
	r->block = BLOCK_OTHER;
}

static bool
on_call(struct reply *r, int64_t index, json_object *block)
{
	struct call_piece piece = { .index = index,
		.id = json_text(block, "id"),
		.name = json_text(block, "name"),
		.arguments = reply_arguments(r, json_at(block, "input")) };

	piece.is_whole = piece.arguments.n > 0;
	(void)reply_piece(r, &piece);
	r->block = BLOCK_CALL;
	return true;
}

/* A block begins; of a whole answer it is all there. */
static bool
on_block(struct reply *r, int64_t index, json_object *block)
{
	struct str type = json_text(block, "type");

	r->block = BLOCK_OTHER;
	if (str_eq(type, S("text"))) {
		r->block = BLOCK_TEXT;
		return reply_text(r, lenient_text(r->scratch, json_at(block, "text")));
	}
	if (str_eq(type, S("tool_use")))
		return on_call(r, index, block);
	if (str_eq(type, S("thinking"))) {
		r->block = BLOCK_THINKING;
		r->thinking.n = r->signature.n = 0;
		buf_put(&r->thinking, json_text(block, "thinking"));
		buf_put(&r->signature, json_text(block, "signature"));
	} else if (str_eq(type, S("redacted_thinking"))) {
		keep_block(r, json_object_get(block));
	}
	return true;
}

static bool
on_delta(struct reply *r, int64_t index, json_object *delta)
{
	struct str type = json_text(delta, "type");
	struct call_piece piece = { .index = index };
	json_object *arguments = json_at(delta, "partial_json");

	if (str_eq(type, S("text_delta")) || (type.n == 0 && json_at(delta, "text")))
		return reply_text(r, lenient_text(r->scratch, json_at(delta, "text")));
	if (arguments && r->block == BLOCK_CALL) {
		piece.arguments = reply_arguments(r, arguments);
		(void)reply_piece(r, &piece);
	} else if (str_eq(type, S("thinking_delta")) && r->thinking.n < EXTRA_MAX) {
		buf_put(&r->thinking, json_text(delta, "thinking"));
	} else if (str_eq(type, S("signature_delta")) && r->signature.n < EXTRA_MAX) {
		buf_put(&r->signature, json_text(delta, "signature"));
	}
	return true;
}

static void
on_reason(struct reply *r, struct str reason)
{
	static const struct {
		const char *said, *meant;
	} known[] = { { "max_tokens", "length" }, { "model_context_window_exceeded", "length" },
		{ "tool_use", "tool_calls" }, { "refusal", "content_filter" } };

	if (reason.n == 0)
		return;
	/* What the text's bound has said stands. */
	if (!r->finish)
		r->finish = "stop";
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_eq(reason, str_from(known[i].said)))
			r->finish = known[i].meant;
}

/* All of an answer, where a stream was asked for or not. */
static bool
on_message(struct reply *r, json_object *o)
{
	json_object *content = json_at(o, "content");

	r->is_answer = true;
	if (!json_object_is_type(content, json_type_array) &&
	    !reply_text(r, lenient_text(r->scratch, content)))
		return false;
	for (size_t i = 0; i < json_length(content); i++) {
		if (!on_block(r, (int64_t)i, json_object_array_get_idx(content, i)))
			return false;
		end_block(r);
	}
	on_reason(r, json_text(o, "stop_reason"));
	return true;
}

static bool
anthropic_on_document(struct reply *r, json_object *o)
{
	struct str type = json_text(o, "type");
	int64_t index = lenient_count(json_at(o, "index"));

	if (str_eq(type, S("content_block_start")))
		return on_block(r, index, json_at(o, "content_block"));
	if (str_eq(type, S("content_block_delta")))
		return on_delta(r, index, json_at(o, "delta"));
	if (str_eq(type, S("content_block_stop"))) {
		end_block(r);
	} else if (str_eq(type, S("message_delta"))) {
		on_reason(r, json_text(json_at(o, "delta"), "stop_reason"));
	} else if (str_eq(type, S("message_stop"))) {
		/* Some servers say that it ends, and not why. */
		r->done = r->finish != NULL || r->spoke;
		return !r->done;
	} else if (str_eq(type, S("message"))) {
		return on_message(r, o);
	}
	return true;
}

const struct wire wire_anthropic = {
	.kind = "anthropic",
	.title = "Anthropic's API",
	.says_end = true,
	.key_header = "x-api-key",
	/* Under 2026-10-21 no model takes sampling parameters; this one leaves it to the model. */
	.header = "anthropic-version: 2023-06-01",
	.url = anthropic_url,
	.request = anthropic_request,
	.on_usage = anthropic_on_usage,
	.on_document = anthropic_on_document,
};
