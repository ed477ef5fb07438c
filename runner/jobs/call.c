#include <stdatomic.h>
#include <string.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/json.h>
#include <millrace/lenient.h>
#include <millrace/log.h>
#include <millrace/provider_list.h>

#include "runner/jobs/call.h"
#include "runner/jobs/kinds.h"
#include "runner/jobs/own_keys.h"
#include "runner/models/wire.h"
#include "sql_job.h"

#define LARGE_AT_ONCE 2 /* calls with long bodies in one runner */
#define LARGE_AGAIN_MS 50
#define MESSAGES_ROOM 16 /* of a call, at first */
#define FALLBACKS_MAX 3 /* models that are asked one after the other */

static const struct field call_fields[] = {
	F_STR(struct call_in, face, 1, 100, REQUIRED),
	F_STR(struct call_in, provider, 1, 100, REQUIRED),
	F_STR(struct call_in, model, 1, 300, REQUIRED),
	F_STR(struct call_in, payload, 2, INT32_MAX, OPTIONAL),
	F_UUID(struct call_in, blob, OPTIONAL),
	F_BOOL(struct call_in, stream, OPTIONAL),
	F_BOOL(struct call_in, wrapped, OPTIONAL),
	F_STR(struct call_in, endpoint, 1, 400, OPTIONAL),
	F_STR(struct call_in, meter, 1, 20, OPTIONAL),
	F_STR(struct call_in, keys, 0, INT32_MAX, OPTIONAL),
};

static const struct face_format *const formats[] = { &face_chat, &face_messages, &face_responses };

/* The reply's headers: who answers, where that is not who was asked. */
static struct str
headers_of(const struct face_call *f)
{
	const struct provider *p = f->call.provider;
	struct buf b = { .a = f->call.a };

	if (!p || p == f->asked_of)
		return S("{}");
	buf_put(&b, S("{\"X-Answered-By\":"));
	buf_json(&b, arena_printf(f->call.a, "%s/%s", p->name, p->model ? p->model : p->name));
	buf_put(&b, S("}"));
	return buf_str(&b);
}

static void
begin(struct face_call *f, struct buf *b)
{
	struct str headers = headers_of(f);

	if (!f->begun && headers.n > 2)
		outbox_event(f->call.job->out, "headers",
		    arena_printf(f->call.a, "{\"headers\":%.*s}", S_ARG(headers)));
	if (!f->begun)
		f->format->begin(f, b);
	f->begun = true;
}

static void
call_on_text(void *arg, struct str text)
{
	struct face_call *f = arg;
	struct arena *a = arena_new();
	struct buf b = { .a = a };

	if (f->streams) {
		begin(f, &b);
		f->format->text(f, &b, text);
		outbox_token(f->call.job->out, buf_str(&b));
	}
	arena_free(a);
}

static void
call_on_thought(void *arg, struct str text)
{
	struct face_call *f = arg;
	struct arena *a = arena_new();
	struct buf b = { .a = a };

	if (f->call.text.n == 0)
		f->n_thought += text.n;
	if (f->streams && (!f->format->shows || f->format->shows(f))) {
		begin(f, &b);
		f->format->thought(f, &b, text);
		outbox_token(f->call.job->out, buf_str(&b));
	}
	arena_free(a);
}

static void
call_on_block(void *arg, json_object *block)
{
	struct face_call *f = arg;
	struct arena *a = arena_new();
	struct buf b = { .a = a };

	if (f->streams && f->format->block)
		begin(f, &b);
	if (f->format->block)
		f->format->block(f, &b, block);
	if (b.n > 0)
		outbox_token(f->call.job->out, buf_str(&b));
	arena_free(a);
}

/* Of a whole answer, or for the next piece of text, they are kept within LOGPROBS_MAX, or left out.
 */
static void
call_on_logprobs(void *arg, struct str list)
{
	struct face_call *f = arg;
	struct arena *a = arena_new();
	struct buf b = { .a = a };

	if (f->streams && f->format->logprobs) {
		begin(f, &b);
		f->format->logprobs(f, &b, list);
		outbox_token(f->call.job->out, buf_str(&b));
	} else if (f->logprobs.n <= LOGPROBS_MAX) {
		buf_put(&f->logprobs, f->logprobs.n > 0 ? S(",") : S(""));
		buf_put(&f->logprobs, list);
	}
	arena_free(a);
}

