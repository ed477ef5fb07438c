/* lib/arena.c: a request's memory, growing strings, JSON strings. */
#include <millrace/json.h>

#include "test.h"

static char order[16];
static size_t n_order;

static void
note(void *p)
{
	order[n_order++] = *(const char *)p;
}

static void
deferring(void)
{
	static char names[] = "abc";
	struct arena *a = arena_new();

	for (size_t i = 0; i < 3; i++)
		arena_defer(a, note, &names[i]);
	arena_reset(a);
	CHECK("what was deferred last is freed first", strcmp(order, "cba") == 0);
	arena_reset(a);
	CHECK("and only once", n_order == 3);
	arena_defer(a, note, &names[0]);
	arena_free(a);
	CHECK("arena_free runs it too", strcmp(order, "cbaa") == 0);
	arena_free(NULL);
}

static bool
fills(const char *text, const char *expected)
{
	struct arena *a = arena_new();
	bool right = str_eq(arena_fill(a, text, "{x}", S("{x}y")), str_from(expected));

	arena_free(a);
	return right;
}

static void
filling(void)
{
	CHECK("the first place is filled, and what fills it is not looked at",
	    fills("a{x}b{x}c", "a{x}yb{x}c"));
	CHECK("a place at an end", fills("{x}", "{x}y"));
	CHECK("text without the place stays", fills("a{y}", "a{y}"));
}

static bool
is_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static void
allocating(void)
{
	struct arena *a = arena_new();
	bool zero = true, aligned = true, apart = true;
	uint32_t state = 1;
	unsigned char *before = NULL;
	size_t before_len = 0;

	for (int turn = 0; turn < 3; turn++) {
		before = NULL;
		for (int i = 0; i < 2000; i++) {
			size_t len = test_random(&state) % (i % 100 == 0 ? 100000 : 300);
			unsigned char *p = arena_alloc(a, len);

			zero &= is_zero(p, len);
			aligned &= (uintptr_t)p % _Alignof(max_align_t) == 0;
			memset(p, 0xa5, len);
			if (before && before_len > 0)
				apart &= before[0] == 0x5a && before[before_len - 1] == 0x5a;
			memset(p, 0x5a, len);
			before = p;
			before_len = len;
		}
		arena_reset(a);
	}
	CHECK("memory is zeroed, also when used again", zero);
	CHECK("memory is aligned for any type", aligned);
	CHECK("allocations do not overlap", apart);
	before = arena_alloc(a, (size_t)32 * 1024 * 1024);
	before[(size_t)32 * 1024 * 1024 - 1] = 1;
	CHECK("32 MiB at once", before[0] == 0 && arena_alloc(a, 0) != NULL);
	arena_free(a);
}

/* What fills a block is apart from those that others share. */
static void
sharing(void)
{
	struct arena *a = arena_new();
	char *small = arena_alloc(a, 16), *large = arena_alloc(a, 100000);
	char *after = arena_alloc(a, 16);

	CHECK("a large piece leaves the block before it its room", after == small + 16);
	memset(large, 1, 100000);
	arena_reset(a);
	memset(arena_alloc(a, 7000), 2, 7000);
	CHECK("and is freed by itself", is_zero(arena_alloc(a, 100000), 100000));
	arena_free(a);
}

static void
growing_in_place(void)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a }, other = { .a = a };
	struct str before;

	buf_put(&b, S("a"));
	before = buf_str(&b);
	buf_printf(&b, "%01000d", 0);
	CHECK("what nothing stands behind grows where it is", buf_str(&b).p == before.p);
	buf_put(&other, S("b"));
	buf_printf(&b, "%02000d", 0);
	CHECK("else it moves", buf_str(&b).p != before.p && before.p[0] == 'a');
	CHECK("and leaves what is there", str_eq(buf_str(&other), S("b")) && b.n == 3001);
	arena_free(a);
}

static void
copying(void)
{
	struct arena *a = arena_new();
	struct str s = arena_str(a, S("abc"));

	CHECK("a copy has a NUL after it", str_eq(s, S("abc")) && s.p[3] == '\0');
	CHECK("absent stays absent", arena_str(a, (struct str){ NULL, 0 }).p == NULL);
	s = arena_str(a, (struct str){ "", 0 });
	CHECK("empty stays present", s.p && s.n == 0);
	CHECK(
	    "an absent C string is empty", strcmp(arena_cstr(a, (struct str){ NULL, 0 }), "") == 0);
	s = arena_printf(a, "%s-%d", "x", 42);
	CHECK("printf", str_eq(s, S("x-42")) && s.p[4] == '\0');
	arena_free(a);
}

