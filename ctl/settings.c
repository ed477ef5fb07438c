/* Where settings come from. */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <millrace/environment.h>

#include "ctl.h"

static struct environment file; /* lives as long as the command */

/* A setting of where settings are, which counts before any is loaded. */
static const char *
location(const char *name)
{
	const char *given = getenv(name);
	size_t i = 0;

	while (strcmp(config_settings[i].name, name) != 0)
		i++;
	return given != NULL && *given != '\0' ? given : config_settings[i].fallback;
}

bool
settings_read(void)
{
	const char *path = location("MILLRACE_ENV_FILE");
	char why[200];

	if (environment_read(path, &file, why, sizeof(why))) {
		environment_apply(&file);
		return true;
	}
	if (errno == ENOENT && getenv("MILLRACE_ENV_FILE") == NULL)
		return true;
	return ctl_fail("%s: %s.", path, why) == CTL_OK;
}

bool
settings_find_secrets(struct arena *a, unsigned roles)
{
	const char *dir = location("MILLRACE_CREDSTORE");

	if (getenv("CREDENTIALS_DIRECTORY") != NULL)
		return true;
	for (size_t i = 0; i < n_config_settings; i++) {
		const struct setting *s = &config_settings[i];
		const char *path, *name_file;

		if (s->kind != SETTING_SECRET || (s->roles & roles) == 0 || getenv(s->name) != NULL)
			continue;
		path = arena_printf(a, "%s/millrace.%s", dir, s->name).p;
		name_file = arena_printf(a, "%s_FILE", s->name).p;
		if (access(path, F_OK) == 0)
			(void)setenv(name_file, path, 0);
	}
	return access(dir, X_OK) == 0 || errno != EACCES;
}

static const struct setting *
setting_of(const char *name)
{
	for (size_t i = 0; i < n_config_settings; i++)
		if (strcmp(config_settings[i].name, name) == 0)
			return &config_settings[i];
	return NULL;
}

/* Is it named as a vendor's settings are, STRIPE_X, and none of them? MILLRACE_X is wrong anyway.
 */
static bool
is_nobodys(const char *name)
{
	size_t prefix = strcspn(name, "_") + 1;

	if (config_is_known(str_from(name)) || strncmp(name, "MILLRACE_", 9) == 0)
		return false;
	for (size_t i = 0; i < n_config_settings; i++)
		if (strncmp(config_settings[i].name, name, prefix) == 0)
			return true;
	return false;
}

/* The line before this one that has the same name and another value; 0: none. */
static size_t
other_line(size_t of)
{
	const struct environment_line *l = &file.lines[of];

	for (size_t i = of; i > 0; i--)
		if (strcmp(file.lines[i - 1].name, l->name) == 0)
			return strcmp(file.lines[i - 1].value, l->value) != 0
				   ? file.lines[i - 1].number
				   : 0;
	return 0;
}

void
settings_notes(struct arena *a, config_report *report, void *arg)
{
	const char *path = location("MILLRACE_ENV_FILE");

	for (size_t i = 0; i < file.n; i++) {
		const struct environment_line *l = &file.lines[i];
		const struct setting *s = setting_of(l->name);
		size_t other = other_line(i);

		if (other > 0)
			report(arg, false,
			    arena_printf(a, "%s is in lines %zu and %zu of %s; line %zu counts.",
				l->name, other, l->number, path, l->number)
				.p);
		if (is_nobodys(l->name))
			report(arg, false,
			    arena_printf(a,
				"%s, line %zu of %s, is not a setting of Millrace; `millracectl "
				"config` lists them.",
				l->name, l->number, path)
				.p);
		if (s != NULL && s->kind == SETTING_SECRET && *l->value != '\0')
			report(arg, false,
			    arena_printf(a,
				"%s is in %s, which every program is given; a secret is for a file "
				"of its own, %s/millrace.%s.",
				l->name, path, location("MILLRACE_CREDSTORE"), l->name)
				.p);
	}
}

const char *
settings_source(struct arena *a, const struct setting *s)
{
	const char *source = config_source(s);

	for (size_t i = 0; source != NULL && i < file.n; i++)
		if (file.lines[i].applied && strcmp(file.lines[i].name, s->name) == 0)
			return arena_printf(
			    a, "%s, line %zu", location("MILLRACE_ENV_FILE"), file.lines[i].number)
			    .p;
	return source;
}
