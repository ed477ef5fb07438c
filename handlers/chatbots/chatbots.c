/* Chatbots: made, listed, read, changed, deleted; their documents; what their widget shows. */
#include "handlers/chatbots/chatbots.h"
#include "sql_api.h"

#define DOCUMENTS_MAX 1000

struct chatbot_in {
	struct str name;
	struct str description;
	struct chatbot_settings settings;
	struct str_list documents;
};

struct documents_in {
	struct str_list document_ids;
};

#define CHATBOT_FIELDS(named)                                          \
	F_SHOWN(struct chatbot_in, name, 200, named),                  \
	    F_STR(struct chatbot_in, description, 0, 2000, OPTIONAL),  \
	    F_CHATBOT_SETTINGS(struct chatbot_in, settings, OPTIONAL), \
	    F_DOCUMENTS(struct chatbot_in, documents, DOCUMENTS_MAX, OPTIONAL)

static const struct field create_fields[] = { CHATBOT_FIELDS(REQUIRED) };
FIELD_TABLE(chatbot_create_body, struct chatbot_in, create_fields, chatbot_create);

static const struct field change_fields[] = { CHATBOT_FIELDS(OPTIONAL) };
FIELD_TABLE(chatbot_change_body, struct chatbot_in, change_fields, chatbot_change);

static const struct field documents_fields[] = {
	F_DOCUMENTS(struct documents_in, document_ids, DOCUMENTS_MAX, REQUIRED),
};
FIELD_TABLE(chatbot_documents_body, struct documents_in, documents_fields, chatbot_documents_add);

/* POST /api/chatbots */
enum err
chatbot_create(struct req *r)
{
	struct chatbot_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, chatbot_create_body, &in)) != ERR_OK)
		return e;
	return sql_chatbot_create(r, res_created, in.name, in.description,
	    chatbot_settings_json(r->a, &in.settings), in.documents);
}

/* GET /api/chatbots */
enum err
chatbot_list(struct req *r)
{
	struct list_in in = { 0 };
	enum err e;

	if ((e = query_bind(r, list_query, &in)) != ERR_OK)
		return e;
	return sql_chatbot_list(r, res_list, list_rows(r, in.limit), in.before);
}

/* GET /api/chatbots/{id} */
enum err
chatbot_show(struct req *r)
{
	return sql_chatbot_show(r, res_one, path_uuid(r, 0));
}

/*
 * PUT /api/chatbots/{id}: any subset; settings are merged, null is the default again, so that the
 * database gets the body as it came, too.
 */
enum err
chatbot_change(struct req *r)
{
	struct chatbot_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, chatbot_change_body, &in)) != ERR_OK)
		return e;
	return sql_chatbot_change(r, res_one, path_uuid(r, 0), in.name, in.description,
	    chatbot_settings_json(r->a, &in.settings), in.documents, r->body);
}

/* DELETE /api/chatbots/{id}: with its sessions. */
enum err
chatbot_delete(struct req *r)
{
	return sql_chatbot_delete(r, res_empty, path_uuid(r, 0));
}

/* POST /api/chatbots/{id}/documents */
enum err
chatbot_documents_add(struct req *r)
{
	struct documents_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, chatbot_documents_body, &in)) != ERR_OK)
		return e;
	return sql_chatbot_documents_add(r, res_one, path_uuid(r, 0), in.document_ids);
}

/* DELETE /api/chatbots/{id}/documents/{document_id} */
enum err
chatbot_document_remove(struct req *r)
{
	return sql_chatbot_document_remove(r, res_one, path_uuid(r, 0), path_uuid(r, 1));
}

static enum err
widget_config_found(struct req *r)
{
	if (row_count(r) > 0)
		r->allowed_origin = row_text(r, 0, 1);
	return res_one(r);
}

/* GET /api/chatbots/widget-config/{id}: readable by pages of the origins that it allows. */
enum err
chatbot_widget_config(struct req *r)
{
	return sql_widget_config(
	    r, widget_config_found, path_uuid(r, 0), req_param(r, "HTTP_ORIGIN"));
}

static enum err
feedback_of(struct req *r)
{
	const struct list_in *in = r->state;

	if (row_count(r) == 0)
		return ERR_NOT_FOUND;
	return sql_feedback_list(r, res_list, path_uuid(r, 0), list_rows(r, in->limit), in->before);
}

/* GET /api/chatbots/{id}/feedback */
enum err
chatbot_feedback(struct req *r)
{
	struct list_in *in = arena_alloc(r->a, sizeof(*in));
	enum err e;

	*in = (struct list_in){ 0 };
	if ((e = query_bind(r, list_query, in)) != ERR_OK)
		return e;
	r->state = in;
	return sql_chatbot_show(r, feedback_of, path_uuid(r, 0));
}
