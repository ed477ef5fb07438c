#include <stddef.h>
#include <string.h>

#include <millrace/scope.h>
#include <millrace/str.h>

const char *const scope_names[] = { "read", "write", "account", "analytics:read",
	"notifications:read", NULL };

bool
scopes_are_known(const char *names)
{
	struct str rest = str_from(names), name;

	do {
		rest = str_cut(rest, ' ', &name);
		if (!str_is_in(name, scope_names))
			return false;
	} while (rest.p);
	return true;
}
