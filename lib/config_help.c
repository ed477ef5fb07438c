/* The settings as others get them: in words for --help, in the environment for a successor. */
#include <stdlib.h>
#include <string.h>

#include <millrace/config.h>

void
config_help_setting(FILE *out, const struct setting *s)
{
	fprintf(out, "  %-34s %s", s->name, s->help);
	if (s->fallback && *s->fallback)
		fprintf(out, " [%s%s%s]", s->fallback, *s->unit ? " " : "", s->unit);
	fputs(s->kind == SETTING_SECRET ? " (secret)\n" : "\n", out);
}

void
config_help(FILE *out, enum config_role role)
{
	fputs("Settings, from the environment:\n", out);
	for (size_t i = 0; i < n_config_settings; i++) {
		if (config_settings[i].roles & role)
			config_help_setting(out, &config_settings[i]);
	}
	fputs("A secret NAME may also be a file that NAME_FILE names, or a systemd credential of "
	      "that name.\n",
	    out);
}

void
config_reveal(void)
{
	for (size_t i = 0; i < n_config_settings; i++) {
		const struct setting *s = &config_settings[i];
		const char *value;

		if (s->kind != SETTING_SECRET)
			continue;
		memcpy(&value, (const char *)config() + s->offset, sizeof(value));
		if (value && *value)
			setenv(s->name, value, 1);
	}
}