struct str
face_thoughts(const struct face_call *f)
{
	return (struct str){ f->call.thoughts.p, f->n_thought };
}

const char *
face_code(const struct call *c)
{
	switch (c->refused) {
	case 400:
	case 413:
	case 422:
		return "BAD_REQUEST";
	case 404:
		return "NOT_FOUND";
	case 429:
		return "RATE_LIMITED";
	default:
		return c->timed_out ? "UPSTREAM_TIMEOUT" : "UPSTREAM_FAILED";
	}
}

/* The same with the cost of the calls. */
static struct outcome
finish_wrapped(struct face_call *f)
{
	const struct call *c = &f->call;
	struct job *j = c->job;
	struct buf b = { .a = j->a };

	if (f->streams) {
		buf_put(&b, outbox_detach(j->out, j->a));
		begin(f, &b);
		f->format->end(f, &b);
	} else {
		f->format->whole(f, &b);
	}
	return job_end_runner_call_end(j, c->use.number, str_from(c->provider->name),
	    str_from(c->provider->model), c->input_tokens, c->output_tokens,
	    call_part(c->cached_tokens), call_part(c->cache_write_tokens),
	    call_part(c->reasoning_tokens), 0, c->use.is_guessed, c->use.ms, buf_str(&b),
	    f->streams);
}

/* Ends the run, and stores what the answer has used. */
static struct outcome
finish_with(struct face_call *f, struct str data, struct str reply)
{
	const struct call *c = &f->call;

	return job_end_runner_call_answer(c->job, c->use.number, str_from(c->provider->name),
	    str_from(c->provider->model), c->input_tokens, c->output_tokens,
	    call_part(c->cached_tokens), call_part(c->cache_write_tokens),
	    call_part(c->reasoning_tokens), c->use.is_guessed, c->use.ms, data, reply);
}

/*
 * The answer is there: all of it as the reply, or the rest of the stream, which goes with the run's
 * end, so that the client sees no end before the call is settled.
 */
static struct outcome
finish(struct face_call *f)
{
	struct job *j = f->call.job;
	struct buf b = { .a = j->a }, data = { .a = j->a };

	if (f->wrapped)
		return finish_wrapped(f);

	buf_printf(&data, "{\"finish\":\"%s\"", f->call.finish);
	if (f->format->output) {
		buf_put(&data, S(",\"output\":"));
		f->format->output(f, &data);
	}
	if (f->streams) {
		buf_put(&b, outbox_detach(j->out, j->a));
		begin(f, &b);
		f->format->end(f, &b);
		buf_put(&data, S(",\"content\":"));
		buf_json(&data, buf_str(&b));
		buf_put(&data, S("}"));
		return finish_with(f, buf_str(&data), (struct str){ NULL, 0 });
	}
	buf_put(&data, S("}"));
	buf_printf(&b, "{\"status\":200,\"headers\":%.*s,\"body\":", S_ARG(headers_of(f)));
	f->format->whole(f, &b);
	buf_put(&b, S("}"));
	return finish_with(f, buf_str(&data), buf_str(&b));
}

/* A copy, behind which nobody is asked. */
static struct provider *
provider_alone(struct job *j, const struct provider *found, struct str model)
{
	struct provider *p = arena_alloc(j->a, sizeof(*p));

	*p = *provider_with_model(j->a, found, model);
	p->next = NULL;
	return p;
}

/*
 * Who is asked where p cannot answer: the settings say, by the model, and the project's policies
 * have to allow it. *out stays NULL: nobody.
 */
static enum err
find_fallback(struct job *j, const struct provider *p, struct provider **out)
{
	struct str name, model, other;
	const struct provider *found;
	PGresult *res = NULL;
	enum err e;

	*out = NULL;
	if (!p->model || (!provider_list_find(config()->fallbacks,
			      arena_printf(j->a, "%s/%s", p->name, p->model), &other) &&
			     !provider_list_find(config()->fallbacks, str_from(p->model), &other)))
		return ERR_OK;
	model = str_cut(other, '/', &name);
	if (!(found = provider_find(name)))
		return ERR_OK;
	if ((e = job_runner_call_may(j, &res, name, model)) != ERR_OK)
		return e;
	if (PQntuples(res) > 0 && sql_bool(res, 0, 0))
		*out = provider_alone(j, found, model);
	return ERR_OK;
}

