#include <millrace/config.h>

#include "fcgi/upload.h"
#include "handlers/gateway/gateway.h"
#include "sql_api.h"

#define NAME_MAX_LEN 800 /* bytes of a user's or a project's name */
#define MODEL_MAX 300
#define DIMENSIONS_MAX 65536

struct chat_in {
	struct str model;
	struct str messages;
	bool stream;
	int64_t max_tokens, max_completion_tokens;
};

static const struct field chat_fields[] = {
	F_STR(struct chat_in, model, 1, MODEL_MAX, REQUIRED),
	F_ARRAY(struct chat_in, messages, MIB, REQUIRED),
	F_BOOL(struct chat_in, stream, OPTIONAL),
	F_INT(struct chat_in, max_tokens, 1, TOKENS_MAX, OPTIONAL),
	F_INT(struct chat_in, max_completion_tokens, 1, TOKENS_MAX, OPTIONAL),
};
FIELD_TABLE(face_chat_body, struct chat_in, chat_fields, face_chat);

struct messages_in {
	struct str model;
	struct str messages;
	bool stream;
	int64_t max_tokens;
};

static const struct field messages_fields[] = {
	F_STR(struct messages_in, model, 1, MODEL_MAX, REQUIRED),
	F_ARRAY(struct messages_in, messages, MIB, REQUIRED),
	F_BOOL(struct messages_in, stream, OPTIONAL),
	F_INT(struct messages_in, max_tokens, 1, TOKENS_MAX, REQUIRED),
};
FIELD_TABLE(face_messages_body, struct messages_in, messages_fields, face_messages);

struct count_in {
	struct str model;
	struct str messages;
};

static const struct field count_fields[] = {
	F_STR(struct count_in, model, 1, MODEL_MAX, REQUIRED),
	F_ARRAY(struct count_in, messages, MIB, REQUIRED),
};
FIELD_TABLE(face_count_body, struct count_in, count_fields, face_count);

/* `input` is a text or a list, which no field is: the runner reads it. */
struct responses_in {
	struct str model;
	bool stream;
	int64_t max_output_tokens;
};

static const struct field responses_fields[] = {
	F_STR(struct responses_in, model, 1, MODEL_MAX, REQUIRED),
	F_BOOL(struct responses_in, stream, OPTIONAL),
	F_INT(struct responses_in, max_output_tokens, 1, TOKENS_MAX, OPTIONAL),
};
FIELD_TABLE(face_responses_body, struct responses_in, responses_fields, face_responses);

/* `input` likewise. */
struct embeddings_in {
	struct str model;
	int64_t dimensions;
	struct str encoding_format;
};

static const char *const encoding_formats[] = { "float", "base64", NULL };
static const struct field embeddings_fields[] = {
	F_STR(struct embeddings_in, model, 1, MODEL_MAX, REQUIRED),
	F_INT(struct embeddings_in, dimensions, 1, DIMENSIONS_MAX, OPTIONAL),
	F_ENUM(struct embeddings_in, encoding_format, encoding_formats, OPTIONAL),
};
FIELD_TABLE(face_embeddings_body, struct embeddings_in, embeddings_fields, face_embeddings);

/* What the formats have in common. */
struct ask {
	const char *face; /* as the runner knows it (runner/jobs/call.h) */
	const char *operation; /* in the sense of policies */
	struct str model;
	bool stream;
	int64_t max_tokens; /* 0: not given */
	bool no_tokens; /* the answer has none */
};

enum err
call_started(struct req *r)
{
	struct str verdict = row_text(r, 0, 1);

	if (!verdict.p)
		return res_call(r, row_text(r, 0, 0));
	r->error_text = row_text(r, 0, 2);
	(void)str_int(row_text(r, 0, 3), &r->refused_s);
	return err_from_code(arena_cstr(r->a, verdict));
}

static enum err
face_started(struct req *r)
{
	if (row_count(r) == 0)
		return refuse(r, ERR_NOT_FOUND,
		    "There is no such model here; GET /v1/models has those there are.");
	return call_started(r);
}

