/*
 * Every field table of the route table. The first byte picks the table, the second how it is
 * filled: from JSON, from a query string, or from a form's fields one by one (name=value, a line
 * each).
 */
#include <millrace/fields.h>
#include <millrace/json.h>

#include "fcgi/route.h"

#include "bounds.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct field_table *
pick(size_t which)
{
	static const struct field_table *tables[512];
	static size_t n_tables;

	size_t n = n_tables;

	for (size_t i = 0; n_tables == 0 && i < n_routes; i++) {
		assert(n + 2 <= sizeof(tables) / sizeof(*tables));
		if (routes[i].body)
			tables[n++] = routes[i].body;
		if (routes[i].query)
			tables[n++] = routes[i].query;
	}
	n_tables = n;
	return tables[which % n];
}

static void
from_json(struct arena *a, const struct field_table *t, struct str text)
{
	struct problems p = { .json = { .a = a } };
	void *into = arena_alloc(a, t->len);
	json_object *o;
	const char *why;
	bool good;

	if (json_parse(a, text, &o, &why) != ERR_OK)
		return;
	good = json_fields(a, t->p, t->n, o, into, &p);
	bounds_problems(a, good, &p);
	if (good)
		bounds_hold(t->p, t->n, into, true);
}

static void
from_query(struct arena *a, const struct field_table *t, struct str text)
{
	struct problems p = { .json = { .a = a } };
	void *into = arena_alloc(a, t->len);
	bool good = query_fields(a, t->p, t->n, text, into, &p);

	bounds_problems(a, good, &p);
	if (good)
		bounds_hold(t->p, t->n, into, true);
}

static void
from_form(struct arena *a, const struct field_table *t, struct str text)
{
	struct problems p = { .json = { .a = a } };
	void *into = arena_alloc(a, t->len);

	while (text.n > 0) {
		struct str line, name, value;

		text = str_cut(text, '\n', &line);
		value = str_cut(line, '=', &name);
		/* As the worker does it: only text reaches the table. */
		if (value.p && is_text(name) && is_text(value) &&
		    !text_field(a, t->p, t->n, name, value, into, &p))
			assert(p.n > 0);
	}
	fields_missing(t->p, t->n, into, &p);
	bounds_problems(a, p.n == 0, &p);
	if (p.n == 0)
		bounds_hold(t->p, t->n, into, true);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a;
	const struct field_table *t;
	struct str text;

	if (n < 2)
		return 0;
	a = arena_new();
	t = pick(bytes[0]);
	text = (struct str){ (const char *)bytes + 2, n - 2 };
	if (bytes[1] % 3 == 0)
		from_json(a, t, text);
	else if (bytes[1] % 3 == 1)
		from_query(a, t, text);
	else
		from_form(a, t, text);
	arena_free(a);
	return 0;
}
