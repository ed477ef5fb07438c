/*
 * Calls that are passed on to a provider as they are. What a call is allowed and what it may cost
 * go by the endpoint and the model, so a payload that could choose another model than `model` says,
 * or another price than the model's, is refused here. What has no price by the token, the image or
 * the second is refused with it: it would be used, and not be charged.
 */
#include <strings.h>

#include <millrace/config.h>
#include <millrace/face.h>
#include <millrace/json.h>

#include "fcgi/upload.h"
#include "handlers/gateway/gateway.h"
#include "sql_api.h"

#define ENDPOINT_MAX 400
#define ID_MAX 200
#define CHOICES_MAX 128
#define SOUND_BYTES_A_SECOND 750 /* in base64, of 4.5 kbit/s, which no recording is below */
#define IMAGE_TOKENS 8000 /* of the largest picture that is made, where it has no limit */

struct call_in {
	struct str endpoint;
	struct str payload;
	struct str user_id, project_id, request_id;
};

static const struct field call_fields[] = {
	F_STR(struct call_in, endpoint, 1, ENDPOINT_MAX, REQUIRED),
	F_JSON(struct call_in, payload, MIB, REQUIRED),
	F_STR(struct call_in, user_id, 1, ID_MAX, OPTIONAL),
	F_STR(struct call_in, project_id, 1, ID_MAX, OPTIONAL),
	F_STR(struct call_in, request_id, 1, ID_MAX, OPTIONAL),
};
FIELD_TABLE(provider_call_body, struct call_in, call_fields, provider_call);

/* What is asked for, in whichever vendor's words. */
struct asked {
	json_object *payload;
	struct str operation; /* "chat/completions", "generateContent" */
	struct str model;
	bool streams;
	int64_t output_tokens; /* of one choice, at most */
	int64_t choices; /* or images */
};

/* -- what may not be in a payload -- */

/* Members with which some server chooses a model, or another price for it; in any case of letters.
 */
static const char *const choosing[] = { "engine", "deployment", "deployment_id", "fallbacks",
	"route", "preset", "provider", "web_search_options", "inference_geo", NULL };

/* How tools begin that the vendor runs itself, and charges by the use. */
static const char *const hosted[] = { "web_search", "file_search", "code_interpreter",
	"code_execution", "image_generation", "googleSearch", "google_search", "googleMaps",
	"google_maps", "enterpriseWebSearch", "enterprise_web_search", NULL };

static bool
is_named(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (strcasecmp(*names, name) == 0)
			return true;
	return false;
}

static bool
is_hosted(const char *name)
{
	for (const char *const *h = hosted; *h; h++)
		if (strncasecmp(*h, name, strlen(*h)) == 0)
			return true;
	return false;
}

/* Is a text member, where it is there, one of these? */
static bool
is_one_of(json_object *o, const char *name, const char *const *values)
{
	return !json_at(o, name) || str_is_in(json_text(o, name), values);
}

/* NULL, or what is wrong with it. */
static const char *
tool_problem(const struct asked *q, json_object *tool)
{
	static const char charged[] =
	    "payload.tools has one that the provider runs itself and charges by "
	    "the use, which has no price here.";
	struct str type = json_text(tool, "type");

	if (json_at(tool, "model") && !str_eq(json_text(tool, "model"), q->model))
		return "payload.tools asks for another model than payload.model.";
	if (type.n > 0 && is_hosted(type.p))
		return charged;
	if (!json_object_is_type(tool, json_type_object))
		return "Each of payload.tools must be an object.";
	json_object_object_foreach (tool, name, value) {
		(void)value;
		if (is_hosted(name))
			return charged;
	}
	return NULL;
}

static const char *
list_problem(const struct asked *q)
{
	json_object *tools = json_at(q->payload, "tools"),
		    *requests = json_at(q->payload, "requests");
	const char *wrong = NULL;

	if (json_object_is_type(tools, json_type_array))
		for (size_t i = 0; i < json_object_array_length(tools) && !wrong; i++)
			wrong = tool_problem(q, json_object_array_get_idx(tools, i));
	if (json_object_is_type(requests, json_type_array))
		for (size_t i = 0; i < json_object_array_length(requests); i++) {
			struct str model =
			    json_text(json_object_array_get_idx(requests, i), "model");

			if (str_starts(model, S("models/")))
				model = (struct str){ model.p + 7, model.n - 7 };
			if (model.n > 0 && !str_eq(model, q->model))
				return "payload.requests asks for another model than the endpoint.";
		}
	return wrong;
}

static const char *
payload_problem(const struct asked *q)
{
	static const char *const tiers[] = { "auto", "default", "standard", "standard_only", "flex",
		NULL };
	static const char *const speeds[] = { "standard", NULL };

	json_object_object_foreach (q->payload, name, value) {
		(void)value;
		if ((strcasestr(name, "model") && strcmp(name, "model") != 0) ||
		    is_named(choosing, name))
			return "payload has a member that may choose another model, or another "
			       "price: the "
			       "model is what payload.model says.";
	}
	if (!is_one_of(q->payload, "service_tier", tiers) ||
	    !is_one_of(q->payload, "serviceTier", tiers) || !is_one_of(q->payload, "speed", speeds))
		return "payload.service_tier and payload.speed may not ask for what costs more "
		       "than the "
		       "model's price.";
	if (face_asks_long_cache(q->payload))
		return "payload has a cache_control whose ttl is not 5m: a longer one costs more "
		       "than the model's price.";
	if (json_object_get_boolean(json_at(q->payload, "background")))
		return "payload.background must not be true: what the answer costs would not be "
		       "known.";
	return list_problem(q);
}

