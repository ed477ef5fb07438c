/*
 * Replies of Anthropic's servers (API reference, "Messages", "Streaming messages", "Tool use",
 * "Extended thinking"). What the model has thought before its tool calls goes back with them as it
 * came, since its signature is checked; a reply's blocks are kept for that in their order, those of
 * text and calls by what they stand for alone.
 */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/reply.h"
#include "runner/models/wire.h"

/*
 * Counts are cumulative: the last that is given of each counts. What a stream says of its output as
 * it `begins` is a token or two: where it breaks off, a guess by its text is nearer.
 */
static void
anthropic_on_counts(struct reply *r, json_object *usage, bool begins)
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
	anthropic_on_counts(r, json_at(o, "usage"), false);
	anthropic_on_counts(r, json_at(json_at(o, "message"), "usage"), true);
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
put_member(struct reply *r, json_object *o, const char *name, struct str value)
{
	struct str text = text_mend(r->scratch, value);

	json_object_object_add(
	    o, name, json_object_new_string_len(text.p ? text.p : "", (int)text.n));
}

static void
add_citation(struct reply *r, json_object *o)
{
	if (!o || r->citations.n >= EXTRA_MAX)
		return;
	buf_put(&r->citations, r->citations.n > 0 ? S(",") : S(""));
	buf_put(&r->citations, json_serialised(o));
}

/* The next text is another block's, with citations of its own. */
static void
tell_text_end(struct reply *r)
{
	json_object *o = NULL;

	if (r->c->on_block &&
	    lenient_parse(r->scratch,
		arena_printf(r->scratch, "{\"type\":\"text\",\"citations\":[%.*s]}",
		    S_ARG(buf_str(&r->citations))),
		&o))
		r->c->on_block(r->c->text_arg, o);
	r->citations.n = 0;
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
		tell_text_end(r);
		json_object_object_add(o, "type", json_object_new_string("text"));
		json_object_object_add(o, "end", json_object_new_int64((int64_t)r->c->text.n));
		break;
	case BLOCK_CALL:
		json_object_object_add(o, "type", json_object_new_string("tool_use"));
		break;
	case BLOCK_THINKING:
		json_object_object_add(o, "type", json_object_new_string("thinking"));
		put_member(r, o, "thinking", buf_str(&r->thinking));
		put_member(r, o, "signature", buf_str(&r->signature));
		if (r->c->on_block)
			r->c->on_block(r->c->text_arg, o);
		break;
	}
	keep_block(r, o);
	r->block = BLOCK_OTHER;
}

static bool
anthropic_on_call(struct reply *r, int64_t index, json_object *block)
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

static void
anthropic_on_redacted(struct reply *r, json_object *block)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "type", json_object_new_string("redacted_thinking"));
	put_member(r, o, "data", json_text(block, "data"));
	if (r->c->on_block)
		r->c->on_block(r->c->text_arg, o);
	keep_block(r, o);
}

/* A block begins; of a whole answer it is all there. */
static bool
anthropic_on_block(struct reply *r, int64_t index, json_object *block)
{
	struct str type = json_text(block, "type");

	r->block = BLOCK_OTHER;
	if (str_eq(type, S("text"))) {
		r->block = BLOCK_TEXT;
		for (size_t i = 0; i < json_length(json_at(block, "citations")); i++)
			add_citation(r, json_object_array_get_idx(json_at(block, "citations"), i));
		return reply_text(r, lenient_text(r->scratch, json_at(block, "text")));
	}
	if (str_eq(type, S("tool_use")))
		return anthropic_on_call(r, index, block);
	if (str_eq(type, S("thinking"))) {
		r->block = BLOCK_THINKING;
		r->thinking.n = r->signature.n = 0;
		reply_thought(r, json_text(block, "thinking"));
		buf_put(&r->thinking, json_text(block, "thinking"));
		buf_put(&r->signature, json_text(block, "signature"));
	} else if (str_eq(type, S("redacted_thinking"))) {
		anthropic_on_redacted(r, block);
	}
	return true;
}

static bool
anthropic_on_delta(struct reply *r, int64_t index, json_object *delta)
{
	struct str type = json_text(delta, "type");
	struct call_piece piece = { .index = index };
	json_object *arguments = json_at(delta, "partial_json");

	if (str_eq(type, S("text_delta")) || (type.n == 0 && json_at(delta, "text")))
		return reply_text(r, lenient_text(r->scratch, json_at(delta, "text")));
	if (str_eq(type, S("citations_delta")))
		add_citation(r, json_at(delta, "citation"));
	if (arguments && r->block == BLOCK_CALL) {
		piece.arguments = reply_arguments(r, arguments);
		(void)reply_piece(r, &piece);
	} else if (str_eq(type, S("thinking_delta")) && r->thinking.n < EXTRA_MAX) {
		reply_thought(r, json_text(delta, "thinking"));
		buf_put(&r->thinking, json_text(delta, "thinking"));
	} else if (str_eq(type, S("signature_delta")) && r->signature.n < EXTRA_MAX) {
		buf_put(&r->signature, json_text(delta, "signature"));
	}
	return true;
}

static void
anthropic_on_reason(struct reply *r, struct str reason, json_object *o)
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
	if (str_eq(reason, S("stop_sequence")))
		r->c->stopped_by = arena_str(r->c->a, json_text(o, "stop_sequence"));
}

/* All of an answer, where a stream was asked for or not. */
static bool
anthropic_on_message(struct reply *r, json_object *o)
{
	json_object *content = json_at(o, "content");

	r->is_answer = true;
	if (!json_object_is_type(content, json_type_array) &&
	    !reply_text(r, lenient_text(r->scratch, content)))
		return false;
	for (size_t i = 0; i < json_length(content); i++) {
		if (!anthropic_on_block(r, (int64_t)i, json_object_array_get_idx(content, i)))
			return false;
		end_block(r);
	}
	anthropic_on_reason(r, json_text(o, "stop_reason"), o);
	return true;
}

static bool
anthropic_on_document(struct reply *r, json_object *o)
{
	struct str type = json_text(o, "type");
	int64_t index = lenient_count(json_at(o, "index"));

	if (str_eq(type, S("content_block_start")))
		return anthropic_on_block(r, index, json_at(o, "content_block"));
	if (str_eq(type, S("content_block_delta")))
		return anthropic_on_delta(r, index, json_at(o, "delta"));
	if (str_eq(type, S("content_block_stop"))) {
		end_block(r);
	} else if (str_eq(type, S("message_delta"))) {
		o = json_at(o, "delta");
		anthropic_on_reason(r, json_text(o, "stop_reason"), o);
	} else if (str_eq(type, S("message_stop"))) {
		/* Some servers say that it ends, and not why. */
		r->done = r->finish != NULL || r->spoke;
		return !r->done;
	} else if (str_eq(type, S("message"))) {
		return anthropic_on_message(r, o);
	}
	return true;
}

static const char *
anthropic_url(const struct call *c, unsigned parts)
{
	(void)parts;
	return arena_printf(c->a, "%.*s/messages", S_ARG(wire_base(c))).p;
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
