/* Settings from a file, for a process that is about to start. */
#include "spawn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets one NAME=value line's variable, unless the environment has it. False where it is not such a
 * line. */
static bool
set_line(char *line)
{
	char *value = strchr(line, '=');
	size_t n;

	if (value == NULL || value == line)
		return false;
	*value++ = '\0';
	if (line[strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] !=
	    '\0')
		return false;
	n = strlen(value);
	if (n >= 2 && (*value == '"' || *value == '\'') && value[n - 1] == *value) {
		value[n - 1] = '\0';
		value++;
	}
	return setenv(line, value, 0) == 0;
}

bool
environment_load(const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0, number = 0;
	bool good = true;

	if (f == NULL) {
		log_line("error", "cannot read the settings in %s: %s", path, strerror(errno));
		return false;
	}
	while (good && getline(&line, &size, f) != -1) {
		number++;
		line[strcspn(line, "\r\n")] = '\0';
		if (*line == '\0' || *line == '#' || set_line(line))
			continue;
		/* not the line itself: it may hold a secret */
		log_line("error", "%s: line %zu is not NAME=value", path, number);
		good = false;
	}
	free(line);
	(void)fclose(f);
	return good;
}