static void
growing(void)
{
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	bool whole = true, ended = true;
	int64_t number;

	CHECK("an empty buf is present", buf_str(&b).p && buf_str(&b).n == 0);
	for (int i = 0; i < 20000; i++) {
		if (i % 2)
			buf_printf(&b, "%05d,", i);
		else
			buf_put(&b, arena_printf(a, "%05d,", i));
		ended &= b.p[b.n] == '\0';
	}
	for (int i = 0; i < 20000; i++)
		whole &= str_int((struct str){ b.p + (size_t)i * 6, 5 }, &number) && number == i;
	CHECK("a buf keeps what was put", whole && b.n == 120000);
	CHECK("it ends in NUL after every call", ended);
	for (size_t n = 250; n < 260; n++) {
		struct buf edge = { .a = a };
		char *text = arena_alloc(a, n + 1);

		memset(text, 'x', n);
		buf_put(&edge, (struct str){ text, n });
		buf_printf(&edge, "%s", "y");
		whole &= edge.n == n + 1 && edge.p[n] == 'y' && edge.p[n + 1] == '\0';
	}
	CHECK("around the first block's size too", whole);
	arena_free(a);
}

static bool
json_is(struct arena *a, struct str s, const char *want)
{
	struct buf b = { .a = a };

	buf_json(&b, s);
	if (str_eq(buf_str(&b), str_from(want)))
		return true;
	printf("# %s, not %s\n", b.p, want);
	return false;
}

static void
json_strings(void)
{
	struct arena *a = arena_new();

	CHECK("plain", json_is(a, S("a/b"), "\"a/b\"") && json_is(a, S(""), "\"\""));
	CHECK("absent is null", json_is(a, (struct str){ NULL, 0 }, "null"));
	CHECK("quotes and backslashes", json_is(a, S("\"\\"), "\"\\\"\\\\\""));
	CHECK("control characters",
	    json_is(a, S("\n\t\x01\x1f\x7f\0"), "\"\\n\\u0009\\u0001\\u001f\\u007f\\u0000\""));
	CHECK("well-formed UTF-8 as it is",
	    json_is(a, S("\xc3\xa4\xf0\x9f\x98\x80"), "\"\xc3\xa4\xf0\x9f\x98\x80\""));
	CHECK("each stray byte is one U+FFFD",
	    json_is(a, S("a\xff\xc3z\x80"), "\"a\\ufffd\\ufffdz\\ufffd\""));
	CHECK("a sequence that is cut short", json_is(a, S("\xe2\x82"), "\"\\ufffd\\ufffd\""));
	CHECK("a surrogate", json_is(a, S("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""));
	arena_free(a);
}

/* Whatever the bytes, a parser takes what buf_json wrote. */
static void
json_of_anything(void)
{
	uint32_t state = 99;
	bool good = true;

	for (int i = 0; i < 2000; i++) {
		struct arena *a = arena_new();
		struct buf b = { .a = a };
		size_t n = test_random(&state) % 40;
		char bytes[40];
		json_object *o = NULL;
		const char *why = "";

		for (size_t k = 0; k < n; k++) {
			bytes[k] = (char)test_random(&state);
			/* A parser of ours takes no NUL, escaped or not. */
			if (bytes[k] == '\0')
				bytes[k] = '"';
		}
		buf_json(&b, (struct str){ bytes, n });
		EACH(good, json_parse(a, buf_str(&b), &o, &why) == ERR_OK, "%s: %s", b.p, why);
		if (o && str_utf8((struct str){ bytes, n }))
			EACH(good,
			    str_eq((struct str){ json_object_get_string(o),
				       (size_t)json_object_get_string_len(o) },
				(struct str){ bytes, n }),
			    "%s comes back", b.p);
		arena_free(a);
	}
	CHECK("any bytes make valid JSON", good);
}

int
main(void)
{
	deferring();
	filling();
	allocating();
	sharing();
	growing_in_place();
	copying();
	growing();
	json_strings();
	json_of_anything();
	return test_end();
}
