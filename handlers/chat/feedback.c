/* What people think of an answer. */
#include "handlers/chat/chat.h"
#include "sql_api.h"

struct feedback_in {
	struct str rating;
	struct str comment;
	struct uuid session_id;
};

static const char *const ratings[] = { "up", "down", NULL };

static const struct field feedback_fields[] = {
	F_ENUM(struct feedback_in, rating, ratings, REQUIRED),
	F_STR(struct feedback_in, comment, 0, 2000, OPTIONAL),
	F_UUID(struct feedback_in, session_id, OPTIONAL),
};
FIELD_TABLE(feedback_body, struct feedback_in, feedback_fields, feedback_give);

static enum err
feedback_given(struct req *r)
{
	if (row_count(r) > 0)
		r->allowed_origin = row_text(r, 0, 1);
	return res_one(r);
}

/* POST /api/messages/{id}/feedback: by the answer's owner, or with the session's secret. */
enum err
feedback_give(struct req *r)
{
	struct feedback_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, feedback_body, &in)) != ERR_OK)
		return e;
	return sql_feedback_give(r, feedback_given, path_uuid(r, 0),
	    chat_visitor_hash(r->a, &in.session_id), req_param(r, "HTTP_ORIGIN"), in.rating,
	    in.comment);
}
