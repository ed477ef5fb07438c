/* A chatbot's settings: what they may hold, and as JSON. */
#include <ctype.h>

#include "handlers/chatbots/chatbots.h"

#define PROMPT_MAX 20000
#define THEME_MAX 8192 /* bytes */

/* Of the runner's providers (runner/models/provider.h). */
static const char *const providers[] = { "local", "openai", "anthropic", "google", NULL };

static bool
is_language(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-')
			return false;
	return s.n >= 2 && s.n <= 35 && isalpha((unsigned char)s.p[0]);
}

const struct field chatbot_settings_fields[CHATBOT_SETTINGS] = {
	F_STR(struct chatbot_settings, model, 1, 200, OPTIONAL),
	F_ENUM(struct chatbot_settings, provider, providers, OPTIONAL),
	F_DECIMAL(struct chatbot_settings, temperature, 0, 2, OPTIONAL),
	F_INT(struct chatbot_settings, max_tokens, 1, 1000000, OPTIONAL),
	F_STR(struct chatbot_settings, system_prompt, 0, PROMPT_MAX, OPTIONAL),
	F_STR(struct chatbot_settings, welcome_message, 0, 2000, OPTIONAL),
	F_ORIGINS(struct chatbot_settings, allowed_origins, 100, OPTIONAL),
	F_JSON(struct chatbot_settings, theme, THEME_MAX, OPTIONAL),
	F_INT(struct chatbot_settings, top_k, 1, 20, OPTIONAL),
	F_EACH(struct chatbot_settings, suggested_questions, 20, OPTIONAL, field_is_shown,
	    "must hold questions, none of them blank"),
	F_EACH(struct chatbot_settings, languages, 50, OPTIONAL, is_language,
	    "must hold language tags, such as en or pt-BR"),
	F_INT(struct chatbot_settings, messages_per_day, 1, 1000000000, OPTIONAL),
	F_INT(struct chatbot_settings, tokens_per_day, 1, 1000000000000, OPTIONAL),
};

static void
put_name(struct buf *b, const struct field *f)
{
	buf_put(b, b->n > 1 ? S(",") : S(""));
	buf_json(b, field_name(b->a, f, true));
	buf_put(b, S(":"));
}

static void
put_list(struct buf *b, struct str_list list)
{
	for (size_t i = 0; i < list.n; i++) {
		buf_put(b, i ? S(",") : S("["));
		buf_json(b, list.p[i]);
	}
	buf_put(b, list.n ? S("]") : S("[]"));
}

static void
put_setting(struct buf *b, const struct field *f, const struct chatbot_settings *s)
{
	const char *at = (const char *)s + f->offset;
	const struct str *text = (const void *)at;
	const struct str_list *list = (const void *)at;
	const int64_t *number = (const void *)at;

	if (f->kind == FIELD_INT) {
		if (*number == 0)
			return;
		put_name(b, f);
		buf_printf(b, "%lld", (long long)*number);
	} else if (f->kind == FIELD_STRS) {
		if (!list->p)
			return;
		put_name(b, f);
		put_list(b, *list);
	} else if (text->p) {
		put_name(b, f);
		if (f->kind == FIELD_JSON || f->kind == FIELD_DECIMAL)
			buf_put(b, *text);
		else
			buf_json(b, *text);
	}
}

struct str
chatbot_settings_json(struct arena *a, const struct chatbot_settings *s)
{
	struct buf b = { .a = a };

	buf_put(&b, S("{"));
	for (size_t i = 0; i < CHATBOT_SETTINGS; i++)
		put_setting(&b, &chatbot_settings_fields[i], s);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

bool
chatbot_is_document(struct str id)
{
	struct uuid u;

	return uuid_parse(id, &u);
}
