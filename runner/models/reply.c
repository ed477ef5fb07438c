#include <stdio.h>
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/reply.h"
#include "runner/models/wire.h"

#define EVENT_MAX ((size_t)4 * 1024 * 1024) /* bytes of one chunk, or of a whole answer */
#define NAME_MAX_LEN 128
#define ID_MAX ((size_t)64 * 1024) /* some servers keep a signature in a call's id */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void
reply_init(struct reply *r, struct call *c, const struct wire *wire)
{
	*r = (struct reply){ .c = c,
		.wire = wire,
		.body = { .a = c->a },
		.held = { .a = c->a },
		.held_thought = { .a = c->a },
		.thinking = { .a = c->a },
		.signature = { .a = c->a },
		.citations = { .a = c->a },
		.n_said = c->text.n };
	echo_init(&r->echo, c->a, buf_str(&c->text));
	sse_init(&r->sse, EVENT_MAX);
}

void
reply_free(struct reply *r)
{
	sse_free(&r->sse);
}

/* -- text -- */

static void
emit(struct reply *r, struct str text)
{
	if (text.n == 0)
		return;
	r->spoke = true;
	r->c->on_text(r->c->text_arg, text);
	buf_put(&r->c->text, text);
}

/* Says text of whole characters. False where the reply is to be read no further. */
static bool
reply_on_whole_text(struct reply *r, struct str text)
{
	size_t room;

	/* Models begin with empty lines, some say nothing else; those are no words. */
	while (r->c->text.n == 0 && text.n > 0 && is_blank(text.p[0])) {
		text.p++;
		text.n--;
	}
	if (r->echo.is_open && text.n > 0 && !echo_skip(&r->echo, &text)) {
		r->repeats = true;
		return false;
	}
	room = r->c->text.n < ANSWER_MAX ? ANSWER_MAX - r->c->text.n : 0;
	if (text.n < room) {
		emit(r, text);
		return true;
	}
	emit(r, (struct str){ text.p, text_whole((struct str){ text.p, room }) });
	r->finish = "length";
	return false;
}

/* The whole characters of what was held back and of `text` behind it; the rest is held back. */
static struct str
whole_characters(struct reply *r, struct buf *held, struct str text)
{
	struct buf all = { .a = r->scratch };
	size_t n;

	buf_put(&all, buf_str(held));
	buf_put(&all, text);
	text = buf_str(&all);
	n = text_whole(text);
	held->n = 0;
	buf_put(held, (struct str){ text.p + n, text.n - n });
	return text_mend(r->scratch, (struct str){ text.p, n });
}

bool
reply_text(struct reply *r, struct str text)
{
	return text.n == 0 || reply_on_whole_text(r, whole_characters(r, &r->held, text));
}

void
reply_thought(struct reply *r, struct str text)
{
	struct call *c = r->c;

	if (!c->on_thought || text.n == 0)
		return;
	text = whole_characters(r, &r->held_thought, text);
	if (text.n == 0 || text.n > ANSWER_MAX - c->thoughts.n)
		return;
	r->spoke = true;
	c->on_thought(c->text_arg, text);
	buf_put(&c->thoughts, text);
}

/* No more text will come: what was held back is said now, unless it is the beginning of an echo. */
static void
end_text(struct reply *r)
{
	bool is_whole = r->finish || r->done || r->is_whole;
	struct str rest;

	if (r->held.n > 0)
		(void)reply_on_whole_text(r, text_mend(r->c->a, buf_str(&r->held)));
	r->held.n = 0;
	rest = echo_rest(&r->echo);
	if (r->echo.is_open && is_whole)
		emit(r, rest);
	else if (!is_whole && r->c->text.n == r->n_said && r->echo.held.n > 0)
		r->repeats = rest.n == 0;
}

/* -- tool calls -- */

/* The call that a piece is of, unless it begins another: by index, else by id, else the last. */
static struct pending_call *
candidate(struct reply *r, int64_t index, struct str id)
{
	for (size_t i = r->n_calls; i-- > 0;) {
		struct pending_call *p = &r->calls[i];

		if (index >= 0 ? p->index == index : id.n == 0 || str_eq(buf_str(&p->id), id))
			return p;
	}
	return NULL;
}

