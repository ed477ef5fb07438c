/* handlers/routes.c: the real table. Every row can be reached, means what it says, and stands in the OpenAPI document. */
#include <millrace/fields.h>
#include <millrace/json.h>

#include "handlers/handlers.h"
#include "test.h"

#define ID "0190b3e8-8a54-7c3e-9d55-0242ac120002"

static struct arena *mem;

/* The pattern with something fitting in the place of each variable. */
static struct str
example_path(const char *pattern)
{
	struct buf b = { .a = mem };

	while (*pattern) {
		size_t plain = strcspn(pattern, "{");

		buf_put(&b, (struct str){ pattern, plain });
		pattern += plain;
		if (*pattern == '{') {
			size_t len = strcspn(pattern, "}") + 1;

			buf_put(&b, memmem(pattern, len, ":uuid}", 6)	     ? S(ID)
				    : memmem(pattern, len, ":provider}", 10) ? S("github")
									     : S("some text"));
			pattern += len;
		}
	}
	return buf_str(&b);
}

static void
reach(void)
{
	bool good = true;

	for (size_t i = 0; i < n_routes; i++) {
		struct str path = example_path(routes[i].path);
		struct match m = route_match(routes[i].pool, (int)routes[i].method, path);

		EACH(good, m.route == &routes[i], "%s %s", method_name(routes[i].method),
		    routes[i].path);
		m = route_match(
		    routes[i].pool, (int)routes[i].method, arena_printf(mem, "%s/", path.p));
		EACH(good, m.route == &routes[i], "%s %s/", method_name(routes[i].method),
		    routes[i].path);
		EACH(good, m.methods & 1U << routes[i].method, "%s", routes[i].path);
	}
	CHECK("every route is found by its path", good);
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
meaning(void)
{
	bool good = true;

	routes_check();
	for (size_t i = 0; i < n_routes; i++) {
		const struct route *r = &routes[i];

		/* Settings are an object of any names. */
		EACH(good,
		    (r->body_kind == BODY_NONE || r->handler == settings_merge) ==
			(r->body == NULL),
		    "%s: body", r->path);
		EACH(good, r->method != M_GET || r->body_kind == BODY_NONE, "%s: body", r->path);
		EACH(good, !r->idempotent || r->method == M_POST, "%s: Idempotency-Key", r->path);
		EACH(good,
		    r->status == 302 ||
			(r->status == 204 || r->status == 101) == (r->reply == NULL),
		    "%s: reply", r->path);
		EACH(good, r->status != 204 || r->mode == IMMEDIATE, "%s: mode", r->path);
		EACH(good, r->caller != AUTH_PUBLIC || r->rate != RATE_WRITE, "%s: rate", r->path);
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
	for (size_t i = 0; i < n_routes; i++) {
		struct buf b = { .a = mem };
		const char *p = routes[i].path;
		char method[8] = "";

		while (*p) {
			size_t n = strcspn(p, ":");

			buf_put(&b, (struct str){ p, n });
			p += n;
			p += strcspn(p, "}");
		}
		for (size_t k = 0; method_name(routes[i].method)[k]; k++)
			method[k] = (char)(method_name(routes[i].method)[k] | 0x20);
		EACH(good, json_at(json_at(paths, b.p), method), "%s %s", method, b.p);
	}
	CHECK("every route stands in it", good);
}

int
main(void)
{
	mem = arena_new();
	reach();
	meaning();
	tables();
	document();
	arena_free(mem);
	return test_end();
}
