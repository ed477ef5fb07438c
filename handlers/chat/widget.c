/*
 * What a visitor of a site does in its chat. A session's id is 122 random bits and its secret: it
 * is all that a visitor shows, and the database has its SHA-256 alone. Each first asks whether the
 * page's origin may, so that a refusal after that can be read by the page.
 */
#include <millrace/config.h>
#include <millrace/crypto.h>

#include "handlers/chat/chat.h"
#include "sql_api.h"

#define MESSAGE_MAX 4000

struct widget_session_in {
	struct uuid chatbot_id; /* as in the path, which counts */
};

struct widget_send_in {
	struct uuid session_id;
	struct str message;
};

/* Between the two statements of a request. */
struct visit {
	struct uuid chatbot, session;
	struct str message;
	struct list_in page;
	int64_t after;
};

static const struct field session_fields[] = {
	F_UUID(struct widget_session_in, chatbot_id, OPTIONAL),
};
FIELD_TABLE(widget_session_body, struct widget_session_in, session_fields, widget_session_create);

static const struct field message_fields[] = {
	F_UUID(struct widget_send_in, session_id, REQUIRED),
	F_SHOWN(struct widget_send_in, message, MESSAGE_MAX, REQUIRED),
};
FIELD_TABLE(widget_send_body, struct widget_send_in, message_fields, widget_send);

struct str
chat_visitor_hash(struct arena *a, const struct uuid *session)
{
	return session->text[0] ? sha256(a, uuid_str(session)) : (struct str){ NULL, 0 };
}

/* Whom the address's limits count; an address itself is not stored. */
static struct str
address_mac(struct req *r)
{
	return mac(r->a, "widget address", r->subject);
}

static struct str
visitor_hash(struct req *r)
{
	const struct visit *v = r->state;

	return chat_visitor_hash(r->a, &v->session);
}

/* Remembers what is wanted, and asks whether the page's origin may. */
static enum err
admit(struct req *r, const struct visit *wanted, answer_fn *then)
{
	struct visit *v = arena_alloc(r->a, sizeof(*v));

	*v = *wanted;
	v->chatbot = path_uuid(r, 0);
	r->state = v;
	return sql_widget_admit(
	    r, then, v->chatbot, req_param(r, "HTTP_ORIGIN"), r->route->method == M_GET);
}

static void
allow_origin(struct req *r)
{
	struct str origin = row_text(r, 0, 0);

	r->allowed_origin = origin.p ? arena_str(r->a, origin) : origin;
}

static enum err
session_created(struct req *r)
{
	const struct visit *v = r->state;
	struct buf b = { .a = r->a };

	if (row_count(r) == 0)
		return ERR_NOT_FOUND;
	buf_printf(&b, "{\"sessionId\":\"%s\",\"welcomeMessage\":", v->session.text);
	buf_json(&b, row_text(r, 0, 0));
	buf_put(&b, S("}"));
	return reply_json(r, 200, buf_str(&b));
}

static enum err
session_admitted(struct req *r)
{
	const struct config *c = config();
	struct visit *v = r->state;

	allow_origin(r);
	v->session = random_uuid();
	return sql_widget_session_create(r, session_created, v->chatbot, visitor_hash(r),
	    address_mac(r), c->widget_address_minute, c->widget_address_day,
	    c->widget_chatbot_minute);
}

/* POST /api/chat/widget/{chatbot_id}/session */
enum err
widget_session_create(struct req *r)
{
	struct widget_session_in in = { 0 };
	enum err e;

	if (r->body.n > 0 && (e = body_bind(r, widget_session_body, &in)) != ERR_OK)
		return e;
	return admit(r, &(struct visit){ 0 }, session_admitted);
}

static enum err
resume(struct req *r)
{
	const struct visit *v = r->state;
	struct uuid chatbot = v->chatbot;
	struct str hash = visitor_hash(r);

	run_resume_after(r, v->after);
	return sql_widget_resume(r, run_resumed, chatbot, hash);
}

static enum err
said(struct req *r)
{
	if (!chat_wants_events(r))
		return res_run_reply(r, 0);
	if (!r->replayed)
		return run_reply_stream(r, &(struct grant){ 0 });
	/* It may be anywhere by now; the session's newest is what is under way. */
	r->replayed = NULL;
	return resume(r);
}

static enum err
send_admitted(struct req *r)
{
	const struct config *c = config();
	const struct visit *v = r->state;

	allow_origin(r);
	return sql_widget_send(r, said, v->chatbot, visitor_hash(r), v->message,
	    chat_wants_events(r), address_mac(r), c->widget_address_minute, c->widget_address_day,
	    c->widget_session_minute, c->widget_session_day, c->widget_chatbot_minute, c->queue_max,
	    config_credits_required());
}

/* POST /api/chat/widget/{chatbot_id}/message: {response, sources}, or events to who asks so. */
enum err
widget_send(struct req *r)
{
	struct widget_send_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, widget_send_body, &in)) != ERR_OK)
		return e;
	return admit(
	    r, &(struct visit){ .session = in.session_id, .message = in.message }, send_admitted);
}

static enum err
history_admitted(struct req *r)
{
	const struct visit *v = r->state;

	allow_origin(r);
	return sql_widget_history(r, res_page, v->chatbot, visitor_hash(r),
	    list_rows(r, v->page.limit > 0 ? v->page.limit : PAGE_ROWS_MAX), v->page.before);
}

/* GET /api/chat/widget/{chatbot_id}/session/{session_id}: what was said so far. */
enum err
widget_history(struct req *r)
{
	struct visit v = { .session = path_uuid(r, 1) };
	enum err e;

	if ((e = query_bind(r, list_query, &v.page)) != ERR_OK)
		return e;
	return admit(r, &v, history_admitted);
}

static enum err
stream_admitted(struct req *r)
{
	allow_origin(r);
	return resume(r);
}

/* GET /api/chat/widget/{chatbot_id}/session/{session_id}/stream: as run_stream. */
enum err
widget_stream(struct req *r)
{
	struct visit v = { .session = path_uuid(r, 1) };
	enum err e;

	if ((e = run_stream_offset(r, &v.after)) != ERR_OK)
		return e;
	return admit(r, &v, stream_admitted);
}
