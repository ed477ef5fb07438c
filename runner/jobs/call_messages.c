/*
 * Anthropic's messages (API reference, "Messages", "Streaming messages", "Tool use", "Extended
 * thinking"): blocks that begin and end, events with names, counts that replace those before.
 */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"
#include "runner/models/wire.h"

static void
put_stop(struct face_call *f, struct buf *b)
{
	const char *finish = f->call.finish;

	buf_printf(b, "\"stop_reason\":\"%s\",\"stop_sequence\":",
	    strcmp(finish, "length") == 0			       ? "max_tokens"
	    : strcmp(finish, "tool_calls") == 0			       ? "tool_use"
	    : strcmp(finish, "content_filter") == 0 || f->call.refuses ? "refusal"
	    : f->call.stopped_by.n > 0				       ? "stop_sequence"
								       : "end_turn");
	if (f->call.stopped_by.n > 0)
		buf_json(b, f->call.stopped_by);
	else
		buf_put(b, S("null"));
}

static void
put_usage(struct face_call *f, struct buf *b)
{
	const struct call *c = &f->call;
	int64_t cached = call_part(c->cached_tokens), written = call_part(c->cache_write_tokens);

	buf_printf(b,
	    "{\"input_tokens\":%lld,\"cache_creation_input_tokens\":%lld,"
	    "\"cache_read_input_tokens\":%lld,\"output_tokens\":%lld}",
	    (long long)(c->input_tokens - cached - written), (long long)written, (long long)cached,
	    (long long)c->output_tokens);
}

static void
put_head(struct face_call *f, struct buf *b)
{
	buf_printf(b, "{\"id\":\"msg_%.*s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
	    S_ARG(f->id));
	buf_json(b, f->model);
}

