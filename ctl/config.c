/* millracectl config: the settings (lib/config.c), for people and for scripts, and their check. */
#include "ctl.h"

#include <stdlib.h>
#include <string.h>

#include <millrace/config.h>

#include "settings.h"

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

/* The programs that --program means, or all. */
static unsigned
wanted_roles(const struct ctl *c)
{
	unsigned all = 0;

	for (size_t i = 0; i < N_PROGRAMS; i++) {
		if (c->options[OPT_PROGRAM] != NULL &&
		    strcmp(programs[i].name, c->options[OPT_PROGRAM]) == 0)
			return programs[i].role;
		all |= programs[i].role;
	}
	return all;
}

static bool
is_wanted(const struct ctl *c, const struct setting *s)
{
	if (c->options[OPT_SECRETS] && s->kind != SETTING_SECRET)
		return false;
	return s->roles & wanted_roles(c);
}

/* What is in force; NULL for a secret, and for what nobody has given and has no default. */
static const char *
value_of(const struct setting *s)
{
	const char *given = getenv(s->name);

	if (s->kind == SETTING_SECRET)
		return NULL;
	return given != NULL && *given != '\0' ? given : s->fallback;
}

static void
put_member(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, str_from(value));
}

static void
put_setting(struct arena *a, struct buf *b, const struct setting *s)
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
	put_member(b, "value", value_of(s));
	put_member(b, "from", settings_source(a, s));
	buf_put(b, S("}"));
}

/* A line as --help has it, and where the setting is given a second one. */
static void
print_setting(struct arena *a, const struct setting *s)
{
	const char *source = settings_source(a, s), *value = value_of(s);

	config_help_setting(stdout, s);
	if (source != NULL)
		(void)printf("      = %s  (%s)\n", value != NULL ? value : "given", source);
}

static void
print_fault(void *arg, bool wrong, const char *sentence)
{
	(void)arg;
	(void)fprintf(stderr, "millracectl: %s%s\n", wrong ? "" : "note: ", sentence);
}

/* Reads everything and says what is wrong. True: nothing is. */
static bool
check(struct ctl *c)
{
	unsigned roles = wanted_roles(c);
	bool read = settings_read();

	if (!settings_find_secrets(c->a, roles)) {
		roles = CONFIG_NO_SECRETS;
		print_fault(NULL, false, "the secrets are not looked at: only root may.");
	}
	settings_notes(c->a, print_fault, NULL);
	return config_check(roles, print_fault, NULL) == 0 && read;
}

int
config_check_run(struct ctl *c)
{
	return check(c) ? CTL_OK : CTL_FAILED;
}

int
config_run(struct ctl *c)
{
	struct buf b = { .a = c->a };
	bool json = c->options[OPT_JSON] != NULL, names = c->options[OPT_NAMES] != NULL;

	if (!names)
		(void)check(c);
	if (!names && !json)
		(void)printf("Settings in force, from the environment, %s and %s. What is given "
			     "shows where;\nall else has its default, in brackets.\n",
		    config()->env_file, config()->credstore);
	for (size_t i = 0; i < n_config_settings; i++) {
		const struct setting *s = &config_settings[i];

		if (!is_wanted(c, s))
			continue;
		if (names) {
			buf_printf(&b, "%s\n", s->name);
		} else if (json) {
			buf_put(&b, b.n > 0 ? S(",\n ") : S("["));
			put_setting(c->a, &b, s);
		} else {
			print_setting(c->a, s);
		}
	}
	if (json && !names)
		buf_put(&b, b.n > 0 ? S("]\n") : S("[]\n"));
	(void)fwrite(buf_str(&b).p, 1, b.n, stdout);
	return CTL_OK;
}
