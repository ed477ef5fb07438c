/* What a chatbot with given settings would answer. */
#include <millrace/config.h>
#include <millrace/json.h>

#include "handlers/chatbots/chatbots.h"
#include "sql_api.h"

#define MESSAGE_MAX 10000
#define DOCUMENTS_MAX 200
#define HISTORY_MAX 100

struct preview_in {
	struct chatbot_settings settings;
	struct str message;
	struct str_list documents;
};

struct turn_in {
	struct str role;
	struct str content;
};

static const struct field preview_fields[] = {
	F_CHATBOT_SETTINGS(struct preview_in, settings, OPTIONAL),
	F_SHOWN(struct preview_in, message, MESSAGE_MAX, REQUIRED),
	F_DOCUMENTS(struct preview_in, documents, DOCUMENTS_MAX, OPTIONAL),
};
FIELD_TABLE(chatbot_preview_body, struct preview_in, preview_fields, chatbot_preview);

static const char *const roles[] = { "user", "assistant", "system", NULL };

static const struct field turn_fields[] = {
	F_ENUM(struct turn_in, role, roles, REQUIRED),
	F_STR(struct turn_in, content, 0, MESSAGE_MAX, REQUIRED),
};

/* chatHistory: an array of {role, content}, which field tables do not know. */
static enum err
read_history(struct req *r, struct str *out)
{
	struct buf b = { .a = r->a };
	json_object *body, *list;
	enum err e;

	if ((e = body_object(r, &body)) != ERR_OK)
		return e;
	list = json_at(body, json_has(body, "chatHistory") ? "chatHistory" : "chat_history");
	if (list && (!json_object_is_type(list, json_type_array) ||
			json_object_array_length(list) > HISTORY_MAX)) {
		problem_add(&r->problems, S("chatHistory"),
		    "must be an array of at most %d messages", HISTORY_MAX);
		return ERR_BAD_REQUEST;
	}
	buf_put(&b, S("["));
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json_object *turn = json_object_array_get_idx(list, i);
		struct turn_in in = { 0 };

		if (!json_object_is_type(turn, json_type_object)) {
			problem_add(&r->problems, S("chatHistory"), "must hold objects");
			return ERR_BAD_REQUEST;
		}
		if (!json_fields_at(r->a, turn_fields, 2, turn, &in,
			arena_printf(r->a, "chatHistory[%zu]", i), &r->problems))
			return ERR_BAD_REQUEST;
		buf_put(&b, i ? S(",{\"role\":") : S("{\"role\":"));
		buf_json(&b, in.role);
		buf_put(&b, S(",\"content\":"));
		buf_json(&b, in.content);
		buf_put(&b, S("}"));
	}
	buf_put(&b, S("]"));
	*out = buf_str(&b);
	return ERR_OK;
}

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
	struct str history;
	enum err e;

	if ((e = body_bind(r, chatbot_preview_body, &in)) != ERR_OK ||
	    (e = read_history(r, &history)) != ERR_OK)
		return e;
	return sql_chatbot_preview(r, preview_started, chatbot_settings_json(r->a, &in.settings),
	    in.message, in.documents, history, config()->queue_max, config_credits_required());
}
