/*
 * The benchmark's stand-in for fcgi/caller.c: everybody is the user that MILLRACE_TEST_BENCH_USER
 * names, nothing is read or checked, and the transaction's caller is set for row-level security all
 * the same. What the real one costs is the difference.
 */
#include <stdlib.h>

#include <millrace/token.h>

#include "fcgi/caller.h"
#include "fcgi/request.h"

static const char *const arg_types[] = { "uuid" };
static const char *const columns[] = { "set_config", "text" };
static const struct query query_be_somebody = {
	.name = "bench_caller",
	.sql = "SELECT set_config('millrace.caller', $1::uuid::text, true)",
	.arg_types = arg_types,
	.n_args = 1,
	.columns = columns,
	.n_columns = 1,
};

struct str
csrf_token(struct arena *a, const struct claims *c)
{
	(void)a;
	(void)c;
	return S("");
}

struct str
caller_cookie(const struct req *r)
{
	(void)r;
	return (struct str){ NULL, 0 };
}

enum err
caller_check_origin(struct req *r)
{
	(void)r;
	return ERR_OK;
}

enum err
caller_identify(struct req *r)
{
	static struct uuid somebody;

	if (!somebody.text[0] &&
	    !uuid_parse(str_from(getenv("MILLRACE_TEST_BENCH_USER")), &somebody))
		return ERR_UNAUTHORIZED;
	if (r->route->caller == AUTH_PUBLIC)
		return ERR_OK;
	r->caller.how = CALLER_SESSION;
	r->caller.user = somebody;
	return ERR_OK;
}

size_t
caller_statement(struct req *r, struct pipe_statement *s, struct sql_arg *args)
{
	if (r->caller.how == CALLER_NOBODY)
		return 0;
	args[0] = (struct sql_arg){ .type = SQL_UUID, .u = r->caller.user };
	*s = (struct pipe_statement){ .query = &query_be_somebody, .args = args, .n_args = 1 };
	return 1;
}