static void
follow(struct pending_call *p, char c)
{
	switch (p->at) {
	case ARGS_BEFORE:
		if (!is_blank(c))
			p->at = c == '{' ? ARGS_INSIDE : ARGS_MORE;
		p->depth = 1;
		break;
	case ARGS_INSIDE:
		if (c == '"')
			p->at = ARGS_STRING;
		else if (c == '{' || c == '[')
			p->depth++;
		else if ((c == '}' || c == ']') && --p->depth == 0)
			p->at = ARGS_CLOSED;
		break;
	case ARGS_STRING:
		p->at = c == '\\' ? ARGS_ESCAPE : c == '"' ? ARGS_INSIDE : ARGS_STRING;
		break;
	case ARGS_ESCAPE:
		p->at = ARGS_STRING;
		break;
	case ARGS_CLOSED:
		if (!is_blank(c))
			p->at = ARGS_MORE;
		break;
	case ARGS_MORE:
		break;
	}
}

/*
 * Do the arguments end where their object does? Looks at each byte once: a server may send any
 * number of pieces, and parsing what is there for each would be quadratic.
 */
static bool
is_complete(struct pending_call *p)
{
	struct str text = buf_str(&p->arguments);

	while (p->seen < text.n)
		follow(p, text.p[p->seen++]);
	return p->at == ARGS_CLOSED;
}

/*
 * Does a piece with this id, name and arguments begin another call than p, for which it has the
 * same index, or none? Servers give every call index 0, or one id to all; or repeat the name in
 * each piece, or have a new id in each. A piece without a name never begins one. Arguments that are
 * an object, not its text, are all of them. A name alone behind whole arguments begins one, which
 * is none where no arguments come (is_doubtful).
 */
static bool
begins_another(struct pending_call *p, struct str id, struct str name, struct str args)
{
	if (name.n == 0)
		return false;
	if (id.n > 0 && p->id.n > 0 && !str_eq(buf_str(&p->id), id))
		return true;
	if (p->is_whole)
		return true;
	if (p->arguments.n == 0)
		return false;
	return !str_eq(buf_str(&p->name), name) || ((args.n > 0 || id.n == 0) && is_complete(p));
}

/*
 * The call that a piece goes to; NULL where it goes to none. Two in one list that both have a name
 * are of two calls, unless their ids say otherwise.
 */
static struct pending_call *
call_of(struct reply *r, int64_t index, struct str id, struct str name, struct str args)
{
	struct pending_call *p = candidate(r, index, id);
	struct arena *a = r->c->a;
	bool is_doubtful;

	if (!p && name.n == 0 && r->n_calls > 0)
		p = &r->calls[r->n_calls - 1];
	if (p && !begins_another(p, id, name, args) &&
	    !(p == r->beside && name.n > 0 && p->name.n > 0 && (id.n == 0 || p->id.n == 0)))
		return p;
	/* The same call once more, whole: servers that end a stream with a summary. */
	if (p && id.n > 0 && str_eq(buf_str(&p->id), id) && str_eq(buf_str(&p->name), name) &&
	    str_eq(buf_str(&p->arguments), args))
		return NULL;
	if (r->n_calls == TOOL_CALLS_MAX) {
		r->too_many_calls = true;
		return NULL;
	}
	if (r->n_calls == 0)
		r->calls = arena_alloc(a, TOOL_CALLS_MAX * sizeof(*r->calls));
	is_doubtful =
	    p && p != r->beside && id.n == 0 && args.n == 0 && str_eq(buf_str(&p->name), name);
	p = &r->calls[r->n_calls++];
	*p = (struct pending_call){ .index = index,
		.id = { .a = a },
		.name = { .a = a },
		.arguments = { .a = a },
		.is_doubtful = is_doubtful };
	return p;
}

void
reply_keep(struct reply *r, struct kept *k, json_object *o, const char *const known[])
{
	if (r->kept_len <= EXTRA_MAX)
		kept_add(k, r->c->a, o, known, &r->kept_len);
}

