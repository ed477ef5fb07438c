/* Conversations: list, read, rename, delete. POST /api/chat makes them. */
#include "handlers/chat/chat.h"
#include "sql_api.h"

struct conversation_in {
	struct str title;
};

static const struct field conversation_fields[] = {
	F_SHOWN(struct conversation_in, title, 200, REQUIRED),
};
FIELD_TABLE(conversation_body, struct conversation_in, conversation_fields, conversation_rename);

/* GET /api/conversations */
enum err
conversation_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_conversation_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* GET /api/conversations/{id}: with its newest messages; ?limit= and ?before= page through them. */
enum err
conversation_show(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_conversation_show(r, res_page, path_uuid(r, 0),
	    list_rows(r, in.limit > 0 ? in.limit : PAGE_ROWS_MAX), in.before);
}

/* PATCH /api/conversations/{id} */
enum err
conversation_rename(struct req *r)
{
	struct conversation_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, conversation_body, &in)) != ERR_OK)
		return e;
	return sql_conversation_rename(r, res_one, path_uuid(r, 0), in.title);
}

/* DELETE /api/conversations/{id}: with all that is its; publishes conversation_deleted. */
enum err
conversation_delete(struct req *r)
{
	return sql_conversation_delete(r, res_empty, path_uuid(r, 0));
}
