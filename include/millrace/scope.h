/* What an API key may be allowed to do: the one list of scopes. A route that names another stops the boot. */
#ifndef MILLRACE_SCOPE_H
#define MILLRACE_SCOPE_H

#include <stdbool.h>

/* NULL-terminated. "read" is asked for by every GET, "write" by all else, where the route names no scope of its own. */
extern const char *const scope_names[];

/* Is each of these, parted by spaces, one of them? */
bool scopes_are_known(const char *names);

#endif
