#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/kept.h"

static bool
is_known(const char *const known[], const char *name)
{
	while (*known && strcmp(*known, name) != 0)
		known++;
	return *known != NULL;
}

static void
put_value(struct buf *b, enum kept_kind kind, json_object *o)
{
	if (kind == KEPT_TEXT) {
		buf_put(b, (struct str){
			       json_object_get_string(o), (size_t)json_object_get_string_len(o) });
		return;
	}
	if (kind == KEPT_OTHER) {
		buf_put(b, json_serialised(o));
		return;
	}
	for (size_t i = 0; i < json_object_array_length(o); i++) {
		buf_put(b, b->n > 0 ? S(",") : S(""));
		buf_put(b, json_serialised(json_object_array_get_idx(o, i)));
	}
}

static void
add(struct kept *k, struct arena *a, struct str name, json_object *o, size_t *len)
{
	enum kept_kind kind = json_object_is_type(o, json_type_string)	? KEPT_TEXT
			      : json_object_is_type(o, json_type_array) ? KEPT_LIST
									: KEPT_OTHER;
	size_t i = 0, before;

	while (i < k->n && !str_eq(k->m[i].name, name))
		i++;
	if (i == KEPT_MEMBERS || name.n > KEPT_NAME_MAX)
		return;
	if (i == k->n) {
		k->m[k->n++].name = arena_str(a, name);
		k->m[i].value.a = a;
	}
	if (k->m[i].kind != kind || kind == KEPT_OTHER)
		k->m[i].value.n = 0;
	k->m[i].kind = kind;
	before = k->m[i].value.n;
	put_value(&k->m[i].value, kind, o);
	*len += k->m[i].value.n - before;
}

void
kept_add(struct kept *k, struct arena *a, json_object *o, const char *const known[], size_t *len)
{
	if (!json_object_is_type(o, json_type_object))
		return;
	json_object_object_foreach (o, name, value) {
		if (value && !is_known(known, name))
			add(k, a, str_from(name), value, len);
	}
}

struct str
kept_json(struct arena *a, const struct kept *k)
{
	struct buf b = { .a = a };
	struct str all;

	if (k->n == 0)
		return (struct str){ NULL, 0 };
	for (size_t i = 0; i < k->n; i++) {
		struct str value = buf_str(&k->m[i].value);

		buf_put(&b, i > 0 ? S(",") : S("{"));
		buf_json(&b, k->m[i].name);
		buf_put(&b, S(":"));
		if (k->m[i].kind == KEPT_TEXT)
			buf_json(&b, text_mend(a, value));
		else
			buf_printf(&b, k->m[i].kind == KEPT_LIST ? "[%.*s]" : "%.*s", S_ARG(value));
	}
	buf_put(&b, S("}"));
	/* A lenient parser has let through what strict ones refuse, such as NaN. */
	all = text_mend(a, buf_str(&b));
	return is_json_object(all) ? all : (struct str){ NULL, 0 };
}
