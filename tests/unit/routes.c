/*
 * handlers/routes.c: the real table. Every row can be reached, means what it says, and stands in
 * the OpenAPI document.
 */
#include <millrace/fields.h>
#include <millrace/json.h>
#include <millrace/oauth.h>

#include "fcgi/openapi.h"
#include "fcgi/path_type.h"
#include "handlers/account/account.h"
#include "handlers/agents/agents.h"
#include "handlers/integrations/integrations.h"
#include "test.h"

static struct arena *mem;

/* A path with an example of each variable's type in its place. */
static struct str
example_path(struct str path)
{
	struct buf b = { .a = mem };

	path = (struct str){ path.p + 1, path.n - 1 };
	while (path.p) {
		struct str part;
		const struct path_type *type;

		path = str_cut(path, '/', &part);
		type = path_type_of(part);
		buf_printf(&b, "/%.*s", (int)(type ? strlen(type->example) : part.n),
		    type ? type->example : part.p);
	}
	return buf_str(&b);
}

/* Is the route found by this path of its own, with and without a slash at its end? */
static bool
is_found(const struct route *r, struct str path)
{
	struct match m = route_match(r->pool, (int)r->method, path),
		     slash = route_match(r->pool, (int)r->method, arena_printf(mem, "%s/", path.p));

	return m.route == r && slash.route == r && (m.methods & 1U << r->method);
}

static void
reach(void)
{
	bool good = true;
	size_t n_others = 0;

	for (size_t i = 0; i < n_routes; i++)
		for (size_t k = 0; k <= n_aliases; k++) {
			struct str path = route_path(mem, &routes[i], k);

			if (!path.p)
				continue;
			n_others += k > 0;
			EACH(good, is_found(&routes[i], example_path(path)), "%s %.*s",
			    method_name(routes[i].method), S_ARG(path));
		}
	CHECK("every route is found by each of its paths", good);
	CHECK("some have other names", n_others >= 2);
	good = true;
	for (size_t i = 0; i < n_pools; i++) {
		size_t k = 0;

		while (k < n_routes && strcmp(routes[k].pool, pools[i].name) != 0)
			k++;
		EACH(good, k < n_routes, "%s", pools[i].name);
	}
	CHECK("every pool has a route", good);
}

static void
types(void)
{
	bool good = true;
	json_object *schema, *names = NULL;
	const char *why;
	size_t n;

	for (size_t i = 0; i < n_path_types; i++) {
		const struct path_type *t = &path_types[i];

		EACH(good,
		    t->check(str_from(t->example)) && !t->check(S("")) &&
			json_parse(mem, str_from(t->schema), &schema, &why) == ERR_OK &&
			str_eq(json_text(schema, "type"), S("string")),
		    "%s", t->name);
		if (strcmp(t->name, "provider") == 0)
			names = json_at(schema, "enum");
	}
	CHECK("every path type accepts its example and has a schema", good);
	n = names ? json_object_array_length(names) : 0;
	good = n == n_oauth_providers;
	for (size_t i = 0; i < n; i++)
		good = good && oauth_provider(str_from(
				   json_object_get_string(json_object_array_get_idx(names, i))));
	CHECK("the providers are those of lib/identity/oauth.c", good);
}

static void
meaning(void)
{
	bool good = true;

	routes_check();
	for (size_t i = 0; i < n_routes; i++) {
		const struct route *r = &routes[i];

		/* Settings are an object of any names, an update what Telegram says, a
		 * message has its protocol's own errors. */
		EACH(good,
		    (r->body_kind == BODY_NONE || r->handler == settings_merge ||
			r->handler == telegram_webhook || r->handler == mcp_post) ==
			(r->body == NULL),
		    "%s: body", r->path);
		EACH(good, r->method != M_GET || r->body_kind == BODY_NONE, "%s: body", r->path);
		EACH(good, !r->idempotent || r->method == M_POST, "%s: Idempotency-Key", r->path);
		EACH(good,
		    r->status == 302 ||
			(r->status == 204 || r->status == 101) == (r->reply == NULL),
		    "%s: reply", r->path);
		EACH(good, r->status != 204 || r->mode == IMMEDIATE, "%s: mode", r->path);
		/* What nobody may guess at counts as a sign-in; visitors of a chatbot chat. */
		EACH(good,
		    r->caller != AUTH_PUBLIC || r->rate != RATE_WRITE ||
			strcmp(r->pool, "chat") == 0,
		    "%s: rate", r->path);
		EACH(good, r->method == M_GET || r->rate != RATE_READ, "%s: rate", r->path);
	}
	CHECK("no row contradicts itself", good);
}

static void
check_fields(const struct field *f, size_t n, size_t len, bool *good)
{
	for (size_t i = 0; i < n; i++) {
		EACH(*good, f[i].kind && f[i].name && f[i].offset < len, "%s", f[i].name);
		EACH(*good, f[i].min <= f[i].max, "%s", f[i].name);
		EACH(*good, !f[i].valid || f[i].problem, "%s", f[i].name);
		EACH(*good, f[i].kind != FIELD_ENUM || (f[i].names && f[i].names[0]), "%s",
		    f[i].name);
		if (f[i].kind == FIELD_OBJECT)
			check_fields(f[i].fields, f[i].n_fields, len - f[i].offset, good);
		for (size_t k = 0; k < i; k++)
			EACH(*good, strcmp(f[i].name, f[k].name) != 0, "%s", f[i].name);
	}
}

static void
tables(void)
{
	bool good = true;

	for (size_t i = 0; i < n_routes; i++) {
		if (routes[i].body)
			check_fields(
			    routes[i].body->p, routes[i].body->n, routes[i].body->len, &good);
		if (routes[i].query)
			check_fields(
			    routes[i].query->p, routes[i].query->n, routes[i].query->len, &good);
	}
	CHECK("every field table is whole", good);
}

/* Has the document an operation for the route at this path of its own? */
static bool
is_described(json_object *paths, const struct route *r, struct str path)
{
	struct buf b = { .a = mem };
	char method[8] = "";

	while (path.n > 0) {
		size_t plain = strcspn(path.p, ":"), type = plain + strcspn(path.p + plain, "}");

		buf_put(&b, (struct str){ path.p, plain });
		path = plain == path.n ? S("") : (struct str){ path.p + type, path.n - type };
	}
	for (size_t k = 0; method_name(r->method)[k]; k++)
		method[k] = (char)(method_name(r->method)[k] | 0x20);
	return json_at(json_at(paths, b.p), method) != NULL;
}

static void
document(void)
{
	struct str text = openapi_document(mem);
	json_object *o, *paths;
	const char *why;
	bool good = true;

	if (json_parse(mem, text, &o, &why) != ERR_OK)
		o = NULL;
	paths = json_at(o, "paths");
	CHECK("the OpenAPI document is JSON", o && str_starts(json_text(o, "openapi"), S("3.1")));
	CHECK("and is made again alike", str_eq(text, openapi_document(mem)));
	for (size_t i = 0; i < n_routes; i++)
		for (size_t k = 0; k <= n_aliases; k++) {
			struct str path = route_path(mem, &routes[i], k);

			EACH(good, !path.p || is_described(paths, &routes[i], path), "%.*s",
			    S_ARG(path));
		}
	CHECK("every route stands in it", good);
}

int
main(void)
{
	mem = arena_new();
	reach();
	types();
	meaning();
	tables();
	document();
	arena_free(mem);
	return test_end();
}
