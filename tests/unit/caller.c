/*
 * fcgi/caller.c: what a route asks of an API key; that the database then refuses a key without it
 * is tests/api/vault.test.mjs'.
 */
#include "fcgi/caller.h"
#include "fcgi/worker.h"
#include "test.h"

#include <millrace/scope.h>

/* The scope that the caller's statement names for a key on such a route; absent for none. */
static struct str
asked(enum method method, const char *scope, enum caller_kind kind, bool *admin)
{
	const struct route route = { .method = method, .scope = scope, .caller = kind };
	struct req r = { .route = &route,
		.caller = {
		    .how = CALLER_KEY, .key_hash = S("01234567890123456789012345678901") } };
	struct pipe_statement s;
	struct sql_arg args[3];

	if (caller_statement(&r, &s, args) != 1 || s.n_args != 3)
		return (struct str){ NULL, 0 };
	*admin = args[1].b;
	return args[2].s;
}

int
main(void)
{
	bool admin = true, good = true;

	CHECK("GET asks a key for read",
	    str_eq(asked(M_GET, NULL, AUTH_USER, &admin), S("read")) && !admin);
	for (enum method m = M_POST; m <= M_DELETE; m++)
		EACH(good, str_eq(asked(m, NULL, AUTH_USER, &admin), S("write")), "%s",
		    method_name(m));
	CHECK("everything else for write", good);
	CHECK("a route's own scope goes before",
	    str_eq(asked(M_GET, "analytics:read", AUTH_USER, &admin), S("analytics:read")) &&
		str_eq(asked(M_POST, "analytics:read", AUTH_USER, &admin), S("analytics:read")));
	CHECK("an administrator's route says so to the database",
	    str_eq(asked(M_GET, NULL, AUTH_ADMIN, &admin), S("read")) && admin);
	CHECK("the list of scopes", scopes_are_known("read") && scopes_are_known("write") &&
					scopes_are_known("analytics:read") &&
					!scopes_are_known("") && !scopes_are_known("READ") &&
					!scopes_are_known("admin"));
	good = true;
	for (size_t i = 0; i < n_routes; i++)
		EACH(good, !routes[i].scope || scopes_are_known(routes[i].scope), "%s",
		    routes[i].path);
	CHECK("every route's scope is in it", good);
	return test_end();
}
