/*
 * Chatbots: what they are, the documents that they answer from, and their preview. Their sessions
 * are chats (handlers/chat). A handler answers its own route or returns the err of the error reply
 * (fcgi/request.h).
 */
#ifndef HANDLERS_CHATBOTS_H
#define HANDLERS_CHATBOTS_H

#include "fcgi/request.h"

/* chatbots.c */
extern const struct field_table chatbot_create_body, chatbot_change_body, chatbot_documents_body;
enum err chatbot_create(struct req *r);
enum err chatbot_list(struct req *r);
enum err chatbot_show(struct req *r);
enum err chatbot_change(struct req *r);
enum err chatbot_delete(struct req *r);
enum err chatbot_documents_add(struct req *r);
enum err chatbot_document_remove(struct req *r);
enum err chatbot_widget_config(struct req *r);
enum err chatbot_feedback(struct req *r);

/* preview.c */
extern const struct field_table chatbot_preview_body;
enum err chatbot_preview(struct req *r);

/* settings.c: a chatbot's settings, as far as they were given. */
struct chatbot_settings {
	struct str model;
	struct str provider;
	struct str temperature; /* decimal digits */
	int64_t max_tokens;
	struct str system_prompt;
	struct str welcome_message;
	struct str_list allowed_origins;
	struct str theme; /* an object */
	int64_t top_k;
	struct str_list suggested_questions;
	struct str_list languages;
	int64_t messages_per_day;
	int64_t tokens_per_day;
};
#define CHATBOT_SETTINGS 13
extern const struct field chatbot_settings_fields[CHATBOT_SETTINGS];
/* F_OBJECT for them. */
#define F_CHATBOT_SETTINGS(type, m, req)                                                          \
	{                                                                                         \
		.name = #m, .kind = FIELD_OBJECT, .required = (req), .offset = offsetof(type, m), \
		.struct_len = sizeof(type), .fields = chatbot_settings_fields,                    \
		.n_fields = CHATBOT_SETTINGS, .object_len = sizeof(((type *)0)->m)                \
	}
/* Those that were given, as a JSON object; the arena's. */
struct str chatbot_settings_json(struct arena *a, const struct chatbot_settings *s);

/* A UUID, as each of documentIds is. */
bool chatbot_is_document(struct str id);
/* Ids of documents. */
#define F_DOCUMENTS(type, m, most, req) \
	F_EACH(type, m, most, req, chatbot_is_document, "must hold the ids of documents")

#endif
