/*
 * Calls of models for clients of other vendors' APIs, in their formats (millrace/face.h). A handler
 * reserves what the call may cost and stores it as a run, in one statement; a runner makes it, and
 * streamd sends the answer. It answers its own route or returns the err of the error reply
 * (fcgi/request.h).
 */
#ifndef HANDLERS_GATEWAY_H
#define HANDLERS_GATEWAY_H

#include "fcgi/request.h"

/* faces.c */
extern const struct field_table face_chat_body, face_messages_body, face_count_body,
    face_responses_body, face_embeddings_body;
enum err face_chat(struct req *r);
enum err face_messages(struct req *r);
enum err face_count(struct req *r);
enum err face_responses(struct req *r);
enum err face_embeddings(struct req *r);

/* models.c */
enum err model_list(struct req *r);
enum err model_show(struct req *r);

#endif
