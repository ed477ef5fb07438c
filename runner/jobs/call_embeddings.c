/*
 * OpenAI's embeddings (API reference, "Embeddings"): in the order in which they were asked for, as
 * numbers, or as floats of 32 bits in base64, which OpenAI's own clients ask for.
 */
#include <string.h>

#include <sodium.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"
#include "runner/jobs/kinds.h"
#include "runner/models/embed.h"
#include "sql_job.h"

#define INPUTS_MAX 2048
#define NUMBERS_MAX ((size_t)2 * 1024 * 1024) /* of one answer: some 25 MB as digits */
#define WITHIN_MS 60000
#define TRIES 3

struct asked {
	struct embedding e;
	struct str model; /* as the client named it */
	bool base64;
};

/* -- what is asked -- */

static bool
is_tokens(json_object *list)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++)
		if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_int))
			return false;
	return n > 0;
}

static const char *
read_input(struct arena *a, json_object *input, struct asked *q)
{
	bool is_one = json_object_is_type(input, json_type_string) || is_tokens(input);
	struct str *items;

	if (!is_one && !json_object_is_type(input, json_type_array))
		return "input must be a text, a list of texts, or tokens.";
	q->e.n = is_one ? 1 : json_object_array_length(input);
	if (q->e.n == 0 || q->e.n > INPUTS_MAX)
		return "input must have 1 to 2048 texts.";
	items = arena_alloc(a, q->e.n * sizeof(*items));
	for (size_t i = 0; i < q->e.n; i++) {
		json_object *item = is_one ? input : json_object_array_get_idx(input, i);

		if (json_object_is_type(item, json_type_string)
			? json_object_get_string_len(item) == 0
			: !is_tokens(item))
			return "Each of input must be a text that is not empty, or a list of "
			       "tokens.";
		q->e.has_tokens = q->e.has_tokens || !json_object_is_type(item, json_type_string);
		items[i] = arena_str(a, json_serialised(item));
	}
	q->e.items = items;
	return NULL;
}

/* NULL, or what is wrong with what the client has sent. */
static const char *
read_asked(struct arena *a, struct str payload, struct asked *q)
{
	json_object *o;
	struct str format;
	const char *wrong;

	if (json_parse(a, payload, &o, &wrong) != ERR_OK)
		return wrong;
	q->model = json_text(o, "model");
	format = json_at(o, "encoding_format") ? json_text(o, "encoding_format") : S("float");
	q->base64 = str_eq(format, S("base64"));
	if (!q->base64 && !str_eq(format, S("float")))
		return "encoding_format must be float or base64.";
	if (!face_count(o, "dimensions", &q->e.dimensions))
		return "dimensions must be a whole number above 0.";
	return read_input(a, json_at(o, "input"), q);
}

/* -- what is answered -- */

static void
put_base64(struct buf *b, const float *v, size_t n)
{
	size_t room = sodium_base64_encoded_len(4 * n, sodium_base64_VARIANT_ORIGINAL);
	unsigned char *bytes = arena_alloc(b->a, 4 * n);
	char *text = arena_alloc(b->a, room);

	for (size_t i = 0; i < 4 * n; i++) {
		uint32_t bits;

		memcpy(&bits, &v[i / 4], sizeof(bits));
		bytes[i] = (unsigned char)(bits >> 8 * (i % 4));
	}
	sodium_bin2base64(text, room, bytes, 4 * n, sodium_base64_VARIANT_ORIGINAL);
	buf_printf(b, "\"%s\"", text);
}

static void
put_numbers(struct buf *b, const float *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%c%.9g", i > 0 ? ',' : '[', (double)v[i]);
	buf_put(b, S("]"));
}

static struct str
reply_json(struct call *c, const struct asked *q)
{
	struct buf b = { .a = c->a };

	buf_put(&b, S("{\"status\":200,\"headers\":{},\"body\":{\"object\":\"list\",\"data\":["));
	for (size_t i = 0; i < q->e.n; i++) {
		buf_printf(&b,
		    "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i > 0 ? "," : "",
		    i);
		if (q->base64)
			put_base64(&b, q->e.vector[i], q->e.size);
		else
			put_numbers(&b, q->e.vector[i], q->e.size);
		buf_put(&b, S("}"));
	}
	buf_put(&b, S("],\"model\":"));
	buf_json(&b, q->model);
	buf_printf(&b, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}}",
	    (long long)c->input_tokens, (long long)c->input_tokens);
	return buf_str(&b);
}

struct outcome
call_embeddings(struct job *j, const struct call_in *in)
{
	struct asked q = {
		.e = { .within_ms = WITHIN_MS, .tries = TRIES, .numbers_max = NUMBERS_MAX }
	};
	struct call c = { .job = j, .a = j->a };
	struct outcome o;
	const char *wrong;

	if ((wrong = read_asked(j->a, in->payload, &q)) != NULL)
		return job_failed("BAD_REQUEST", wrong);
	if (!call_provider(j, in, false, &c.provider, &o))
		return o;
	switch (embed(&c, &q.e, j->attempt * 1000 + 1)) {
	case CALL_DONE:
		return job_end_runner_job_end_done(
		    j, S("{\"finish\":\"stop\"}"), reply_json(&c, &q));
	case CALL_STOPPED:
		return job_stopped();
	case CALL_EMPTY:
	case CALL_CUT:
	case CALL_BUSY:
	case CALL_REFUSED:
	default:
		return job_failed(face_code(&c), c.problem);
	}
}
