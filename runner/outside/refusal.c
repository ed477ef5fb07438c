#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/outside/refusal.h"

#define WORDS_DEPTH_MAX 6
#define WORDS_MAX 300 /* bytes that are told */
#define LIST_MAX 4 /* errors of a list that are told */

static struct str words_in(struct arena *a, json_object *o, int depth);

/* One of FastAPI's: {"loc":["body","tools"],"msg":"Extra inputs are not permitted"}. */
static struct str
words_of_item(struct arena *a, json_object *item, int depth)
{
	json_object *loc = json_at(item, "loc");
	struct str words = words_in(a, item, depth);
	struct buf b = { .a = a };

	if (!json_object_is_type(loc, json_type_array) || words.n == 0)
		return words;
	for (size_t i = 0; i < json_object_array_length(loc); i++) {
		buf_put(&b, i > 0 ? S(".") : S(""));
		buf_put(&b, lenient_text(a, json_object_array_get_idx(loc, i)));
	}
	buf_put(&b, S(": "));
	buf_put(&b, words);
	return buf_str(&b);
}

static struct str
words_of_list(struct arena *a, json_object *list, int depth)
{
	struct buf b = { .a = a };

	for (size_t i = 0; i < json_object_array_length(list) && i < LIST_MAX; i++) {
		struct str words = words_of_item(a, json_object_array_get_idx(list, i), depth + 1);

		if (b.n > 0 && words.n > 0)
			buf_put(&b, S("; "));
		buf_put(&b, words);
	}
	return buf_str(&b);
}

/* The words of the first member that has some. */
static struct str
words_beside(struct arena *a, json_object *o, int depth)
{
	static const char *const names[] = { "errors", "detail", "message", "msg", "error_message",
		"error_msg", "error_description", "description", "reason", "title", "base_resp",
		"status_msg", "fault", "faultstring" };
	struct str words = S("");

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && words.n == 0; i++)
		words = words_in(a, json_at(o, names[i]), depth + 1);
	return words;
}

static struct str
words_of_object(struct arena *a, json_object *o, int depth)
{
	json_object *error = json_at(o, "error");
	struct str words = words_in(a, error, depth + 1), more = S(""),
		   raw = words_in(a, json_at(json_at(o, "metadata"), "raw"), depth + 1);

	/* A text may be the status' name or a code alone, as frameworks have it. */
	if (words.n == 0 || json_object_is_type(error, json_type_string))
		more = words_beside(a, o, depth);
	if (words.n == 0)
		words = more;
	else if (more.n > 0 && !memmem(words.p, words.n, more.p, more.n))
		words = arena_printf(a, "%.*s: %.*s", S_ARG(words), S_ARG(more));
	/* A gateway's own words are often general; its upstream's are these. */
	if (raw.n == 0)
		return words;
	return words.n == 0 ? raw : arena_printf(a, "%.*s: %.*s", S_ARG(words), S_ARG(raw));
}

/* The words that a value holds: text (which may be JSON once more), or what its members say. */
static struct str
words_in(struct arena *a, json_object *o, int depth)
{
	struct str text;
	json_object *inner;

	if (!o || depth > WORDS_DEPTH_MAX)
		return S("");
	if (json_object_is_type(o, json_type_array))
		return words_of_list(a, o, depth);
	if (json_object_is_type(o, json_type_object))
		return words_of_object(a, o, depth);
	if (!json_object_is_type(o, json_type_string))
		return S("");
	text = lenient_text(a, o);
	if (str_starts(text, S("{")) && lenient_parse(a, text, &inner)) {
		struct str words = words_in(a, inner, depth + 1);

		return words.n > 0 ? words : text;
	}
	return text;
}

/* As one line: control characters and blanks in a row become one blank. */
static struct str
one_line(struct arena *a, struct str s)
{
	struct buf b = { .a = a };

	s = text_mend(a, s);
	while (s.n > 0) {
		size_t n = 0, blanks;

		while (n < s.n && (unsigned char)s.p[n] > ' ' && s.p[n] != 0x7f)
			n++;
		for (blanks = n;
		     blanks < s.n && ((unsigned char)s.p[blanks] <= ' ' || s.p[blanks] == 0x7f);)
			blanks++;
		if (n > 0)
			buf_put(&b, b.n > 0 ? S(" ") : S(""));
		buf_put(&b, (struct str){ s.p, n });
		s.p += blanks;
		s.n -= blanks;
	}
	return buf_str(&b);
}

/* A web page's title, else its text: crude, but it only has to be told from others. */
static struct str
words_of_page(struct arena *a, struct str page)
{
	const char *z = arena_cstr(a, page), *title = strcasestr(z, "<title");
	struct buf b = { .a = a };

	if (title && (title = strchr(title, '>')) != NULL && title[1] != '<')
		return (struct str){ title + 1, strcspn(title + 1, "<") };
	for (bool in_tag = false; *z; z++) {
		if (!in_tag && *z != '<')
			buf_put(&b, (struct str){ z, 1 });
		else if (*z == '>')
			buf_put(&b, S(" "));
		in_tag = *z == '<' || (in_tag && *z != '>');
	}
	return buf_str(&b);
}

/* -- its status -- */

/* The status that a number stands for; 0: none of HTTP's errors. */
static int
status_of_number(json_object *o)
{
	int64_t n = lenient_count(o);

	return n >= 400 && n < 600 ? (int)n : 0;
}

