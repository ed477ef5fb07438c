#include <math.h>
#include <string.h>

#include <sodium.h>

#include <millrace/clock.h>
#include <millrace/json.h>
#include <millrace/lenient.h>
#include <millrace/log.h>

#include "runner/models/embed.h"
#include "runner/models/wire.h"
#include "runner/runner.h"
#include "sql_job.h"

#define BATCH 64 /* Google takes 100 at once, others fewer than OpenAI's 2,048 */
#define SHORT_MAX 8 /* replies that lack some of what was asked */
#define VECTOR_MAX 65536 /* numbers */
#define REPLY_MAX ((size_t)64 * 1024 * 1024)

/* Of all items, those that are asked for in one request. */
struct batch {
	size_t of[BATCH];
	size_t n;
};

static struct batch
next_batch(const struct embedding *e)
{
	struct batch b = { .n = 0 };

	for (size_t i = 0; i < e->n && b.n < BATCH; i++)
		if (!e->vector[i])
			b.of[b.n++] = i;
	return b;
}

/* -- the request -- */

static struct str
openai_request(
    struct arena *a, const struct call *c, const struct embedding *e, const struct batch *batch)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{\"model\":"));
	buf_json(&b, str_from(c->provider->model));
	if (e->dimensions > 0)
		buf_printf(&b, ",\"dimensions\":%lld", (long long)e->dimensions);
	buf_put(&b, S(",\"input\":["));
	for (size_t i = 0; i < batch->n; i++) {
		buf_put(&b, i > 0 ? S(",") : S(""));
		buf_put(&b, e->items[batch->of[i]]);
	}
	buf_put(&b, S("]}"));
	return buf_str(&b);
}

static struct str
google_request(
    struct arena *a, const struct call *c, const struct embedding *e, const struct batch *batch)
{
	const char *model = c->provider->model;
	struct buf b = { .a = a };

	buf_put(&b, S("{\"requests\":["));
	for (size_t i = 0; i < batch->n; i++) {
		buf_put(&b, i > 0 ? S(",{\"model\":") : S("{\"model\":"));
		buf_json(&b, arena_printf(a, "%s%s", strchr(model, '/') ? "" : "models/", model));
		buf_printf(&b, ",\"content\":{\"parts\":[{\"text\":%.*s}]}",
		    S_ARG(e->items[batch->of[i]]));
		if (e->task)
			buf_printf(&b, ",\"taskType\":\"%s\"", e->task);
		if (e->dimensions > 0)
			buf_printf(&b, ",\"outputDimensionality\":%lld", (long long)e->dimensions);
		buf_put(&b, S("}"));
	}
	buf_put(&b, S("]}"));
	return buf_str(&b);
}

/* -- the reply -- */