static enum err
read_name(struct req *r, struct str given, const char *param, struct str *out)
{
	*out = given.n > 0 ? given : req_param(r, param);
	if (out->n <= NAME_MAX_LEN && str_utf8(*out))
		return ERR_OK;
	return refuse(r, ERR_BAD_REQUEST, "X-User-Id and X-Project-Id have at most 800 bytes.");
}

enum err
call_whose(
    struct req *r, struct str user_id, struct str project_id, struct str *user, struct str *project)
{
	enum err e;

	if ((e = read_name(r, user_id, "HTTP_X_USER_ID", user)) != ERR_OK ||
	    (e = read_name(r, project_id, "HTTP_X_PROJECT_ID", project)) != ERR_OK)
		return e;
	if (user->n == 0)
		*user = (struct str){ NULL, 0 };
	if (project->n == 0)
		*project = S("default");
	return ERR_OK;
}

void
call_payload(struct req *r, struct buf *input, struct str payload)
{
	if (r->upload) {
		buf_printf(input, ",\"blob\":\"%s\"", r->upload->blob.text);
		return;
	}
	buf_put(input, S(",\"payload\":"));
	buf_json(input, payload);
}

static enum err
face_start(struct req *r, const struct ask *q)
{
	static const struct str none;
	int64_t output_tokens = q->max_tokens > 0 || q->no_tokens ? q->max_tokens : OUTPUT_TOKENS;
	struct buf input = { .a = r->a };
	struct call_size size;
	json_object *body;
	struct str user, project;
	enum err e;

	/* The vendors' bodies have no place for it. */
	if ((e = call_whose(r, none, none, &user, &project)) != ERR_OK ||
	    (e = body_object(r, &body)) != ERR_OK)
		return e;
	size = call_size(r->a, body, r->body.n, q->model);
	buf_printf(&input, "{\"face\":\"%s\",\"stream\":%s", q->face, q->stream ? "true" : "false");
	call_expect(&input, &size, output_tokens);
	call_payload(r, &input, r->body);
	buf_put(&input, S("}"));
	return sql_face_start(r, face_started, user, project, r->request_id, q->model,
	    str_from(q->operation), buf_str(&input), size.most, output_tokens,
	    strcmp(config()->credits, "required") == 0, config()->queue_max);
}

/* POST /v1/chat/completions */
enum err
face_chat(struct req *r)
{
	struct chat_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, face_chat_body, &in)) != ERR_OK)
		return e;
	return face_start(
	    r, &(struct ask){ .face = "chat",
		   .operation = "chat/completions",
		   .model = in.model,
		   .stream = in.stream,
		   .max_tokens =
		       in.max_completion_tokens > 0 ? in.max_completion_tokens : in.max_tokens });
}

/* POST /v1/messages */
enum err
face_messages(struct req *r)
{
	struct messages_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, face_messages_body, &in)) != ERR_OK)
		return e;
	return face_start(r, &(struct ask){ .face = "messages",
				 .operation = "messages",
				 .model = in.model,
				 .stream = in.stream,
				 .max_tokens = in.max_tokens });
}

/* POST /v1/messages/count_tokens: an estimate, by which a call goes whose provider has not counted.
 */
enum err
face_count(struct req *r)
{
	struct count_in in = { 0 };
	json_object *body;
	enum err e;

	if ((e = body_bind(r, face_count_body, &in)) != ERR_OK ||
	    (e = body_object(r, &body)) != ERR_OK)
		return e;
	return sql_face_count(
	    r, res_one, in.model, call_size(r->a, body, r->body.n, in.model).likely);
}

/* POST /v1/responses */
enum err
face_responses(struct req *r)
{
	struct responses_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, face_responses_body, &in)) != ERR_OK)
		return e;
	return face_start(r, &(struct ask){ .face = "responses",
				 .operation = "responses",
				 .model = in.model,
				 .stream = in.stream,
				 .max_tokens = in.max_output_tokens });
}

/* POST /v1/embeddings */
enum err
face_embeddings(struct req *r)
{
	struct embeddings_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, face_embeddings_body, &in)) != ERR_OK)
		return e;
	return face_start(r, &(struct ask){ .face = "embeddings",
				 .operation = "embeddings",
				 .model = in.model,
				 .no_tokens = true });
}
