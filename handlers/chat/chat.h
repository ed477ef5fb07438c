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
/* The second half of what begins a run: streams it, or goes on with a repeated request's. */
enum err chat_started(struct req *r);

/* runs.c */
extern const struct field_table run_stream_query;
enum err run_show(struct req *r);
enum err run_stream(struct req *r);
enum err run_cancel(struct req *r);

/* Streams the run and the conversation that begin the first row, after g->after. */
enum err run_reply_stream(struct req *r, struct grant *g);
/* Reads ?after= and ?lastEventId=, the route's query being run_stream_query. */
MUST_CHECK enum err run_stream_offset(struct req *r, int64_t *after);
/*
 * The second half of what looks a run up to resume it (run_resume's columns), after
 * run_resume_after, which sets r->state to Last-Event-ID, or `otherwise`.
 */
enum err run_resumed(struct req *r);
void run_resume_after(struct req *r, int64_t otherwise);
/* Reads Last-Event-ID; false, and *after as it was, where there is none that is a number. */
bool run_has_seen(struct req *r, int64_t *after);
/* Looks the run up, and streams what follows Last-Event-ID, or `otherwise`. Uses r->state. */
enum err run_resume(struct req *r, struct uuid run, int64_t otherwise);

/* conversations.c */
extern const struct field_table conversation_body;
enum err conversation_list(struct req *r);
enum err conversation_show(struct req *r);
enum err conversation_rename(struct req *r);
enum err conversation_delete(struct req *r);

/* sessions.c */
extern const struct field_table session_create_body, session_send_message_body, session_list_query;
enum err session_create(struct req *r);
enum err session_list(struct req *r);
enum err session_show(struct req *r);
enum err session_messages(struct req *r);
enum err session_delete(struct req *r);
enum err session_send_message(struct req *r);
/* Does the client ask for the answer as events, not as one reply? (Accept, RFC 9110) */
bool chat_wants_events(const struct req *r);

/* widget.c */
extern const struct field_table widget_session_body, widget_send_body;
enum err widget_session_create(struct req *r);
enum err widget_send(struct req *r);
enum err widget_history(struct req *r);
enum err widget_stream(struct req *r);
/* What the database knows a visitor's session by; the arena's, absent where the id is. */
struct str chat_visitor_hash(struct arena *a, const struct uuid *session);

/* feedback.c */
extern const struct field_table feedback_body;
enum err feedback_give(struct req *r);

/* artifacts.c */
extern const struct field_table artifact_list_query;
enum err artifact_show(struct req *r);
enum err artifact_list(struct req *r);
enum err artifact_versions(struct req *r);

#endif