static void
messages_begin(struct face_call *f, struct buf *b)
{
	buf_put(b, S("event: message_start\ndata: {\"type\":\"message_start\",\"message\":"));
	put_head(f, b);
	buf_put(b, S(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{"
		     "\"input_tokens\":0,\"output_tokens\":0}}}\n\n"));
}

static void
put_event(struct face_call *f, struct buf *b, const char *type)
{
	buf_printf(b, "event: %s\ndata: {\"type\":\"%s\",\"index\":%zu", type, type, f->block);
}

/* A block's beginning: `block` is the block. */
static void
put_block_start(struct face_call *f, struct buf *b, struct str block)
{
	put_event(f, b, "content_block_start");
	buf_put(b, S(",\"content_block\":"));
	buf_put(b, block);
	buf_put(b, S("}\n\n"));
}

static void
put_block_stop(struct face_call *f, struct buf *b)
{
	put_event(f, b, "content_block_stop");
	buf_put(b, S("}\n\n"));
	f->block++;
	f->open = OPEN_NONE;
}

/* A piece of a block; `member` is a delta's type, and the member that it fills. */
static void
put_delta(struct face_call *f, struct buf *b, const char *type, const char *member, struct str text)
{
	put_event(f, b, "content_block_delta");
	buf_printf(b, ",\"delta\":{\"type\":\"%s\",\"%s\":", type, member);
	buf_json(b, text);
	buf_put(b, S("}}\n\n"));
}

/* Thoughts that their vendor has not signed are marked, so that no other is shown them as its own.
 */
static void
close_block(struct face_call *f, struct buf *b)
{
	if (f->open == OPEN_THOUGHT)
		put_delta(f, b, "signature_delta", "signature", THOUGHTS_OURS);
	if (f->open != OPEN_NONE)
		put_block_stop(f, b);
}

static void
messages_text(struct face_call *f, struct buf *b, struct str text)
{
	if (f->open != OPEN_TEXT) {
		close_block(f, b);
		put_block_start(f, b, S("{\"type\":\"text\",\"text\":\"\"}"));
	}
	f->open = OPEN_TEXT;
	put_delta(f, b, "text_delta", "text", text);
}

/* Anthropic's own servers show what they are asked to show. */
static bool
messages_shows(const struct face_call *f)
{
	return f->call.shows_thoughts || f->call.provider->wire == &wire_anthropic;
}

static void
open_thought(struct face_call *f, struct buf *b)
{
	if (f->open == OPEN_THOUGHT)
		return;
	close_block(f, b);
	put_block_start(f, b, S("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"));
	f->open = OPEN_THOUGHT;
}

static void
messages_thought(struct face_call *f, struct buf *b, struct str text)
{
	open_thought(f, b);
	put_delta(f, b, "thinking_delta", "thinking", text);
}

/* Of a whole answer: the text so far, behind the blocks before it; a list of what it quotes, or
 * NULL. */
static void
put_said(struct face_call *f, json_object *citations)
{
	struct str rest = { f->call.text.p + f->said, f->call.text.n - f->said };

	if (rest.n == 0)
		return;
	buf_put(&f->blocks, f->blocks.n > 0 ? S(",") : S(""));
	buf_put(&f->blocks, S("{\"type\":\"text\",\"text\":"));
	buf_json(&f->blocks, rest);
	if (json_length(citations) > 0)
		buf_printf(&f->blocks, ",\"citations\":%s", json_serialised(citations).p);
	buf_put(&f->blocks, S("}"));
	f->said = f->call.text.n;
}

/* The end of a block of text, of which there may have been none. */
static void
end_text(struct face_call *f, struct buf *b, json_object *citations)
{
	if (!f->streams)
		put_said(f, citations);
	if (f->open != OPEN_TEXT)
		return;
	for (size_t i = 0; i < json_length(citations); i++) {
		put_event(f, b, "content_block_delta");
		buf_printf(b, ",\"delta\":{\"type\":\"citations_delta\",\"citation\":%s}}\n\n",
		    json_serialised(json_object_array_get_idx(citations, i)).p);
	}
	put_block_stop(f, b);
}

/* A block of Anthropic's, whose thoughts and text a stream has told already; of a whole answer,
 * any.
 */
static void
messages_block(struct face_call *f, struct buf *b, json_object *block)
{
	if (str_eq(json_text(block, "type"), S("text"))) {
		end_text(f, b, json_at(block, "citations"));
	} else if (!f->streams) {
		put_said(f, NULL);
		buf_put(&f->blocks, f->blocks.n > 0 ? S(",") : S(""));
		buf_put(&f->blocks, json_serialised(block));
	} else if (str_eq(json_text(block, "type"), S("thinking"))) {
		open_thought(f, b);
		put_delta(f, b, "signature_delta", "signature", json_text(block, "signature"));
		put_block_stop(f, b);
	} else {
		close_block(f, b);
		put_block_start(f, b, json_serialised(block));
		put_block_stop(f, b);
	}
}

/* What another vendor's server wants back; absent: nothing. */
static struct str
packed(struct face_call *f)
{
	struct buf b = { .a = f->call.a };
	struct str text = { NULL, 0 };

	if (f->call.provider->wire != &wire_anthropic)
		text = face_kept_pack(f);
	if (text.n == 0)
		return text;
	buf_put(&b, S("{\"type\":\"redacted_thinking\",\"data\":"));
	buf_json(&b, text);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* A call without its input. */
static void
put_call(struct face_call *f, struct buf *b, size_t i)
{
	buf_put(b, S("{\"type\":\"tool_use\",\"id\":"));
	buf_json(b, face_call_id(f, i));
	buf_put(b, S(",\"name\":"));
	buf_json(b, f->call.calls[i].name);
	buf_put(b, S(",\"input\":"));
}

static struct str
input_of(const struct face_call *f, size_t i)
{
	struct str arguments = f->call.calls[i].arguments;

	return is_json_object(arguments) ? arguments : S("{}");
}

static void
messages_end(struct face_call *f, struct buf *b)
{
	struct str kept = packed(f);

	close_block(f, b);
	if (kept.n > 0) {
		put_block_start(f, b, kept);
		put_block_stop(f, b);
	}
	for (size_t i = 0; i < f->call.n_calls; i++) {
		struct buf call = { .a = f->call.a };

		put_call(f, &call, i);
		buf_put(&call, S("{}}"));
		put_block_start(f, b, buf_str(&call));
		put_delta(f, b, "input_json_delta", "partial_json", input_of(f, i));
		put_block_stop(f, b);
	}
	buf_put(b, S("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"));
	put_stop(f, b);
	buf_put(b, S("},\"usage\":"));
	put_usage(f, b);
	buf_put(b, S("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

/* The blocks of a whole answer, but its calls: thoughts without a signature are marked as ours. */
static struct str
blocks_of(struct face_call *f)
{
	struct str thoughts = buf_str(&f->call.thoughts), kept = packed(f);

	if (f->blocks.n == 0 && thoughts.n > 0 && messages_shows(f)) {
		buf_put(&f->blocks, S("{\"type\":\"thinking\",\"thinking\":"));
		buf_json(&f->blocks, thoughts);
		buf_put(&f->blocks, S(",\"signature\":"));
		buf_json(&f->blocks, THOUGHTS_OURS);
		buf_put(&f->blocks, S("}"));
	}
	put_said(f, NULL);
	if (kept.n > 0) {
		buf_put(&f->blocks, f->blocks.n > 0 ? S(",") : S(""));
		buf_put(&f->blocks, kept);
	}
	return buf_str(&f->blocks);
}

static void
messages_whole(struct face_call *f, struct buf *b)
{
	struct str blocks = blocks_of(f);

	put_head(f, b);
	buf_put(b, S(",\"content\":["));
	buf_put(b, blocks);
	for (size_t i = 0; i < f->call.n_calls; i++) {
		buf_put(b, i > 0 || blocks.n > 0 ? S(",") : S(""));
		put_call(f, b, i);
		buf_put(b, input_of(f, i));
		buf_put(b, S("}"));
	}
	buf_put(b, S("],"));
	put_stop(f, b);
	buf_put(b, S(",\"usage\":"));
	put_usage(f, b);
	buf_put(b, S("}"));
}

const struct face_format face_messages = {
	.name = "messages",
	.read = messages_read,
	.begin = messages_begin,
	.text = messages_text,
	.shows = messages_shows,
	.thought = messages_thought,
	.block = messages_block,
	.end = messages_end,
	.whole = messages_whole,
};
