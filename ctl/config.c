/* millracectl config: the table of settings (lib/config.c), for people and for scripts. */
#include "ctl.h"

#include <string.h>

#include <millrace/config.h>

static const struct {
	const char *name;
	unsigned role;
} programs[] = {
	{ "worker", CONFIG_WORKER },
	{ "streamd", CONFIG_STREAMD },
	{ "runner", CONFIG_RUNNER },
	{ "ctl", CONFIG_CTL },
};
#define N_PROGRAMS (sizeof(programs) / sizeof(*programs))

static bool
is_wanted(const struct ctl *c, const struct setting *s)
{
	if (c->options[OPT_SECRETS] && s->kind != SETTING_SECRET)
		return false;
	for (size_t i = 0; c->options[OPT_PROGRAM] && i < N_PROGRAMS; i++)
		if (strcmp(programs[i].name, c->options[OPT_PROGRAM]) == 0)
			return s->roles & programs[i].role;
	return true;
}

static void
put_member(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, str_from(value));
}

static void
put_setting(struct buf *b, const struct setting *s)
{
	static const char *const kinds[] = {
		[SETTING_TEXT] = "text",
		[SETTING_NUMBER] = "number",
		[SETTING_SECRET] = "secret",
	};
	const char *comma = "";

	buf_printf(b, "{\"name\":\"%s\",\"kind\":\"%s\",\"programs\":[", s->name, kinds[s->kind]);
	for (size_t i = 0; i < N_PROGRAMS; i++)
		if (s->roles & programs[i].role) {
			buf_printf(b, "%s\"%s\"", comma, programs[i].name);
			comma = ",";
		}
	buf_put(b, S("]"));
	if (s->kind == SETTING_SECRET)
		buf_printf(b, ",\"file\":\"%s_FILE\"", s->name);
	put_member(b, "default", s->fallback);
	buf_printf(b, ",\"min\":%lld,\"max\":%lld", (long long)s->min, (long long)s->max);
	put_member(b, "unit", *s->unit ? s->unit : NULL);
	put_member(b, "help", s->help);
	buf_put(b, S("}"));
}

int
config_run(struct ctl *c)
{
	struct buf b = { .a = c->a };
	bool json = c->options[OPT_JSON] != NULL;

	if (!json && !c->options[OPT_NAMES] && !c->options[OPT_SECRETS] &&
	    !c->options[OPT_PROGRAM]) {
		config_help(stdout);
		return CTL_OK;
	}
	for (size_t i = 0; i < n_config_settings; i++) {
		const struct setting *s = &config_settings[i];

		if (!is_wanted(c, s))
			continue;
		if (json) {
			buf_put(&b, b.n > 0 ? S(",\n ") : S("["));
			put_setting(&b, s);
		} else if (c->options[OPT_NAMES]) {
			buf_printf(&b, "%s\n", s->name);
		} else {
			config_help_setting(stdout, s);
		}
	}
	if (json)
		buf_put(&b, b.n > 0 ? S("]\n") : S("[]\n"));
	(void)fwrite(buf_str(&b).p, 1, b.n, stdout);
	return CTL_OK;
}