/* -- what is asked for -- */

/*
 * "/chat/completions", "/v1/messages", or Google's "/v1beta/models/MODEL:generateContent", whose
 * model payload.model may repeat.
 */
static const char *
read_endpoint(struct str endpoint, struct asked *q)
{
	static const char other[] = "payload.model is another one than the endpoint's.";
	struct str given = json_text(q->payload, "model"), model;

	while (str_starts(endpoint, S("/")))
		endpoint = (struct str){ endpoint.p + 1, endpoint.n - 1 };
	if (str_starts(endpoint, S("v1/")) || str_starts(endpoint, S("v1beta/")))
		endpoint = str_cut(endpoint, '/', &model);
	q->operation = endpoint;
	q->model = given;
	if (str_starts(endpoint, S("models/"))) {
		q->operation =
		    str_cut((struct str){ endpoint.p + 7, endpoint.n - 7 }, ':', &q->model);
		if (str_starts(given, S("models/")))
			given = (struct str){ given.p + 7, given.n - 7 };
		if (json_at(q->payload, "model") && !str_eq(given, q->model))
			return other;
	}
	if (q->operation.n == 0 || !q->operation.p)
		return "endpoint must be a path of the provider's API, such as /chat/completions.";
	if (q->model.n == 0 || q->model.n > ID_MAX || memmem(q->model.p, q->model.n, "..", 2))
		return "payload.model must be the name of a model.";
	return NULL;
}

/* A whole number from 1 on that is there, into *out. */
static bool
read_count(json_object *o, const char *name, int64_t max, int64_t *out)
{
	int64_t n = json_int(o, name, 0);

	if (!json_at(o, name))
		return true;
	*out = n > *out ? n : *out;
	return n >= 1 && n <= max;
}

static const char *
read_counts(struct asked *q)
{
	static const char *const limits[] = { "max_tokens", "max_completion_tokens",
		"max_output_tokens", NULL };
	json_object *config = json_at(q->payload, "generationConfig"),
		    *stream = json_at(q->payload, "stream");
	int64_t most = 0;

	for (const char *const *name = limits; *name; name++)
		if (!read_count(q->payload, *name, TOKENS_MAX, &most))
			return "A limit of the answer must be a whole number of tokens.";
	if (!read_count(config, "maxOutputTokens", TOKENS_MAX, &most))
		return "generationConfig.maxOutputTokens must be a whole number of tokens.";
	q->output_tokens = most > 0					   ? most
			   : str_eq(q->operation, S("images/generations")) ? IMAGE_TOKENS
									   : OUTPUT_TOKENS;
	/* What was predicted wrongly is charged as if it were said. */
	if (json_at(q->payload, "prediction"))
		q->output_tokens += (int64_t)json_serialised(json_at(q->payload, "prediction")).n;
	q->choices = 1;
	if (!read_count(q->payload, "n", CHOICES_MAX, &q->choices) ||
	    !read_count(q->payload, "best_of", CHOICES_MAX, &q->choices) ||
	    !read_count(config, "candidateCount", CHOICES_MAX, &q->choices) ||
	    !read_count(json_at(q->payload, "parameters"), "sampleCount", CHOICES_MAX, &q->choices))
		return "How many are wanted must be a whole number from 1 to 128.";
	if (stream && !json_object_is_type(stream, json_type_boolean))
		return "payload.stream must be true or false.";
	q->streams =
	    json_object_get_boolean(stream) || str_eq(q->operation, S("streamGenerateContent"));
	return NULL;
}

static enum err
provider_call_started(struct req *r)
{
	if (row_count(r) == 0)
		return refuse(r, ERR_NOT_FOUND, "There is no such provider here.");
	return call_started(r);
}

/* POST /api/v1/providers/{provider}/call */
enum err
provider_call(struct req *r)
{
	struct call_in in = { 0 };
	struct asked q = { 0 };
	struct buf input = { .a = r->a };
	struct str user, project;
	const char *wrong;
	struct call_size size;
	int64_t sound; /* bytes */
	enum err e;

	if ((e = body_bind(r, provider_call_body, &in)) != ERR_OK ||
	    (e = call_whose(r, in.user_id, in.project_id, &user, &project)) != ERR_OK)
		return e;
	/* Who has an unknown key hears of that alone, so the database says what is wrong. */
	if (json_parse(r->a, in.payload, &q.payload, &wrong) == ERR_OK &&
	    (wrong = read_endpoint(in.endpoint, &q)) == NULL && (wrong = read_counts(&q)) == NULL)
		wrong = payload_problem(&q);
	/* A long body's file is not in what is bound. */
	sound = r->upload ? r->upload->size : (int64_t)json_text(q.payload, "file").n;
	buf_put(&input, S("{\"endpoint\":"));
	buf_json(&input, q.operation);
	buf_printf(&input, ",\"stream\":%s", q.streams ? "true" : "false");
	size = call_size(r->a, q.payload, in.payload.n, q.model);
	call_expect(&input, &size, q.output_tokens * q.choices);
	call_payload(r, &input, in.payload);
	buf_put(&input, S("}"));
	return sql_provider_call(r, provider_call_started, user, project,
	    in.request_id.n > 0 ? in.request_id : r->request_id, path_text(r, 0), q.model,
	    q.operation, buf_str(&input), q.streams, size.most, q.output_tokens * q.choices,
	    q.choices, sound / SOUND_BYTES_A_SECOND + 1, str_from(wrong),
	    strcmp(config()->credits, "required") == 0, config()->queue_max);
}
