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
	F_SHOWN(struct chat_in, message, MESSAGE_MAX, REQUIRED),
	F_UUID(struct chat_in, conversation_id, OPTIONAL),
};
FIELD_TABLE(chat_body, struct chat_in, chat_fields, chat_post);

enum err
chat_started(struct req *r)
{
	struct grant g = { 0 };
	struct uuid run;

	if (!r->replayed)
		return run_reply_stream(r, &g);
	/* The run may be anywhere by now, and its client may have seen a part. */
	run = row_uuid(r, 0, 0);
	r->replayed = NULL;
	return run_resume(r, run, 0);
}

/* POST /api/chat: a message in a conversation, or in a new one; the reply comes as events. */
enum err
chat_post(struct req *r)
{
	struct chat_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, chat_body, &in)) != ERR_OK)
		return e;
	return sql_chat_start(r, chat_started, in.message, in.conversation_id, config()->queue_max,
	    config_credits_required());
}
