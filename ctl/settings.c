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
