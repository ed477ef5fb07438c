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

static enum err
start(struct req *r, const struct chat_in *in)
{
	return sql_chat_start(r, chat_started, in->message, in->conversation_id,
	    config()->queue_max, config_credits_required());
}

/* A request that says what it has seen of the reply; the offset first, for run_resumed. */
struct repeat {
	int64_t after;
	struct chat_in in;
};

static enum err
repeated(struct req *r)
{
	const struct repeat *again = r->state;

	return row_count(r) > 0 ? run_resumed(r) : start(r, &again->in);
}

/*
 * POST /api/chat: a message in a conversation, or in a new one; the reply comes as events. Clients
 * that repeat the request where its reply broke off (fetch-event-source does by itself) say by
 * Last-Event-ID what they have seen; without an Idempotency-Key, too, they are not answered, and
 * charged, once more.
 */
enum err
chat_post(struct req *r)
{
	struct repeat *again = arena_alloc(r->a, sizeof(*again));
	enum err e;

	*again = (struct repeat){ 0 };
	if ((e = body_bind(r, chat_body, &again->in)) != ERR_OK)
		return e;
	if (r->idempotency_key.n > 0 || !run_has_seen(r, &again->after) || again->after == 0)
		return start(r, &again->in);
	r->state = again;
	return sql_run_repeated(
	    r, repeated, again->in.message, again->in.conversation_id, again->after);
}
