#include <string.h>

#include <millrace/json.h>

#include "runner/jobs/workflow_value.h"

/* What a reference names; NULL: null, or nothing. Numbers count an array's entries from 0. */
static json_object *
resolve(struct arena *a, json_object *scope, struct str reference)
{
	struct str rest = str_trim(reference), part;
	json_object *at = scope;
	int64_t n;

	while (rest.p && at) {
		rest = str_cut(rest, '.', &part);
		if (json_object_is_type(at, json_type_array))
			at =
			    str_int(part, &n) && n >= 0 && n < (int64_t)json_object_array_length(at)
				? json_object_array_get_idx(at, (size_t)n)
				: NULL;
		else
			at = json_at(at, arena_cstr(a, part));
	}
	return at;
}

static void
put_json(struct buf *b, json_object *value)
{
	size_t n;
	const char *text = json_object_to_json_string_length(
	    value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &n);

	buf_put(b, (struct str){ text, n });
}

/* The next reference of a text: what is before it, it, and what follows. False: there is none. */
static bool
next_reference(struct str text, struct str *before, struct str *reference, struct str *rest)
{
	const char *open = memmem(text.p, text.n, "{{", 2), *end = text.p + text.n, *close;

	if (!open || !(close = memmem(open + 2, (size_t)(end - open - 2), "}}", 2)))
		return false;
	*before = (struct str){ text.p, (size_t)(open - text.p) };
	*reference = (struct str){ open + 2, (size_t)(close - open - 2) };
	*rest = (struct str){ close + 2, (size_t)(end - close - 2) };
	return true;
}

/* A text with its references filled in; false where it gets too long. */
static bool
put_filled(struct arena *a, json_object *scope, struct str text, struct buf *b)
{
	struct str before, reference, rest;

	while (b->n <= FILLED_MAX && next_reference(text, &before, &reference, &rest)) {
		json_object *value = resolve(a, scope, reference);

		buf_put(b, before);
		if (value && !json_object_is_type(value, json_type_string))
			put_json(b, value);
		else if (value)
			buf_put(b, (struct str){ json_object_get_string(value),
				       (size_t)json_object_get_string_len(value) });
		text = rest;
	}
	buf_put(b, text);
	return b->n <= FILLED_MAX;
}

static bool
put_text(struct arena *a, json_object *scope, struct str text, struct buf *b)
{
	struct str before, reference, rest;
	struct buf filled = { .a = a };

	if (next_reference(text, &before, &reference, &rest) && before.n == 0 && rest.n == 0) {
		put_json(b, resolve(a, scope, reference));
		return b->n <= FILLED_MAX;
	}
	if (!put_filled(a, scope, text, &filled))
		return false;
	buf_json(b, buf_str(&filled));
	return b->n <= FILLED_MAX;
}

static bool put_value(struct arena *a, json_object *scope, json_object *value, struct buf *b);

static bool
put_members(struct arena *a, json_object *scope, json_object *value, struct buf *b)
{
	bool first = true;

	buf_put(b, S("{"));
	json_object_object_foreach (value, key, member) {
		buf_put(b, first ? S("") : S(","));
		buf_json(b, str_from(key));
		buf_put(b, S(":"));
		if (!put_value(a, scope, member, b))
			return false;
		first = false;
	}
	buf_put(b, S("}"));
	return true;
}

static bool
put_value(struct arena *a, json_object *scope, json_object *value, struct buf *b)
{
	if (json_object_is_type(value, json_type_string))
		return put_text(a, scope,
		    (struct str){
			json_object_get_string(value), (size_t)json_object_get_string_len(value) },
		    b);
	if (json_object_is_type(value, json_type_object))
		return put_members(a, scope, value, b);
	if (!json_object_is_type(value, json_type_array)) {
		put_json(b, value);
		return b->n <= FILLED_MAX;
	}
	buf_put(b, S("["));
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		buf_put(b, i ? S(",") : S(""));
		if (!put_value(a, scope, json_object_array_get_idx(value, i), b))
			return false;
	}
	buf_put(b, S("]"));
	return true;
}

struct str
workflow_fill(struct arena *a, json_object *scope, json_object *value)
{
	struct buf b = { .a = a };

	return put_value(a, scope, value, &b) ? buf_str(&b) : (struct str){ NULL, 0 };
}

/* Where in an expression of jq's one is: in a text between quotes, or in code, which may stand in
 * one as \(…). */
struct lexing {
	int *open; /* of each \(, how many parentheses are open in it */
	size_t n;
	bool in_text, is_escaped, in_comment;
};

static void
lex_code(struct lexing *x, char c)
{
	int *open = x->n > 0 ? &x->open[x->n - 1] : NULL;

	if (x->in_comment) {
		x->in_comment = c != '\n';
		return;
	}
	x->in_text = c == '"' || (c == ')' && open && *open == 0);
	x->in_comment = c == '#';
	if (open && c == '(')
		++*open;
	else if (open && c == ')' && --*open < 0)
		x->n--;
}

static void
lex(struct lexing *x, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!x->in_text) {
			lex_code(x, c);
		} else if (x->is_escaped) {
			x->is_escaped = false;
			if (c != '(')
				continue;
			x->open[x->n++] = 0;
			x->in_text = false;
		} else {
			x->is_escaped = c == '\\';
			x->in_text = c != '"';
		}
	}
}

/* Between quotes that are there already. */
static void
put_quoted(struct arena *a, json_object *value, struct buf *b)
{
	struct buf text = { .a = a }, quoted = { .a = a };

	put_json(&text, value);
	if (!json_object_is_type(value, json_type_string))
		buf_json(&quoted, buf_str(&text));
	else
		quoted = text;
	if (value)
		buf_put(b, (struct str){ quoted.p + 1, quoted.n - 2 });
}

struct str
workflow_fill_expression(struct arena *a, json_object *scope, struct str text)
{
	struct buf b = { .a = a };
	struct lexing x = { .open = arena_alloc(a, (text.n / 2 + 1) * sizeof(int)) };
	struct str before, reference, rest;

	while (b.n <= FILLED_MAX && next_reference(text, &before, &reference, &rest)) {
		json_object *value = resolve(a, scope, reference);

		lex(&x, before);
		buf_put(&b, before);
		buf_put(&b, x.is_escaped ? S("\\") : S("")); /* else it would be the value's */
		x.is_escaped = false;
		if (x.in_text)
			put_quoted(a, value, &b);
		else
			put_json(&b, value);
		text = rest;
	}
	buf_put(&b, text);
	return b.n <= FILLED_MAX ? buf_str(&b) : (struct str){ NULL, 0 };
}

int64_t
workflow_timeout(json_object *step, int64_t fallback)
{
	return json_int(step, "timeout_s", json_int(step, "timeoutS", fallback));
}