/* Numbers in base64, as little-endian floats of 32 bits. */
static float *
read_base64(struct arena *a, struct str text, size_t *n)
{
	size_t room = text.n / 4 * 3 + 3, len;
	unsigned char *bytes = arena_alloc(a, room);
	float *v;

	if (sodium_base642bin(bytes, room, text.p, text.n, NULL, &len, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    len % 4 != 0)
		return NULL;
	*n = len / 4;
	v = arena_alloc(a, (*n + 1) * sizeof(*v));
	for (size_t i = 0; i < *n; i++) {
		const unsigned char *b = bytes + 4 * i;
		uint32_t bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
				(uint32_t)b[3] << 24;

		memcpy(&v[i], &bits, sizeof(bits));
	}
	return v;
}

static float *
read_list(struct arena *a, json_object *list, size_t *n)
{
	float *v;

	*n = json_object_array_length(list);
	if (*n > VECTOR_MAX)
		return NULL;
	v = arena_alloc(a, (*n + 1) * sizeof(*v));
	for (size_t i = 0; i < *n; i++) {
		json_object *x = json_object_array_get_idx(list, i);

		if (!json_object_is_type(x, json_type_double) &&
		    !json_object_is_type(x, json_type_int))
			return NULL;
		v[i] = (float)json_object_get_double(x);
	}
	return v;
}

/* NULL where it is no vector. */
static float *
read_vector(struct arena *a, json_object *o, size_t *n)
{
	float *v = NULL;

	if (json_object_is_type(o, json_type_string))
		v = read_base64(a,
		    (struct str){
			json_object_get_string(o), (size_t)json_object_get_string_len(o) },
		    n);
	else if (json_object_is_type(o, json_type_array))
		v = read_list(a, o, n);
	if (!v || *n == 0 || *n > VECTOR_MAX)
		return NULL;
	for (size_t i = 0; i < *n; i++)
		if (!isfinite(v[i]))
			return NULL;
	return v;
}

/* NULL, or what is wrong with what came. */
static const char *
take_vector(struct call *c, struct embedding *e, size_t item, json_object *o)
{
	size_t n;
	float *v = read_vector(c->a, o, &n);

	if (!v || e->vector[item])
		return NULL; /* as one that has not come */
	if (e->dimensions > 0 && n != (size_t)e->dimensions)
		return arena_printf(c->a,
		    "The model's provider gave vectors of %zu numbers, and was asked for %lld.", n,
		    (long long)e->dimensions)
		    .p;
	if (e->size > 0 && n != e->size)
		return "The model's provider gave vectors of different lengths.";
	e->size = n;
	e->vector[item] = v;
	e->n_came++;
	return NULL;
}

/*
 * Whose vector each element is, by its index, counted from 0 or, in a list that is whole, from
 * anything else. A whole list whose indices are none, or not of each item, is in the order of what
 * was asked. NULL: nobody can tell.
 */
static const size_t *
places(struct arena *a, json_object *list, size_t n, size_t asked)
{
	size_t *at = arena_alloc(a, (n + 1) * sizeof(*at));
	bool *taken = arena_alloc(a, asked * sizeof(*taken));
	int64_t first = n == asked ? INT64_MAX : 0;
	bool good = true;

	memset(taken, 0, asked * sizeof(*taken));
	for (size_t i = 0; i < n && n == asked; i++) {
		int64_t index = lenient_count(json_at(json_object_array_get_idx(list, i), "index"));

		first = index < first ? index : first;
	}
	for (size_t i = 0; i < n && good; i++) {
		int64_t index = lenient_count(json_at(json_object_array_get_idx(list, i), "index"));

		good = first >= 0 && index >= first && index - first < (int64_t)asked &&
		       !taken[index - first];
		if (good)
			taken[at[i] = (size_t)(index - first)] = true;
	}
	for (size_t i = 0; i < n && !good && n == asked; i++)
		at[i] = i;
	return good || n == asked ? at : NULL;
}

static const char *
take_vectors(struct call *c, struct embedding *e, const struct batch *batch, json_object *reply)
{
	bool google = c->provider->wire == &wire_google;
	json_object *list = json_at(reply, google ? "embeddings" : "data");
	size_t n = json_length(list);
	const size_t *at = places(c->a, list, n, batch->n);
	const char *wrong = NULL;

	for (size_t i = 0; i < n && at && !wrong; i++)
		wrong = take_vector(c, e, batch->of[at[i]],
		    json_at(json_object_array_get_idx(list, i), google ? "values" : "embedding"));
	return wrong;
}

static int64_t
tokens_of(json_object *reply)
{
	json_object *usage = json_at(reply, "usage");
	int64_t n = lenient_count(json_at(usage, "prompt_tokens"));

	if (n <= 0)
		n = lenient_count(json_at(usage, "total_tokens"));
	if (n <= 0)
		n = lenient_count(json_at(json_at(reply, "usageMetadata"), "promptTokenCount"));
	return n > 0 ? n : -1;
}

/* -- the call -- */

/* What was used together; a guess where a reply does not say. */
struct use {
	int64_t tokens;
	bool is_guess;
};

static void
add_use(struct use *use, const struct embedding *e, const struct batch *batch, int64_t tokens)
{
	size_t len = 0;

	for (size_t i = 0; i < batch->n; i++)
		len += e->items[batch->of[i]].n;
	use->is_guess = use->is_guess || tokens < 0;
	use->tokens += tokens > 0 ? tokens : (int64_t)(len + 3) / 4;
}

/* `a` is this request's: replies are large. */
static enum call_end
send_batch(struct arena *a, struct call *c, struct embedding *e, const struct batch *batch,
    struct use *use)
{
	bool google = c->provider->wire == &wire_google;
	struct http_request q = {
		.url = google ? google_url(c, "batchEmbedContents")
			      : arena_printf(a, "%.*s/embeddings", S_ARG(wire_base(c))).p,
		.bearer = google ? NULL : provider_key(c->a, c->provider),
		.headers = wire_headers(c, "application/json"),
		.body = google ? google_request(a, c, e, batch) : openai_request(a, c, e, batch),
		.within_ms = e->within_ms,
		.reply_max = REPLY_MAX,
		.tries = e->tries,
		.idempotent = true,
		.patience_ms = e->tries > 1 ? CALL_PATIENCE_MS : 0
	};
	enum http_end how = http_call(&c->job->stop, a, &q);
	struct refusal why = { .text = S("") };
	json_object *reply = NULL;
	size_t before = e->n_came;

	c->retry_after_ms = q.retry_after_ms;
	if (how != HTTP_DONE || q.status < 200 || q.status >= 300)
		return wire_failed(c, &q, how, &why);
	if (lenient_parse(a, q.reply, &reply) && refusal_in(a, reply, false, &why)) {
		q.status = why.status > 0 ? why.status : 500;
		return wire_failed(c, &q, how, &why);
	}
	add_use(use, e, batch, tokens_of(reply));
	c->problem = take_vectors(c, e, batch, reply);
	if (!c->problem && e->n_came == before)
		c->problem = "The model's provider answered without the vectors asked for.";
	return c->problem ? CALL_REFUSED : CALL_DONE;
}

static enum call_end
send_all(struct call *c, struct embedding *e, struct use *use)
{
	for (int lacking = 0; e->n_came < e->n;) {
		struct batch batch = next_batch(e);
		struct arena *a = arena_new();
		size_t before = e->n_came;
		enum call_end end = send_batch(a, c, e, &batch, use);

		arena_free(a);
		if (end != CALL_DONE)
			return end;
		if (e->n_came < before + batch.n && ++lacking > SHORT_MAX) {
			c->problem =
			    "The model's provider keeps answering a part of what is asked.";
			return CALL_REFUSED;
		}
		if (e->numbers_max > 0 && e->n * e->size > e->numbers_max) {
			c->problem = "These are more vectors than one answer may hold; ask for "
				     "fewer at once.";
			c->refused = 413;
			return CALL_REFUSED;
		}
	}
	return CALL_DONE;
}

/* NULL, or why it has none. */
static const char *
no_embeddings(const struct provider *p, const struct embedding *e)
{
	if (!p->wire)
		return "local has no embeddings: they take a model, of a provider that an "
		       "administrator configures.";
	if (p->wire == &wire_anthropic)
		return "Anthropic has no embeddings; ask a model of another provider.";
	if (p->wire == &wire_google && e->has_tokens)
		return "Google's models take texts, not tokens.";
	return NULL;
}

enum call_end
embed(struct call *c, struct embedding *e, int64_t number)
{
	const struct provider *p = c->provider;
	int64_t began_ms = clock_ms();
	struct use use = { 0 };
	enum call_end end;

	e->vector = arena_alloc(c->a, (e->n + 1) * sizeof(*e->vector));
	e->n_came = e->size = 0;
	c->refused = 0;
	c->timed_out = false;
	c->retry_after_ms = -1;
	if ((c->problem = no_embeddings(p, e)) != NULL) {
		c->refused = 400;
		return CALL_REFUSED;
	}
	end = send_all(c, e, &use);
	c->input_tokens = use.tokens;
	atomic_fetch_add(&counters.calls, 1);
	if (end != CALL_DONE && end != CALL_STOPPED)
		atomic_fetch_add(&counters.call_errors, 1);
	if (use.tokens > 0 && stop_why(&c->job->stop) != STOP_LOST &&
	    job_runner_usage_store(c->job, NULL, number, str_from(p->name), str_from(p->model),
		use.tokens, 0, 0, 0, 0, 0, use.is_guess, clock_ms() - began_ms,
		end != CALL_DONE) != ERR_OK)
		log_error("usage: could not be stored", "run", c->job->run.text);
	else if (use.tokens == 0 && end != CALL_STOPPED &&
		 job_runner_model_failed(c->job, NULL, str_from(p->name), str_from(p->model)) !=
		     ERR_OK)
		log_error("usage: a failed call could not be stored", "run", c->job->run.text);
	return end;
}
