/*
 * JSON from outside: what is taken is well-formed, no deeper than 32, without NUL, and is taken
 * again, alike, when written out, and mended. What is mended is sound, too. And whatever the bytes,
 * buf_json makes a string of them that a parser takes.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
assert_sound(json_object *o, int depth)
{
	if (json_object_is_type(o, json_type_object)) {
		assert(depth < JSON_DEPTH_MAX);
		json_object_object_foreach (o, name, value) {
			assert(str_utf8(str_from(name)));
			assert_sound(value, depth + 1);
		}
	} else if (json_object_is_type(o, json_type_array)) {
		assert(depth < JSON_DEPTH_MAX);
		for (size_t i = 0; i < json_object_array_length(o); i++)
			assert_sound(json_object_array_get_idx(o, i), depth + 1);
	} else if (json_object_is_type(o, json_type_string)) {
		struct str s = { json_object_get_string(o), (size_t)json_object_get_string_len(o) };

		assert(str_utf8(s) && (s.n == 0 || !memchr(s.p, '\0', s.n)));
	} else if (json_object_is_type(o, json_type_double)) {
		assert(isfinite(json_object_get_double(o)));
	}
}

static void
parse(struct arena *a, struct str text)
{
	json_object *o = NULL, *again = NULL, *mended = NULL;
	struct str foreign = text;
	const char *why = NULL;

	if (mended_parse(a, &foreign, &mended))
		assert_sound(mended, 0);
	if (json_parse(a, text, &o, &why) != ERR_OK) {
		assert(why && *why && !o);
		return;
	}
	assert(o && mended && json_object_equal(o, mended));
	assert_sound(o, 0);
	text = str_from(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	assert(json_parse(a, text, &again, &why) == ERR_OK);
	assert(json_object_equal(o, again));
}

static void
write_text(struct arena *a, struct str bytes)
{
	struct buf b = { .a = a };
	json_object *o = NULL;
	const char *why;

	buf_json(&b, bytes);
	assert(b.p[0] == '"' && b.p[b.n - 1] == '"' && str_utf8(buf_str(&b)));
	if (bytes.n > 0 && memchr(bytes.p, '\0', bytes.n))
		return;
	assert(json_parse(a, buf_str(&b), &o, &why) == ERR_OK);
	assert(json_object_is_type(o, json_type_string));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct str text = { (const char *)bytes, n };

	parse(a, text);
	write_text(a, text);
	arena_free(a);
	return 0;
}
