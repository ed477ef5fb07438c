/* Sessions: conversations with a chatbot, by whoever has it. */
#include <millrace/config.h>

#include "handlers/chat/chat.h"
#include "sql_api.h"

#define CONTENT_MAX 100000

struct session_in {
	struct uuid chatbot_id;
};

struct message_in {
	struct str content;
};

struct sessions_in {
	int64_t limit;
	struct uuid before;
	struct uuid chatbot_id;
};

static const struct field session_fields[] = {
	F_UUID(struct session_in, chatbot_id, REQUIRED),
};
FIELD_TABLE(session_create_body, struct session_in, session_fields, session_create);

static const struct field message_fields[] = {
	F_SHOWN(struct message_in, content, CONTENT_MAX, REQUIRED),
};
FIELD_TABLE(session_send_message_body, struct message_in, message_fields, session_send_message);

static const struct field list_fields[] = {
	F_PAGE(struct sessions_in),
	F_UUID(struct sessions_in, chatbot_id, OPTIONAL),
};
FIELD_TABLE(session_list_query, struct sessions_in, list_fields, session_list);

/* POST /api/chat/sessions */
enum err
session_create(struct req *r)
{
	struct session_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, session_create_body, &in)) != ERR_OK)
		return e;
	return sql_session_create(r, res_created, in.chatbot_id);
}

/* GET /api/chat/sessions: the caller's, and those of visitors of the caller's chatbots. */
enum err
session_list(struct req *r)
{
	struct sessions_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, session_list_query, &in)) != ERR_OK)
		return e;
	return sql_session_list(r, res_list, list_rows(r, in.limit), in.before, in.chatbot_id);
}

/* GET /api/chat/sessions/{id}: with its newest messages; ?limit= and ?before= page through them. */
enum err
session_show(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_session_show(r, res_page, path_uuid(r, 0),
	    list_rows(r, in.limit > 0 ? in.limit : PAGE_ROWS_MAX), in.before);
}

/* GET /api/chat/sessions/{id}/messages: the newest, oldest of them first. */
enum err
session_messages(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_session_messages(r, res_page, path_uuid(r, 0),
	    list_rows(r, in.limit > 0 ? in.limit : PAGE_ROWS_MAX), in.before);
}

/* DELETE /api/chat/sessions/{id} */
enum err
session_delete(struct req *r)
{
	return sql_session_delete(r, res_empty, path_uuid(r, 0));
}

bool
chat_wants_events(const struct req *r)
{
	struct str accept = req_param(r, "HTTP_ACCEPT");

	return accept.p && memmem(accept.p, accept.n, "text/event-stream", 17) != NULL;
}

static enum err
session_answer(struct req *r)
{
	return res_run_reply(r, 0);
}

/* POST /api/chat/sessions/{id}/messages: the answer as a message, or as events to who asks so. */
enum err
session_send_message(struct req *r)
{
	bool streams = chat_wants_events(r);
	struct message_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, session_send_message_body, &in)) != ERR_OK)
		return e;
	return sql_session_send_message(r, streams ? chat_started : session_answer, path_uuid(r, 0),
	    in.content, streams, config()->queue_max, config_credits_required());
}