struct pending_call *
reply_piece(struct reply *r, const struct call_piece *piece)
{
	struct str id = piece->id, name = str_trim(piece->name);
	struct pending_call *p = call_of(r, piece->index, id, name, piece->arguments);

	if (!p)
		return NULL;
	r->spoke = true;
	if (p->id.n == 0 && id.n <= ID_MAX)
		buf_put(&p->id, id);
	/* Whole at first, in each piece, or in pieces that come before the arguments. */
	if (p->arguments.n == 0 && !str_eq(buf_str(&p->name), name))
		buf_put(&p->name, name);
	buf_put(&p->arguments, piece->arguments);
	p->is_whole = p->is_whole || piece->is_whole;
	r->beside = p;
	if (p->name.n > NAME_MAX_LEN || p->arguments.n > ARGUMENTS_MAX)
		r->garbage = true;
	return p;
}

struct str
reply_arguments(struct reply *r, json_object *o)
{
	if (json_object_is_type(o, json_type_object) && json_object_object_length(o) == 0)
		return S("");
	if (json_object_is_type(o, json_type_object) || json_object_is_type(o, json_type_array))
		return json_serialised(o);
	return lenient_text(r->scratch, o);
}

/* -- documents -- */

void
reply_fail(struct reply *r, struct str reason)
{
	struct str text = arena_printf(r->c->a, "the model's server ended with \"%.*s\"",
	    reason.n < 60 ? (int)reason.n : 60, reason.p);

	r->is_error = true;
	r->error = (struct refusal){ .text = text_mend(r->c->a, text), .retry_after_ms = -1 };
}

/* A chunk, or a whole answer. False where the reply is to be read no further. */
static bool
reply_on_document(struct reply *r, json_object *o, struct str type)
{
	struct refusal refusal;

	r->n_events++;
	r->wire->on_usage(r, o);
	if (refusal_in(r->scratch, o, str_eq(type, S("error")), &refusal)) {
		/* What goes wrong behind the end of an answer is none of it. */
		if (r->finish && r->spoke)
			return false;
		r->is_error = true;
		r->error = refusal;
		r->error.text = arena_str(r->c->a, refusal.text);
		return false;
	}
	r->beside = NULL;
	return r->wire->on_document(r, o) && !r->garbage && !r->is_error;
}

static bool
reply_on_documents(struct reply *r, json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!reply_on_document(r, json_object_array_get_idx(list, i), S("")))
			return false;
	return true;
}

static bool
reply_on_data(struct reply *r, struct str type, struct str data)
{
	json_object *o;

	data = str_trim(data);
	if (data.n == 0)
		return true;
	if (str_eq(data, S("[DONE]")) || str_eq(data, S("\"[DONE]\""))) {
		r->n_events++;
		r->done = true;
		return false;
	}
	arena_reset(r->scratch);
	if (!lenient_parse(r->scratch, data, &o)) {
		/* An event that the end of the bytes has cut is none. */
		r->n_events += r->kind == BODY_STREAM;
		r->garbage = !r->is_ending;
		return false;
	}
	/* Google's, where it is asked without alt=sse, is a list of chunks. */
	if (json_object_is_type(o, json_type_array))
		return reply_on_documents(r, o);
	return o ? reply_on_document(r, o, type) : true;
}

/* One document, or, of servers that put no empty line between events, one in each line. */
static bool
reply_on_lines(struct reply *r, struct str type, struct str data)
{
	struct str line, rest = str_cut(data, '\n', &line);
	json_object *o;

	if (!rest.p || !lenient_parse(r->scratch, line, &o))
		return reply_on_data(r, type, data);
	for (rest = data; rest.p;) {
		rest = str_cut(rest, '\n', &line);
		if (!reply_on_data(r, type, line))
			return false;
	}
	return true;
}

/* A thousand replies that wait for their next event hold nothing of the last. */
static bool
reply_on_event(void *arg, struct str type, struct str data)
{
	struct reply *r = arg;
	bool more;

	r->scratch = arena_new();
	more = reply_on_lines(r, type, data);
	arena_free(r->scratch);
	return more;
}

