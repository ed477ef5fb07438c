/*
 * The one list of scopes: what an API key may be allowed to do. A route that names another one
 * stops the boot. Any thread.
 */
#ifndef MILLRACE_SCOPE_H
#define MILLRACE_SCOPE_H

#include <stdbool.h>

/*
 * NULL-terminated. Where a route names no scope, its GET requires "read", all else "write".
 * "account" is for what would take the account away from its user (addresses, keys, its erasure),
 * tells others its secrets, spends its money, or administers others'.
 */
extern const char *const scope_names[];

/* Are all of these scopes? `names` are separated by spaces. */
bool scopes_are_known(const char *names);

#endif
