/*
 * A call that goes on to its provider as it is, and whose reply comes back as it is. What passes is
 * only read for what it has used; OpenAI's streams are asked to report it, and the event that does
 * goes no further where the client has not asked for it.
 */
#include <string.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/lenient.h>
#include <millrace/log.h>

#include "runner/jobs/call.h"
#include "runner/models/reply.h"
#include "runner/models/wire.h"
#include "runner/outside/http.h"
#include "runner/runner.h"
#include "runner/thread.h"
#include "sql_job.h"

#define REPLY_MAX ((size_t)16 * 1024 * 1024) /* bytes; images come in it */
#define EVENT_MAX ((size_t)8 * 1024 * 1024)
#define TRIES 4 /* of a request that the provider has not taken */

struct pass {
	const struct call_in *in;
	struct call c; /* what is counted, and what went wrong; its `a` is the job's */
	struct reply counted; /* the wire counts into it */
	struct http_request http;
	struct str data; /* the whole reply, JSON */
	struct sse sse;
	struct refusal refusal; /* an error in a reply of success */
	bool is_refused;
	bool is_lost; /* the provider may have answered, and nothing of it came */
	bool hides_usage;
	int64_t n_events; /* that were passed on */
	int64_t units;
};

/* -- the request -- */

static bool
is_chat(const struct call_in *in)
{
	return str_eq(in->endpoint, S("chat/completions")) ||
	       str_eq(in->endpoint, S("completions"));
}

/* The payload asks for the model that was allowed, whichever way the client named it. */
static json_object *
payload_of(struct pass *x)
{
	const struct wire *wire = x->c.provider->wire;
	struct str model = x->in->model;
	json_object *o = NULL, *options;

	if (!lenient_parse(x->c.a, x->in->payload, &o) || !json_object_is_type(o, json_type_object))
		return NULL;
	/* Google's has its place in the path. */
	if (wire == &wire_google)
		json_object_object_del(o, "model");
	else
		json_object_object_add(
		    o, "model", json_object_new_string_len(model.p, (int)model.n));
	options = json_at(o, "stream_options");
	x->hides_usage = x->in->stream && wire == &wire_openai && is_chat(x->in) &&
			 !json_object_get_boolean(json_at(options, "include_usage"));
	if (!x->hides_usage)
		return o;
	if (!json_object_is_type(options, json_type_object))
		json_object_object_add(o, "stream_options", options = json_object_new_object());
	json_object_object_add(options, "include_usage", json_object_new_boolean(1));
	return o;
}

static const char *
url_of(const struct pass *x)
{
	struct str name = x->in->endpoint;

	if (x->c.provider->wire != &wire_google)
		return arena_printf(x->c.a, "%.*s/%.*s", S_ARG(wire_base(&x->c)), S_ARG(name)).p;
	return google_url(
	    &x->c, arena_printf(x->c.a, "%.*s%s", S_ARG(name), x->in->stream ? "?alt=sse" : "").p);
}

/* -- the reply -- */

/* What is charged beside tokens: images, or seconds begun. */
static int64_t
units_in(const struct call_in *in, json_object *o)
{
	json_object *made = json_at(o, "data");
	int64_t n = -1;

	if (str_eq(in->meter, S("seconds"))) {
		if ((n = lenient_count(json_at(o, "duration"))) < 0)
			n = lenient_count(json_at(json_at(o, "usage"), "seconds"));
	} else if (str_eq(in->meter, S("images"))) {
		if (!json_object_is_type(made, json_type_array))
			made = json_at(o, "predictions");
		if (json_object_is_type(made, json_type_array))
			n = (int64_t)json_object_array_length(made);
	}
	return n > 0 ? n : 0;
}

static void
pass_on(struct pass *x, struct arena *a, struct str type, struct str data)
{
	struct buf b = { .a = a };
	struct str line;

	if (!str_eq(type, S("message")))
		buf_printf(&b, "event: %.*s\n", S_ARG(type));
	do {
		data = str_cut(data, '\n', &line);
		buf_printf(&b, "data: %.*s\n", S_ARG(line));
	} while (data.p);
	buf_put(&b, S("\n"));
	outbox_token(x->c.job->out, buf_str(&b));
	x->n_events++;
	x->http.useful = true;
}

/* Is it the event that has the usage, and nothing else? */
static bool
is_usage_alone(json_object *o)
{
	json_object *choices = json_at(o, "choices");

	return json_object_is_type(choices, json_type_array) &&
	       json_object_array_length(choices) == 0 && json_at(o, "usage");
}

/* False where nothing more is to be read. */
static bool
pass_on_if_wanted(struct pass *x, struct arena *a, struct str type, struct str data)
{
	json_object *o = NULL;

	data = text_mend(a, data);
	if (lenient_parse(a, data, &o) && o) {
		if (x->n_events == 0 &&
		    refusal_in(x->c.a, o, str_eq(type, S("error")), &x->refusal)) {
			x->is_refused = true;
			return false;
		}
		x->c.provider->wire->on_usage(&x->counted, o);
		if (x->hides_usage && is_usage_alone(o))
			return true;
	}
	pass_on(x, a, type, data);
	return true;
}

