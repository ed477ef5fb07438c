/*
 * Calls of models: for clients of other vendors' APIs, in their formats (millrace/face.h), and as
 * they are, to a provider's endpoints. A handler
 * reserves what the call may cost and stores it as a run, in one statement; a runner makes it, and
 * streamd sends the answer. It answers its own route or returns the err of the error reply
 * (fcgi/request.h).
 */
#ifndef HANDLERS_GATEWAY_H
#define HANDLERS_GATEWAY_H

#include <json-c/json.h>

#include "fcgi/request.h"

#define OUTPUT_TOKENS 2000 /* reserved for an answer that the client has not bounded */
#define TOKENS_MAX 10000000 /* of one answer */

/* faces.c */
extern const struct field_table face_chat_body, face_messages_body, face_count_body,
    face_responses_body, face_embeddings_body;
enum err face_chat(struct req *r);
enum err face_messages(struct req *r);
enum err face_count(struct req *r);
enum err face_responses(struct req *r);
enum err face_embeddings(struct req *r);
/*
 * Whom a call is for, and in which project: what the body says, else X-User-Id and X-Project-Id,
 * else the caller (*user is absent) and `default`.
 */
MUST_CHECK enum err call_whose(struct req *r, struct str user_id, struct str project_id,
    struct str *user, struct str *project);
/*
 * Appends what the runner reads the payload from: `payload`, or the blob that a long body is in.
 */
void call_payload(struct req *r, struct buf *input, struct str payload);
/* Answers with the run of the first row (run, verdict, message), or with its verdict. */
enum err call_started(struct req *r);

/* estimate.c */
/* How many tokens the input of a call has. */
struct call_size {
	int64_t likely, most;
	struct str earlier; /* JSON: ids of items of earlier answers, between commas */
};
/* Of a payload of `len` bytes, or of what skeleton.h has left of it; by the model that is asked. */
struct call_size call_size(struct arena *a, json_object *payload, size_t len, struct str model);
/* Appends to the run's input what is expected of it (SQL: call_lost, call_may). */
void call_expect(struct buf *input, const struct call_size *size, int64_t output_tokens);

/* call.c */
extern const struct field_table provider_call_body;
enum err provider_call(struct req *r);

/* models.c */
enum err model_list(struct req *r);
enum err model_show(struct req *r);

#endif
