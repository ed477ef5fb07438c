/*
 * What must hold of everything that was bound by a field table, for the targets that bind: whatever
 * let it through, a value keeps to its row.
 */
#ifndef TESTS_FUZZ_BOUNDS_H
#define TESTS_FUZZ_BOUNDS_H

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

#include <millrace/fields.h>
#include <millrace/json.h>

static inline bool
is_text(struct str s)
{
	return str_utf8(s) && (s.n == 0 || !memchr(s.p, '\0', s.n));
}

/* -?digits[.digits] within the row's bounds, by a double, which is near enough for whole bounds. */
static inline void
bounds_decimal(const struct field *f, struct str s)
{
	char text[32];
	size_t digits = 0;
	double v;

	assert(s.n < sizeof(text));
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	for (size_t i = 0; i < s.n; i++) {
		digits += text[i] >= '0' && text[i] <= '9';
		assert(strchr("-.0123456789", text[i]));
	}
	assert(digits > 0 && digits <= 18);
	v = strtod(text, NULL);
	assert(v >= (double)f->min && v <= (double)f->max);
}

/* 2026-01-31T12:00:00.000Z */
static inline void
bounds_time(struct str s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";

	assert(s.n == sizeof(form) - 1);
	for (size_t i = 0; i < s.n; i++)
		assert(form[i] == 'd' ? s.p[i] >= '0' && s.p[i] <= '9' : s.p[i] == form[i]);
}

static inline void
bounds_one_of(const struct field *f, struct str s)
{
	bool found = false;

	for (const char *const *name = f->names; *name; name++)
		found |= str_eq(s, str_from(*name));
	assert(found);
}

static inline void
bounds_list(const struct field *f, const struct str_list *list)
{
	assert((int64_t)list->n <= f->max);
	for (size_t i = 0; i < list->n; i++)
		assert(is_text(list->p[i]) && str_chars(list->p[i]) <= 200);
}

static inline void
bounds_str(const struct field *f, struct str s)
{
	if (!s.p)
		return;
	assert(is_text(s));
	if (f->kind == FIELD_STR) {
		assert((int64_t)str_chars(s) >= f->min && (int64_t)str_chars(s) <= f->max);
		assert(!f->valid || f->valid(s));
	} else if (f->kind == FIELD_DECIMAL) {
		bounds_decimal(f, s);
	} else if (f->kind == FIELD_TIME) {
		bounds_time(s);
	} else if (f->kind == FIELD_ENUM) {
		bounds_one_of(f, s);
	} else {
		assert(s.p[0] == (f->kind == FIELD_JSON ? '{' : '['));
		assert((int64_t)s.n <= f->max || f->kind == FIELD_ITEMS);
	}
}

static inline void
bounds_uuid(const struct uuid *u)
{
	struct uuid again;

	assert(!u->text[0] ||
	       (uuid_parse(uuid_str(u), &again) && str_eq(uuid_str(u), uuid_str(&again))));
}

/* Asserts that what `into` holds keeps to the table. `whole`: required fields must be there. */
static inline void
bounds_hold(const struct field *fields, size_t n, const void *into, bool whole)
{
	for (size_t i = 0; i < n; i++) {
		const struct field *f = &fields[i];
		const void *place = (const char *)into + f->offset;
		struct str text = { NULL, 0 };

		switch (f->kind) {
		case FIELD_UUID:
			bounds_uuid(place);
			text = uuid_str(place);
			break;
		case FIELD_STR:
		case FIELD_DECIMAL:
		case FIELD_TIME:
		case FIELD_ENUM:
		case FIELD_JSON:
		case FIELD_ARRAY:
		case FIELD_ITEMS:
			memcpy(&text, place, sizeof(text));
			bounds_str(f, text);
			break;
		case FIELD_STRS:
			bounds_list(f, place);
			text.p = ((const struct str_list *)place)->p ? "" : NULL;
			break;
		case FIELD_INT:
			assert(*(const int64_t *)place == 0 || *(const int64_t *)place >= f->min);
			assert(*(const int64_t *)place <= f->max || *(const int64_t *)place == 0);
			continue;
		case FIELD_OBJECT:
			/* It may be absent as a whole. */
			bounds_hold(f->fields, f->n_fields, place, false);
			continue;
		case FIELD_BOOL:
			assert(*(const unsigned char *)place <= 1);
			continue;
		}
		assert(!whole || f->required != REQUIRED || text.p);
	}
}

/* Asserts that problems are told where, and only where, something was refused, as well-formed JSON.
 */
static inline void
bounds_problems(struct arena *a, bool good, const struct problems *p)
{
	json_object *list;
	const char *why;

	assert(good == (p->n == 0));
	/* A name may hold NUL, which JSON can say and json_parse refuses. */
	if (good || strstr(p->json.p, "\\u0000"))
		return;
	assert(json_parse(a, arena_printf(a, "[%s]", buf_str(&p->json).p), &list, &why) == ERR_OK);
	for (size_t i = 0; i < json_object_array_length(list); i++)
		assert(json_text(json_object_array_get_idx(list, i), "problem").n > 0);
}

#endif
