#include <millrace/json.h>

#include "runner/jobs/headers.h"
#include "runner/runner.h"
#include "runner/secrets/vault.h"

#define HEADERS_MAX 9 /* a bearer token, and as many as the API takes */
#define VALUE_MAX 4096 /* bytes */

/* May it stand in a header's line (RFC 9110, 5.5)? */
static bool
is_value(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0 && s.n <= VALUE_MAX && s.p[0] != ' ' && s.p[s.n - 1] != ' ';
}

static enum err
open_one(struct job *j, const char *before, struct str key, const char *purpose, const char **line,
    const char **why)
{
	struct db *db = db_pool_acquire(runner.pool);
	struct str value = { NULL, 0 };
	enum err e = vault_open(db, j->a, j->owner, key, purpose, &value);

	db_pool_release(runner.pool, db);
	if (e == ERR_OK && !is_value(value))
		e = ERR_NOT_FOUND;
	if (e == ERR_NOT_FOUND)
		*why = arena_printf(
		    j->a, "The vault has no secret %.*s any more that could be sent.", S_ARG(key))
			   .p;
	if (e == ERR_OK)
		*line = arena_printf(j->a, "%s%.*s", before, S_ARG(value)).p;
	return e;
}

enum err
headers_open(struct job *j, struct str bearer, struct str headers, const char *purpose,
    const char *const **lines, const char **why)
{
	const char **out = arena_alloc(j->a, (HEADERS_MAX + 1) * sizeof(*out));
	json_object *named = NULL;
	size_t n = 0;
	enum err e = ERR_OK;

	*why = "";
	if (bearer.n > 0)
		e = open_one(j, "Authorization: Bearer ", bearer, purpose, &out[n++], why);
	if (e == ERR_OK && headers.n > 0 && json_parse(j->a, headers, &named, why) != ERR_OK)
		e = ERR_NOT_FOUND;
	if (e == ERR_OK && json_object_is_type(named, json_type_object)) {
		json_object_object_foreach (named, name, key) {
			if (e == ERR_OK && n < HEADERS_MAX)
				e = open_one(j, arena_printf(j->a, "%s: ", name).p,
				    str_from(json_object_get_string(key)), purpose, &out[n++], why);
		}
	}
	out[n] = NULL;
	*lines = out;
	return e;
}
