/* What a chatbot with given settings would answer. */
#include <millrace/config.h>

#include "handlers/chatbots/chatbots.h"
#include "sql_api.h"

#define MESSAGE_MAX 10000
#define TURN_MAX 100000 /* an answer may be long */
#define DOCUMENTS_MAX 200
#define HISTORY_MAX 1000

struct preview_in {
	struct chatbot_settings settings;
	struct str message;
	struct str_list documents;
	struct str chat_history;
};

struct turn_in {
	struct str role;
	struct str content;
};

static const char *const roles[] = { "user", "assistant", "system", NULL };

static const struct field turn_fields[] = {
	F_ENUM(struct turn_in, role, roles, REQUIRED),
	F_STR(struct turn_in, content, 0, TURN_MAX, REQUIRED),
};

static const struct field preview_fields[] = {
	F_CHATBOT_SETTINGS(struct preview_in, settings, OPTIONAL),
	F_SHOWN(struct preview_in, message, MESSAGE_MAX, REQUIRED),
	F_DOCUMENTS(struct preview_in, documents, DOCUMENTS_MAX, OPTIONAL),
	F_ITEMS(
	    struct preview_in, chat_history, struct turn_in, turn_fields, HISTORY_MAX, OPTIONAL),
};
FIELD_TABLE(chatbot_preview_body, struct preview_in, preview_fields, chatbot_preview);

static enum err
preview_started(struct req *r)
{
	return res_run_reply(r, 0);
}

/* POST /api/chatbots/preview: nothing of it is kept. */
enum err
chatbot_preview(struct req *r)
{
	struct preview_in in = { 0 };
	enum err e;

	if ((e = body_bind(r, chatbot_preview_body, &in)) != ERR_OK)
		return e;
	return sql_chatbot_preview(r, preview_started, chatbot_settings_json(r->a, &in.settings),
	    in.message, in.documents, in.chat_history, config()->queue_max,
	    config_credits_required());
}