bool
call_provider(struct job *j, const struct call_in *in, bool falls_back, const struct provider **out,
    struct outcome *o)
{
	const struct provider *found = provider_find(in->provider);
	struct provider *p, *other = NULL;
	struct str keys = in->keys;
	PGresult *res = NULL;
	enum err e = ERR_OK;

	if (!found) {
		*o = job_failed("NOT_FOUND", "The model's provider is not there any more.");
		return false;
	}
	*out = p = provider_alone(j, found, in->model);
	for (int n = 0; n < FALLBACKS_MAX && falls_back && p && e == ERR_OK; n++, p = other) {
		e = find_fallback(j, p, &other);
		p->next = other;
	}
	/* The version before has not told. */
	if (e == ERR_OK && !keys.p && (e = job_runner_own_keys(j, &res, j->owner)) == ERR_OK)
		keys = sql_get(res, 0, 0);
	if (e == ERR_OK)
		e = own_keys_use(j, out, keys);
	if (e != ERR_OK)
		*o = job_db_error(j, e, "the providers to be asked could not be read");
	return e == ERR_OK;
}

bool
face_provider(struct job *j, struct str name, struct str model, bool falls_back,
    const struct provider **out, struct outcome *o)
{
	return call_provider(
	    j, &(struct call_in){ .provider = name, .model = model }, falls_back, out, o);
}

/* NULL, or what is wrong with what the client has sent. */
static const char *
read_asked(struct face_call *f, struct str payload)
{
	const char *why;

	if (json_parse(f->call.a, payload, &f->asked, &why) != ERR_OK)
		return why;
	f->room = MESSAGES_ROOM;
	f->messages = arena_alloc(f->call.a, f->room * sizeof(*f->messages));
	f->call.n_messages = 1;
	f->model = json_text(f->asked, "model");
	if ((why = f->format->read(f)) != NULL)
		return why;
	f->messages[0] = (struct message){ .role = ROLE_SYSTEM, .content = buf_str(&f->system) };
	f->call.messages = f->messages + (f->system.n == 0);
	f->call.n_messages -= f->system.n == 0;
	for (size_t i = 0; i < f->call.n_messages; i++)
		if (f->call.messages[i].role == ROLE_USER)
			f->call.question = f->call.messages[i].content;
	return f->call.n_messages > 0 ? NULL : "There has to be a message.";
}

/* An attempt before this one has begun to answer, and cannot be gone on with. */
static struct outcome
give_up(struct job *j, const struct call_in *in)
{
	enum err e = job_runner_usage_lost(j, NULL, j->attempt - 1, in->provider, in->model);

	if (e != ERR_OK)
		return job_db_error(j, e, "the use of the attempt before could not be stored");
	return job_failed("UPSTREAM_FAILED", "The answer was cut off by a fault here.");
}

static struct outcome
make_call(struct job *j, const struct call_in *in)
{
	static const struct passages none;
	struct face_call *f = arena_alloc(j->a, sizeof(*f));
	const struct provider *p = NULL;
	int64_t n_stored = j->attempt * 1000;
	bool passes = str_eq(in->face, S("pass"));
	struct outcome o;
	const char *wrong = NULL;

	*f = (struct face_call){ .call = { .job = j,
				     .a = j->a,
				     .as_is = true,
				     .keeps_use = true,
				     .found = &none,
				     .on_text = call_on_text,
				     .on_thought = call_on_thought,
				     .on_block = call_on_block,
				     .text_arg = f,
				     .text = { .a = j->a },
				     .thoughts = { .a = j->a } },
		.system = { .a = j->a },
		.logprobs = { .a = j->a },
		.blocks = { .a = j->a },
		.seen = { .a = j->a },
		.id = uuid_str(&j->run),
		.created_s = clock_unix_ms() / 1000,
		.streams = in->stream,
		.wrapped = in->wrapped };
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (str_eq(in->face, str_from(formats[i]->name)))
			f->format = formats[i];
	if (!f->format && !passes)
		return job_again("a newer runner speaks this format", 0);
	if (!passes && (wrong = read_asked(f, in->payload)) != NULL)
		return job_failed("BAD_REQUEST", wrong);
	if (!call_provider(j, in, !passes, &p, &o))
		return o;
	if (passes)
		return pass_run(j, in, p);
	f->asked_of = p;
	f->call.on_logprobs = f->wants_logprobs ? call_on_logprobs : NULL;
	if (f->wants_logprobs && p->wire != &wire_openai)
		return job_failed("BAD_REQUEST",
		    "logprobs are given by servers of OpenAI's format alone, and this model's is "
		    "none.");
	switch (model_call(p, &f->call, &n_stored)) {
	case CALL_DONE:
	case CALL_EMPTY:
		return finish(f);
	case CALL_STOPPED:
		return job_stopped();
	case CALL_CUT:
	case CALL_BUSY:
	case CALL_REFUSED:
	default:
		return job_failed(face_code(&f->call), f->call.problem);
	}
}

