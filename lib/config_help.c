/* The settings in words, for --help. */
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
config_help(FILE *out)
{
	fputs("Settings, from the environment:\n", out);
	for (size_t i = 0; i < n_config_settings; i++)
		config_help_setting(out, &config_settings[i]);
	fputs("A secret NAME may also be a file that NAME_FILE names, or a systemd credential of "
	      "that name.\n",
	    out);
}
