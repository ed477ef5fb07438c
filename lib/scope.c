#include <stddef.h>
#include <string.h>

#include <millrace/scope.h>

const char *const scope_names[] = { "read", "write", "analytics:read", NULL };

bool
scope_is_known(const char *name)
{
	for (const char *const *s = scope_names; *s; s++)
		if (strcmp(*s, name) == 0)
			return true;
	return false;
}
