/*
 * Query strings against a table that has every kind of field: what is bound keeps to its bounds,
 * and a decoded text encoded again and decoded is the same.
 */
#include <millrace/fields.h>
#include <millrace/json.h>

#include "bounds.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

struct all {
	struct str some_text;
	struct str even;
	bool is_on;
	int64_t how_many;
	struct str price;
	struct str below;
	struct uuid some_id;
	struct str at;
	struct str colour;
	struct str_list tags;
	struct str extra;
};

static bool
is_even(struct str s)
{
	return s.n % 2 == 0;
}

static const char *const colours[] = { "red", "green", NULL };

static const struct field fields[] = {
	F_STR(struct all, some_text, 1, 5, REQUIRED),
	F_CHECKED(struct all, even, 2, 8, OPTIONAL, is_even, "must have an even length"),
	F_BOOL(struct all, is_on, OPTIONAL),
	F_INT(struct all, how_many, -5, 10, OPTIONAL),
	F_DECIMAL(struct all, price, 0, 1000, OPTIONAL),
	F_DECIMAL(struct all, below, -10, -5, OPTIONAL),
	F_UUID(struct all, some_id, OPTIONAL),
	F_TIME(struct all, at, OPTIONAL),
	F_ENUM(struct all, colour, colours, OPTIONAL),
	F_STRS(struct all, tags, 3, OPTIONAL),
	F_JSON(struct all, extra, 30, OPTIONAL),
};
#define N_FIELDS (sizeof(fields) / sizeof(*fields))

static void
bind(struct arena *a, struct str text)
{
	struct problems p = { .json = { .a = a } };
	struct all in = { 0 };
	bool good = query_fields(a, fields, N_FIELDS, text, &in, &p);

	bounds_problems(a, good, &p);
	if (good)
		bounds_hold(fields, N_FIELDS, &in, true);
}

static void
decode(struct arena *a, struct str text, bool plus)
{
	struct str once, twice;
	struct buf b = { .a = a };

	if (!url_decode(a, text, plus, &once))
		return;
	assert(is_text(once) && once.n <= text.n);
	for (size_t i = 0; i < once.n; i++)
		buf_printf(&b, "%%%02X", (unsigned char)once.p[i]);
	assert(url_decode(a, buf_str(&b), plus, &twice) && str_eq(once, twice));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct str text = { (const char *)bytes, n };

	bind(a, text);
	decode(a, text, true);
	decode(a, text, false);
	arena_free(a);
	return 0;
}
