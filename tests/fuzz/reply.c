/*
 * The reply of a model's server: whatever the bytes and wherever they are cut, the same is said and
 * called, all of it is UTF-8 without NUL, and what goes back is JSON. The first byte says how the
 * rest is cut, the second how much was said before.
 */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/reply.h"
#include "runner/models/wire.h"

#define PIECE_MAX ((size_t)20000) /* the longest input */

#ifndef WIRE
#define WIRE wire_openai
#endif

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct str said = {
	"a long answer that was said before, at some length, and broke off", 65
};

static bool
is_text(struct str s)
{
	return str_utf8(s) && (s.n == 0 || !memchr(s.p, '\0', s.n));
}

static void
on_say(void *arg, struct str text)
{
	size_t *len = arg;

	assert(text.n > 0 && is_text(text));
	*len += text.n;
}

static void
on_block(void *arg, json_object *block)
{
	(void)arg;
	assert(is_json_object(json_serialised(block)));
}

static void
on_logprobs(void *arg, struct str list)
{
	(void)arg;
	assert(list.n > 0 && is_text(list));
}

static void
check(const struct call *c, const struct reply *r)
{
	assert(is_text(buf_str(&c->text)) && c->text.n < ANSWER_MAX + PIECE_MAX);
	assert(c->n_calls <= TOOL_CALLS_MAX && (!c->extra.p || is_json_object(c->extra)));
	for (size_t i = 0; i < c->n_calls; i++) {
		const struct tool_call *call = &c->calls[i];

		assert(is_text(call->wire_id) && call->name.n > 0 && is_text(call->name) &&
		       is_text(call->arguments) && call->arguments.n > 0);
		assert(!call->extra.p || is_json_object(call->extra));
		assert(!call->function_extra.p || is_json_object(call->function_extra));
	}
	assert(!r->is_error || is_text(r->error.text));
	assert(c->input_tokens >= -1 && c->output_tokens >= -1);
}

/* What came of it, in one text. */
static struct str
read_all(struct arena *a, struct str bytes, size_t step, size_t before)
{
	size_t len = 0;
	struct call c = { .a = a,
		.on_text = on_say,
		.on_thought = on_say,
		.on_block = on_block,
		.on_logprobs = on_logprobs,
		.text_arg = &len,
		.text = { .a = a },
		.thoughts = { .a = a },
		.input_tokens = -1,
		.output_tokens = -1 };
	struct buf b = { .a = a };
	struct reply r;
	bool more = true;

	buf_put(&c.text, (struct str){ said.p, before });
	reply_init(&r, &c, &WIRE);
	while (more && bytes.n > 0) {
		size_t n = step < bytes.n ? step : bytes.n;

		more = reply_feed(&r, (struct str){ bytes.p, n });
		bytes.p += n;
		bytes.n -= n;
	}
	reply_end(&r, more);
	reply_calls(&r);
	check(&c, &r);
	assert(c.text.n + c.thoughts.n == before + len && c.thoughts.n <= ANSWER_MAX);
	buf_printf(&b, "%d %d %d %d %s %.*s %.*s %.*s %d %.*s", r.done, r.is_error, r.repeats,
	    reply_is_complete(&r), r.finish ? r.finish : "-", S_ARG(buf_str(&c.text)),
	    S_ARG(c.extra), S_ARG(buf_str(&c.thoughts)), c.refuses, S_ARG(c.stopped_by));
	for (size_t i = 0; i < c.n_calls; i++)
		buf_printf(&b, " %.*s(%.*s)", S_ARG(c.calls[i].name), S_ARG(c.calls[i].arguments));
	reply_free(&r);
	return buf_str(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct str rest;

	if (n >= 2) {
		size_t before = bytes[1] % (said.n + 1);

		rest = (struct str){ (const char *)bytes + 2, n - 2 };
		assert(str_eq(read_all(a, rest, rest.n + 1, before),
		    read_all(a, rest, bytes[0] % 16 + 1U, before)));
		(void)refusal_of_body(a, rest);
	}
	arena_free(a);
	return 0;
}
