/* A chat turn: one statement stores it with its run and job, then streamd streams the run. */
#include <millrace/config.h>

#include "handlers/chat/chat.h"
#include "sql_api.h"

#define MESSAGE_MAX 100000

struct chat_in {
	struct str message;
	struct uuid conversation_id;
};

static const struct field chat_fields[] = {
	F_STR(struct chat_in, message, 1, MESSAGE_MAX, REQUIRED),
	F_UUID(struct chat_in, conversation_id, OPTIONAL),
};
FIELD_TABLE(chat_body, struct chat_in, chat_fields, chat_post);

static enum err
chat_started(struct req *r)
{
	struct grant g = { .topic = arena_printf(r->a, "run:%.*s", S_ARG(row_text(r, 0, 0))) };

	g.headers[g.n_headers++] = (struct grant_header){ S("X-Run-Id"), row_text(r, 0, 0) };
	g.headers[g.n_headers++] =
	    (struct grant_header){ S("X-Conversation-Id"), row_text(r, 0, 1) };
	return res_stream(r, &g);
}

/* POST /api/chat: a message in a conversation, or in a new one; the reply comes as events. */
enum err
chat_post(struct req *r)
{
	struct chat_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, chat_body, &in)) != ERR_OK)
		return e;
	return sql_chat_start(r, chat_started, in.message, in.conversation_id, config()->queue_max);
}
