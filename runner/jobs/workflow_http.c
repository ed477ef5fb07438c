/* A workflow's step that asks another host, at a public address alone. */
#include <string.h>
#include <strings.h>

#include <millrace/guard.h>
#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/workflow.h"
#include "runner/jobs/workflow_value.h"
#include "runner/outside/http.h"
#include "runner/outside/page.h"

#define TIMEOUT_S 60
#define REPLY_MAX ((size_t)1024 * 1024)
#define HEADERS_MAX 40

/* A header's line is one line. */
static bool
is_line(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool
has_header(json_object *given, const char *name)
{
	if (json_object_is_type(given, json_type_object)) {
		json_object_object_foreach (given, one, value) {
			if (value && strcasecmp(one, name) == 0)
				return true;
		}
	}
	return false;
}

/*
 * The step's headers as lines, and, where it gives none, the run's and step's name, by which a
 * receiver knows a repeat. One that is null is none. NULL: they cannot be sent.
 */
static const char *const *
header_lines(struct walk *w, json_object *step, json_object *given, bool has_body)
{
	const char **lines = arena_alloc(w->j->a, (HEADERS_MAX + 3) * sizeof(*lines));
	size_t n = 0;

	if (!has_header(given, "Idempotency-Key"))
		lines[n++] = arena_printf(w->j->a, "Idempotency-Key: %s/%.*s", w->j->run.text,
		    S_ARG(json_text(step, "id")))
				 .p;
	/* Without one curl says that it is a form. */
	if (!has_header(given, "Content-Type"))
		lines[n++] = has_body ? "Content-Type: application/json" : "Content-Type:";
	if (json_object_is_type(given, json_type_object)) {
		json_object_object_foreach (given, name, value) {
			struct str line = arena_printf(
			    w->j->a, "%s: %s", name, value ? json_object_get_string(value) : "");

			if (!value)
				continue;
			if (n == HEADERS_MAX + 2 || !guard_is_header(str_from(name)) ||
			    !is_line(line))
				return NULL;
			lines[n++] = line.p;
		}
	}
	lines[n] = NULL;
	return lines;
}

static const char *
problem_of(struct walk *w, enum http_end end, const struct http_request *q)
{
	if (end == HTTP_FORBIDDEN)
		return "its address is not a public one.";
	if (end == HTTP_DONE)
		return arena_printf(w->j->a, "the host replied with the status %d.", q->status).p;
	if (end == HTTP_TOO_LONG)
		return "the reply is too long.";
	return end == HTTP_SILENT ? "the host did not reply in time."
				  : "the host could not be reached.";
}

/* {status, body}: JSON where the reply is that, else text. */
static struct str
output_of(struct walk *w, struct http_request *q)
{
	struct buf b = { .a = w->j->a };
	json_object *o;
	struct str whole = q->reply;

	buf_printf(&b, "{\"status\":%d,\"body\":", q->status);
	if (mended_parse(w->j->a, &whole, &o))
		buf_put(&b, whole);
	else if (str_utf8(q->reply) && !memchr(q->reply.p, '\0', q->reply.n))
		buf_json(&b, q->reply);
	else
		buf_put(&b, S("null"));
	buf_put(&b, S("}"));
	return buf_str(&b);
}

bool
workflow_http(struct walk *w, json_object *step, struct str input, struct effect *out)
{
	struct http_request q = { .within_ms = workflow_timeout(step, TIMEOUT_S) * 1000,
		.reply_max = REPLY_MAX,
		.foreign = true };
	json_object *filled, *body;
	struct str url;
	const char *why;
	enum http_end end;

	if (json_parse(w->j->a, input, &filled, &why) != ERR_OK) {
		out->problem = "its input is no JSON.";
		return true;
	}
	body = json_at(filled, "body");
	q.method =
	    json_has(filled, "method") ? arena_cstr(w->j->a, json_text(filled, "method")) : "GET";
	url = page_url(w->j->a, json_text(filled, "url"));
	if (!url.p) {
		out->problem = "its url is no address that begins with http:// or https://.";
		return true;
	}
	q.url = url.p;
	q.headers = header_lines(w, step, json_at(filled, "headers"), body != NULL);
	if (!q.headers) {
		out->problem = "its headers are more than 40, or one is not the sender's.";
		return true;
	}
	if (body)
		q.body = arena_str(w->j->a, str_from(json_object_to_json_string(body)));
	end = http_call(&w->j->stop, w->j->a, &q);
	if (end == HTTP_STOPPED)
		return false;
	if (end == HTTP_DONE && q.status >= 200 && q.status < 300) {
		out->output = output_of(w, &q);
		return true;
	}
	out->problem = problem_of(w, end, &q);
	out->again = end != HTTP_FORBIDDEN && end != HTTP_TOO_LONG &&
		     (end != HTTP_DONE || q.status == 429 || q.status >= 500);
	return true;
}