static bool
pass_on_event(void *arg, struct str type, struct str data)
{
	struct arena *a = arena_new();
	bool more = pass_on_if_wanted(arg, a, type, data);

	arena_free(a);
	return more;
}

static enum http_want
pass_on_bytes(void *arg, struct str bytes)
{
	struct pass *x = arg;

	/* A stream is not answered by anything else. */
	if (strncasecmp(x->http.content_type, "text/event-stream", 17) != 0)
		return HTTP_NO_MORE;
	return sse_feed(&x->sse, bytes, pass_on_event, x) ? HTTP_MORE : HTTP_NO_MORE;
}

static enum call_end
fail(struct pass *x, enum call_end end, const char *problem)
{
	x->c.problem = problem;
	return end;
}

static enum call_end
refused_inside(struct pass *x)
{
	if (x->refusal.status == 0)
		x->refusal.status = 500;
	return wire_refuse(&x->c, x->refusal, x->http.retry_after_ms);
}

/* The digits of numbers stay, unless the reply has to be mended. */
static enum call_end
read_whole(struct pass *x)
{
	json_object *o = NULL;
	const char *why;

	x->data = x->http.reply;
	if (json_parse(x->c.a, x->data, &o, &why) != ERR_OK) {
		if (lenient_parse(x->c.a, x->http.reply, &o) && o)
			x->data = text_mend(x->c.a, json_serialised(o));
		/* What no JSON has, such as NaN, is lenient to read, and nothing to pass on. */
		if (json_parse(x->c.a, x->data, &o, &why) != ERR_OK)
			return fail(x, CALL_REFUSED,
			    arena_printf(x->c.a,
				"What answers at the provider's address is not %s; an "
				"administrator has "
				"to look at %s.",
				x->c.provider->wire->title, x->c.provider->url_setting)
				.p);
	}
	if (refusal_in(x->c.a, o, false, &x->refusal))
		return refused_inside(x);
	x->c.provider->wire->on_usage(&x->counted, o);
	x->units = units_in(x->in, o);
	return CALL_DONE;
}

static bool
was_lost(const struct pass *x, enum http_end how)
{
	bool broke_off =
	    how == HTTP_CUT || how == HTTP_SILENT || how == HTTP_TOO_LONG || how == HTTP_STOPPED;

	return broke_off && x->http.was_sent && x->http.status < 300 && x->n_events == 0;
}

static enum call_end
conclude(struct pass *x, enum http_end how)
{
	struct refusal why;

	x->is_lost = was_lost(x, how);
	if (x->is_refused)
		return refused_inside(x);
	if (how == HTTP_STOPPED || how == HTTP_OPEN || x->http.status < 200 ||
	    x->http.status >= 300)
		return wire_failed(&x->c, &x->http, how, &why);
	if (how == HTTP_DONE && !x->in->stream)
		return read_whole(x);
	if (how == HTTP_DONE && x->n_events > 0)
		return CALL_DONE;
	x->c.timed_out = how == HTTP_SILENT;
	if (how == HTTP_TOO_LONG)
		return fail(x, CALL_CUT, "The provider's reply is longer than 16 MiB.");
	if (x->n_events > 0)
		return fail(x, CALL_CUT, "The provider's answer broke off.");
	return fail(x, CALL_REFUSED,
	    how == HTTP_ENDED ? "The provider's answer is no event stream."
			      : "The provider gave no whole answer.");
}

static enum call_end
send_once(struct pass *x, struct str body, const char *type)
{
	const struct provider *p = x->c.provider;
	enum http_end how;

	x->http = (struct http_request){ .url = url_of(x),
		.bearer = p->wire->key_header ? NULL : provider_key(x->c.a, p),
		.headers = wire_headers(&x->c, type),
		.body = body,
		.silence_ms = config()->provider_seconds * 1000,
		.patience_ms = CALL_PATIENCE_MS,
		.reply_max = REPLY_MAX,
		.tries = TRIES,
		.on_body = x->in->stream ? pass_on_bytes : NULL,
		.arg = x };
	sse_init(&x->sse, EVENT_MAX);
	how = http_call(&x->c.job->stop, x->c.a, &x->http);
	if (x->n_events > 0 && how == HTTP_DONE)
		(void)sse_end(&x->sse, pass_on_event, x);
	sse_free(&x->sse);
	return conclude(x, how);
}

