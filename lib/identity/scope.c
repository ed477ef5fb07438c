#include <stddef.h>
#include <string.h>

#include <millrace/scope.h>
#include <millrace/str.h>

const char *const scope_names[] = { "read", "write", "account", "analytics:read",
	"notifications:read", NULL };

static bool
is_known(struct str name)
{
	for (const char *const *s = scope_names; *s; s++)
		if (str_eq(name, str_from(*s)))
			return true;
	return false;
}

bool
scopes_are_known(const char *names)
{
	struct str rest = str_from(names), name;

	do {
		rest = str_cut(rest, ' ', &name);
		if (!is_known(name))
			return false;
	} while (rest.p);
	return true;
}