/* What vendors call their errors, in `code`, `type`, `status`, or in words. */
static int
status_of_word(const char *word)
{
	static const struct {
		const char *word;
		int status;
	} known[] = { { "insufficient_quota", 402 }, { "insufficient balance", 402 },
		{ "billing", 402 }, { "rate_limit", 429 }, { "rate limit", 429 },
		{ "ratelimit", 429 }, { "too many requests", 429 }, { "too_many_requests", 429 },
		{ "resource_exhausted", 429 }, { "throttl", 429 }, { "overloaded", 503 },
		{ "unavailable", 503 }, { "server_error", 500 }, { "internal", 500 },
		{ "invalid_api_key", 401 }, { "authentication", 401 }, { "unauthorized", 401 },
		{ "permission", 403 }, { "too_large", 413 }, { "not_found", 404 },
		{ "does not support", 400 }, { "invalid_request", 400 },
		{ "invalid_argument", 400 }, { "unsupported", 400 } };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcasestr(word, known[i].word))
			return known[i].status;
	return 0;
}

static int
status_of(struct arena *a, json_object *o)
{
	static const char *const names[] = { "code", "status", "status_code", "http_code",
		"error_code", "type" };
	int status;

	if (json_object_is_type(o, json_type_array))
		o = json_object_array_get_idx(o, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if ((status = status_of_number(json_at(o, names[i]))) != 0)
			return status;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if ((status = status_of_word(arena_cstr(a, json_text(o, names[i])))) != 0)
			return status;
	return json_at(o, "error") ? status_of(a, json_at(o, "error")) : 0;
}

/*
 * Google's wait, in the details of its error: {"@type":"…RetryInfo","retryDelay":"34.07s"}. -1: it
 * gives none.
 */
static int64_t
retry_delay(json_object *o)
{
	json_object *details;

	if (json_object_is_type(o, json_type_array))
		o = json_object_array_get_idx(o, 0);
	details = json_at(json_at(o, "error"), "details");
	if (!json_object_is_type(details, json_type_array))
		return -1;
	for (size_t i = 0; i < json_object_array_length(details); i++) {
		struct str delay = json_text(json_object_array_get_idx(details, i), "retryDelay");
		double seconds = delay.n > 0 ? strtod(delay.p, NULL) : -1;

		if (seconds >= 0 && seconds < 86400)
			return (int64_t)(seconds * 1000);
	}
	return -1;
}

static void
fill(struct arena *a, json_object *o, struct refusal *out)
{
	out->retry_after_ms = retry_delay(o);
	out->text = one_line(a, words_in(a, o, 0));
	out->status = status_of(a, o);
	if (out->status == 0)
		out->status = status_of_word(arena_cstr(a, out->text));
}

/* A member `error` that says something: some servers send one with each chunk, empty. */
static bool
is_error_member(json_object *o)
{
	if (json_object_is_type(o, json_type_object))
		return json_object_object_length(o) > 0;
	if (json_object_is_type(o, json_type_array))
		return json_object_array_length(o) > 0;
	if (json_object_is_type(o, json_type_boolean))
		return json_object_get_boolean(o);
	return json_object_is_type(o, json_type_string) && json_object_get_string_len(o) > 0;
}

/* A member that says how it went, as some gateways send one with every reply: {"success": false}.
 */
static bool
is_failure(json_object *o)
{
	static const char *const names[] = { "error_code", "error_msg", "error_message", "fault" };
	json_object *success = json_at(o, "success"),
		    *code = json_at(json_at(o, "base_resp"), "status_code");

	if ((json_object_is_type(success, json_type_boolean) &&
		!json_object_get_boolean(success)) ||
	    lenient_count(code) > 0)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (is_error_member(json_at(o, names[i])) ||
		    lenient_count(json_at(o, names[i])) > 0)
			return true;
	return false;
}

/* A code or a bad status, with words about it. What only has a status may be a job that failed. */
static bool
is_told(json_object *o)
{
	struct str status = json_text(o, "status");

	return (json_at(o, "message") || json_at(o, "msg") || json_at(o, "reason") ||
		   json_at(o, "title")) &&
	       (json_at(o, "code") || status_of_number(json_at(o, "status")) != 0 ||
		   str_starts(status, S("error")) || str_starts(status, S("fail")));
}

bool
refusal_in(struct arena *a, json_object *o, bool is_error, struct refusal *out)
{
	json_object *choices = json_at(o, "choices"), *found = NULL, *first = NULL;

	if (json_object_is_type(o, json_type_array) && json_object_array_length(o) > 0)
		return refusal_in(a, json_object_array_get_idx(o, 0), is_error, out);
	if (json_object_is_type(choices, json_type_array))
		first = json_object_array_get_idx(choices, 0);
	if (is_error_member(json_at(o, "error")))
		found = o;
	else if (is_error_member(json_at(first, "error")))
		found = first;
	else if (!choices &&
		 (is_error || str_eq(json_text(o, "object"), S("error")) || json_at(o, "detail") ||
		     json_at(o, "errors") || is_failure(o) || is_told(o)))
		found = o;
	if (found)
		fill(a, found, out);
	return found != NULL;
}

struct refusal
refusal_of_body(struct arena *a, struct str body)
{
	struct refusal r = { .text = S(""), .retry_after_ms = -1 };
	json_object *o = NULL;
	bool is_json = lenient_parse(a, str_trim(body), &o);

	if (is_json && o)
		fill(a, o, &r);
	if (r.text.n == 0 && body.n > 0)
		r.text = one_line(
		    a, !is_json && memchr(body.p, '<', body.n) ? words_of_page(a, body) : body);
	return r;
}

struct str
refusal_words(struct arena *a, struct str body)
{
	struct str words = refusal_of_body(a, body).text;

	if (words.n > WORDS_MAX)
		words.n = WORDS_MAX;
	while (words.n > 0 && !str_utf8(words))
		words.n--;
	return words;
}