/* Only what the provider has not taken is sent again: the rest may have been charged. */
static enum call_end
send_request(struct pass *x, struct str body, const char *type)
{
	for (int tries = 0;; tries++) {
		enum call_end end = send_once(x, body, type);
		int64_t wait = (250 << tries) / 2 + jitter(250 << tries);
		bool is_busy = x->c.refused == 429 || x->c.refused == 503 || x->c.refused == 529;

		atomic_fetch_add(&counters.calls, 1);
		if (end != CALL_DONE && end != CALL_STOPPED)
			atomic_fetch_add(&counters.call_errors, 1);
		if (x->c.retry_after_ms > wait)
			wait = x->c.retry_after_ms + jitter(250);
		if (end != CALL_BUSY || !is_busy || x->n_events > 0 || tries + 1 >= TRIES ||
		    wait > CALL_PATIENCE_MS)
			return end;
		x->is_refused = false;
		x->c.refused = 0;
		atomic_fetch_add(&counters.call_retries, 1);
		if (!stop_sleep(&x->c.job->stop, wait))
			return CALL_STOPPED;
	}
}

/* -- what it has used -- */

/* What the provider has not counted is guessed, where tokens are what is charged. */
static bool
complete_counts(struct pass *x)
{
	struct call *c = &x->c;
	bool is_guessed = c->input_tokens < 0 && str_eq(x->in->meter, S("tokens"));

	if (is_guessed) {
		c->input_tokens = (int64_t)x->in->payload.n / 4;
		c->output_tokens = x->in->stream ? x->n_events : (int64_t)x->data.n / 4;
	}
	c->input_tokens = call_part(c->input_tokens);
	c->output_tokens = call_part(c->output_tokens);
	return is_guessed;
}

/* What is known of a call that broke off, or was stopped, is charged; else what was expected. */
static void
store_rest(struct pass *x, int64_t ms)
{
	struct job *j = x->c.job;
	struct str provider = str_from(x->c.provider->name);
	bool is_guessed = complete_counts(x);
	enum err e;

	if (stop_why(&j->stop) == STOP_LOST)
		return;
	/* Anthropic's stream begins with a count, and has the real one at its end. */
	if (x->n_events > x->c.output_tokens && str_eq(x->in->meter, S("tokens"))) {
		x->c.output_tokens = x->n_events;
		is_guessed = true;
	}
	if (x->is_lost)
		e = job_runner_call_lost(
		    j, NULL, x->in->stream && stop_why(&j->stop) == STOP_CANCELLED);
	else if (x->n_events > 0)
		e = job_runner_usage_store(j, NULL, j->attempt * 1000 + 1, provider, x->in->model,
		    x->c.input_tokens, x->c.output_tokens, call_part(x->c.cached_tokens),
		    call_part(x->c.cache_write_tokens), call_part(x->c.reasoning_tokens), x->units,
		    is_guessed, ms, true);
	else
		e = job_runner_model_failed(j, NULL, provider, x->in->model);
	if (e != ERR_OK)
		log_error("usage: could not be stored", "run", j->run.text);
}

static struct outcome
ended(struct pass *x, enum call_end end, int64_t ms)
{
	static const char lost[] =
	    "The provider's reply was lost. It may have been billed there, so it is charged as was "
	    "expected, and not asked for again.";
	struct job *j = x->c.job;
	bool is_guessed;

	if (end != CALL_DONE)
		store_rest(x, ms);
	/* Nor is it asked for again by another runner, where this one ends. */
	if (x->is_lost && (end != CALL_STOPPED || stop_why(&j->stop) == STOP_SHUTDOWN))
		return job_failed(face_code(&x->c), lost);
	if (end != CALL_DONE)
		return end == CALL_STOPPED ? job_stopped()
					   : job_failed(face_code(&x->c), x->c.problem);
	is_guessed = complete_counts(x);
	if (x->in->stream) {
		struct buf rest = { .a = j->a };

		buf_put(&rest, outbox_detach(j->out, j->a));
		buf_put(&rest, x->data);
		x->data = buf_str(&rest);
	}
	return job_end_runner_call_end(j, j->attempt * 1000 + 1, str_from(x->c.provider->name),
	    x->in->model, x->c.input_tokens, x->c.output_tokens, call_part(x->c.cached_tokens),
	    call_part(x->c.cache_write_tokens), call_part(x->c.reasoning_tokens), x->units,
	    is_guessed, ms, x->data, x->in->stream);
}

struct outcome
pass_run(struct job *j, const struct call_in *in, const struct provider *p)
{
	struct pass *x = arena_alloc(j->a, sizeof(*x));
	const char *type = "application/json", *wrong;
	int64_t began_ms = clock_ms();
	json_object *payload;
	struct str body;

	*x = (struct pass){ .in = in,
		.c = { .job = j,
		    .a = j->a,
		    .provider = p,
		    .input_tokens = -1,
		    .output_tokens = -1,
		    .cached_tokens = -1,
		    .cache_write_tokens = -1,
		    .reasoning_tokens = -1,
		    .retry_after_ms = -1 },
		.data = S("") };
	x->counted.c = &x->c;
	if (!(payload = payload_of(x)))
		return job_failed("BAD_REQUEST", "The payload is no JSON object.");
	body = arena_str(j->a, json_serialised(payload));
	if (str_eq(in->meter, S("seconds")) &&
	    (wrong = call_form(j->a, payload, &body, &type)) != NULL)
		return job_failed("BAD_REQUEST", wrong);
	return ended(x, send_request(x, body, type), clock_ms() - began_ms);
}
