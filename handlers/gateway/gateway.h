/*
 * Calls of models: for clients of other vendors' APIs, in their formats (millrace/face.h), and as
 * they are, to a provider's endpoints. A handler
 * reserves what the call may cost and stores it as a run, in one statement; a runner makes it, and
 * streamd sends the answer. It answers its own route or returns the err of the error reply
 * (fcgi/request.h).
 */
#ifndef HANDLERS_GATEWAY_H
#define HANDLERS_GATEWAY_H

#include "fcgi/request.h"

#define BYTES_A_TOKEN 4 /* of what is asked, about */
#define TOKENS_AN_IMAGE 1500 /* about */
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
/* About how many tokens `payload` has, with the images that a long body has. */
int64_t call_tokens(const struct req *r, struct str payload);
/* Answers with the run of the first row (run, verdict, message), or with its verdict. */
enum err call_started(struct req *r);

/* call.c */
extern const struct field_table provider_call_body;
enum err provider_call(struct req *r);

/* models.c */
enum err model_list(struct req *r);
enum err model_show(struct req *r);

#endif
