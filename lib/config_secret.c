#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <millrace/arena.h>

#include "config_secret.h"

char *
config_secret_read(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[2048];

	if (!f)
		return NULL;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	return xstrdup(line);
}

void
config_secret_forget(const char *name)
{
	char file[256], *value = getenv(name);

	/* unsetenv alone would leave the value visible in /proc/PID/environ. */
	if (value)
		explicit_bzero(value, strlen(value));
	snprintf(file, sizeof(file), "%s_FILE", name);
	unsetenv(name);
	unsetenv(file);
}
