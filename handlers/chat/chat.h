/*
 * Chat: turns, runs, conversations and the files that assistants write. A handler answers its own
 * route or returns the err of the error reply (fcgi/request.h).
 */
#ifndef HANDLERS_CHAT_H
#define HANDLERS_CHAT_H

#include "fcgi/request.h"

/* chat.c */
extern const struct field_table chat_body;
enum err chat_post(struct req *r);

/* runs.c */
extern const struct field_table run_stream_query;
enum err run_show(struct req *r);
enum err run_stream(struct req *r);
enum err run_cancel(struct req *r);

/* Streams the run and the conversation that begin the first row, after g->after. */
enum err run_reply_stream(struct req *r, struct grant *g);
/* Looks the run up, and streams what follows Last-Event-ID, or `otherwise`. Uses r->state. */
enum err run_resume(struct req *r, struct uuid run, int64_t otherwise);

/* conversations.c */
extern const struct field_table conversation_body;
enum err conversation_list(struct req *r);
enum err conversation_show(struct req *r);
enum err conversation_rename(struct req *r);
enum err conversation_delete(struct req *r);

/* artifacts.c */
enum err artifact_show(struct req *r);

#endif