/* A body that is no event stream: one answer, or the chunks of a stream, a line each. */
static void
reply_on_body(struct reply *r)
{
	(void)reply_on_event(r, S(""), str_trim(buf_str(&r->body)));
	/* Of lines the end may be missing. */
	r->done =
	    !r->is_error && !r->garbage && r->is_answer && (r->done || r->finish || r->is_whole);
	r->garbage = !r->is_error && !r->done;
}

/* What the first byte says that is not blank: the Content-Type often says something else. */
static void
sniff(struct reply *r)
{
	struct str s = buf_str(&r->body);

	if (s.n >= 3 && str_starts(s, S("\xef\xbb\xbf"))) {
		s.p += 3;
		s.n -= 3;
	}
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	if (s.n == 0 || (s.p[0] == (char)0xef && s.n < 3))
		return;
	r->kind = strchr("{[<", s.p[0]) ? BODY_WHOLE : BODY_STREAM;
}

bool
reply_feed(struct reply *r, struct str bytes)
{
	if (r->kind == BODY_STREAM)
		return sse_feed(&r->sse, bytes, reply_on_event, r);
	while (r->body.n == 0 && bytes.n > 0 && is_blank(bytes.p[0])) {
		bytes.p++;
		bytes.n--;
	}
	if (bytes.n > EVENT_MAX - r->body.n) {
		r->garbage = true;
		return false;
	}
	buf_put(&r->body, bytes);
	if (r->kind == BODY_UNKNOWN)
		sniff(r);
	return r->kind != BODY_STREAM || sse_feed(&r->sse, buf_str(&r->body), reply_on_event, r);
}

void
reply_end(struct reply *r, bool whole)
{
	bool goes_on = !r->done && !r->garbage && !r->is_error && !r->repeats &&
		       !(r->finish && r->c->text.n >= ANSWER_MAX);

	r->is_ending = true;
	r->is_whole = whole;
	if (r->kind == BODY_WHOLE && goes_on)
		reply_on_body(r);
	else if (r->kind == BODY_STREAM && goes_on)
		(void)sse_end(&r->sse, reply_on_event, r);
	if (!r->repeats)
		end_text(r);
}

bool
reply_is_complete(const struct reply *r)
{
	bool good = !r->is_error && !r->repeats;

	if (r->finish || !good)
		return good;
	if (r->garbage || !(r->done || (r->is_whole && !r->wire->says_end)) || r->n_events == 0)
		return false;
	for (size_t i = 0; i < r->n_calls && good && !r->done; i++)
		good = is_complete(&r->calls[i]);
	return good;
}

/* As a JSON object where that is what is meant: JSON in JSON in a text, something behind it. */
static struct str
arguments_object(struct arena *a, struct str text, int depth)
{
	json_object *o;

	text = str_trim(text_mend(a, text));
	if (text.n == 0)
		return S("{}");
	if (is_json_object(text) || !lenient_parse(a, text, &o))
		return text;
	if (json_object_is_type(o, json_type_string) && depth < 2)
		return arguments_object(a, lenient_text(a, o), depth + 1);
	if (json_object_is_type(o, json_type_object))
		return text_mend(a, json_serialised(o));
	return text;
}

void
reply_calls(struct reply *r)
{
	struct call *c = r->c;
	bool keeps = r->kept_len <= EXTRA_MAX;

	c->calls = arena_alloc(c->a, r->n_calls * sizeof(*c->calls));
	c->n_calls = 0;
	for (size_t i = 0; i < r->n_calls; i++) {
		const struct pending_call *p = &r->calls[i];
		struct tool_call *call = &c->calls[c->n_calls];

		if (p->name.n == 0 || (p->is_doubtful && p->arguments.n == 0))
			continue;
		*call = (struct tool_call){ .wire_id = text_mend(c->a, buf_str(&p->id)),
			.name = text_mend(c->a, buf_str(&p->name)),
			.arguments = arguments_object(c->a, buf_str(&p->arguments), 0) };
		if (keeps) {
			call->extra = kept_json(c->a, &p->kept);
			call->function_extra = kept_json(c->a, &p->function_kept);
		}
		c->n_calls++;
	}
	c->extra = keeps ? kept_json(c->a, &r->kept) : (struct str){ NULL, 0 };
}