/* -- long bodies -- */

/* Reads the blob into in->payload. ERR_NOT_FOUND: it is there no more. */
static enum err
read_blob(struct job *j, struct call_in *in)
{
	struct buf body = { .a = j->a };
	enum err e = ERR_OK;
	bool is_end = false;

	for (int64_t n = 0; e == ERR_OK && !is_end; n++) {
		struct arena *a = arena_new();
		PGresult *res = NULL;
		unsigned char *bytes = NULL;
		size_t len = 0;

		e = job_runner_blob_part(j, a, &res, in->blob, n);
		is_end = e != ERR_OK || PQntuples(res) == 0;
		if (!is_end && (bytes = PQunescapeBytea(
				    (const unsigned char *)PQgetvalue(res, 0, 0), &len)) != NULL)
			buf_put(&body, (struct str){ (const char *)bytes, len });
		PQfreemem(bytes);
		arena_free(a);
	}
	in->payload = buf_str(&body);
	return e == ERR_OK && body.n == 0 ? ERR_NOT_FOUND : e;
}

/* The payload is a member of the body where the call is passed on. NULL, or what is wrong. */
static const char *
read_payload(struct job *j, struct call_in *in)
{
	json_object *o = NULL;
	const char *why;

	if (!str_eq(in->face, S("pass")) && !in->wrapped)
		return NULL;
	if (json_parse(j->a, in->payload, &o, &why) != ERR_OK)
		return "The body is not the JSON that is taken here.";
	in->payload = json_serialised(json_at(o, "payload"));
	return NULL;
}

static struct outcome
run_large(struct job *j, struct call_in *in)
{
	const char *wrong;
	enum err e = read_blob(j, in);

	if (e == ERR_NOT_FOUND)
		return job_failed(
		    "CONFLICT", "The request's body was kept for an hour; send it again.");
	if (e != ERR_OK)
		return job_db_error(j, e, "the request's body could not be read");
	if ((wrong = read_payload(j, in)) != NULL)
		return job_failed("BAD_REQUEST", wrong);
	return make_call(j, in);
}

/* One of a few at a time, since each is in memory several times over. */
static struct outcome
make_large(struct job *j, struct call_in *in)
{
	static atomic_int running;
	struct outcome o;

	while (atomic_fetch_add(&running, 1) >= LARGE_AT_ONCE) {
		atomic_fetch_sub(&running, 1);
		if (!stop_sleep(&j->stop, LARGE_AGAIN_MS))
			return job_stopped();
	}
	o = run_large(j, in);
	atomic_fetch_sub(&running, 1);
	/* Another attempt needs it; what is left after all goes by the sweep of uploads. */
	if ((o.end == END_DONE || o.end == END_FAILED) &&
	    job_runner_blob_discard(j, NULL, in->blob) != ERR_OK)
		log_warn("call: a long body is left to the sweep", "run", j->run.text);
	return o;
}

struct outcome
call_run(struct job *j)
{
	struct call_in in = { 0 };
	struct outcome o;

	if (!job_input(j, call_fields, sizeof(call_fields) / sizeof(*call_fields), &in, &o))
		return o;
	if (str_eq(in.face, S("embeddings")))
		return call_embeddings(j, &in);
	if (j->first_seq > 0)
		return give_up(j, &in);
	return in.blob.text[0] ? make_large(j, &in) : make_call(j, &in);
}
