/*
 * lib/seal.c and runner/secrets/unseal.c: what is sealed opens with the private key alone, under
 * its own label alone.
 */
#include <sodium.h>

#include <millrace/crypto.h>

#include "runner/secrets/unseal.h"
#include "test.h"

static struct arena *mem;
static const struct uuid ada = { "0190b3e8-8a54-7c3e-9d55-0242ac120002" },
			 bob = { "0190b3e8-8a54-7c3e-9d55-0242ac120003" };

static struct str
in_base64(const void *bytes, size_t len, int variant)
{
	size_t room = sodium_base64_encoded_len(len, variant);
	char *text = arena_alloc(mem, room);

	sodium_bin2base64(text, room, bytes, len, variant);
	return str_from(text);
}

static struct key_pair
new_pair(void)
{
	unsigned char bytes[SEAL_KEY_BYTES];
	struct key_pair pair;

	random_bytes(bytes, sizeof(bytes));
	if (!key_pair_from(
		in_base64(bytes, sizeof(bytes), sodium_base64_VARIANT_ORIGINAL), &pair) ||
	    !pair.there)
		abort();
	return pair;
}

static void
keys(void)
{
	unsigned char bytes[SEAL_KEY_BYTES + 1] = { 1, 2, 3 };
	struct key_pair pair;
	struct str text = in_base64(bytes, SEAL_KEY_BYTES, sodium_base64_VARIANT_ORIGINAL);
	static const char *const bad[] = { "x", "AAAA", "not base64!", "=",
		"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	bool good = true;

	CHECK("none is no error, and none", key_pair_from(S(""), &pair) && !pair.there);
	CHECK("32 bytes in base64 are a key, also with spaces around",
	    key_pair_from(arena_printf(mem, " %s ", text.p), &pair) && pair.there &&
		memcmp(pair.private_key, bytes, SEAL_KEY_BYTES) == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !key_pair_from(str_from(bad[i]), &pair) && !pair.there, "%s", bad[i]);
	EACH(good,
	    !key_pair_from(in_base64(bytes, 31, sodium_base64_VARIANT_ORIGINAL), &pair) &&
		!key_pair_from(in_base64(bytes, 33, sodium_base64_VARIANT_ORIGINAL), &pair),
	    "31 or 33 bytes");
	CHECK("anything else is refused", good);
}

static void
boxes(void)
{
	struct key_pair pair = new_pair(), other = new_pair(), none = { 0 };
	struct str label = seal_label(mem, &ada, S("SLACK")), value, box, longest;
	char *big = arena_alloc(mem, 8192), *bytes;
	bool good = true;

	box = seal(mem, pair.public_key, label, S("xoxb-1"));
	CHECK("what is sealed opens",
	    unseal(mem, &pair, label, box, &value) && str_eq(value, S("xoxb-1")));
	CHECK("and is not to be seen", !memmem(box.p, box.n, "xoxb-1", 6));
	CHECK("sealed again it looks different",
	    !str_eq(box, seal(mem, pair.public_key, label, S("xoxb-1"))));
	CHECK("another key, or none, does not open it",
	    !unseal(mem, &other, label, box, &value) && !unseal(mem, &none, label, box, &value));
	CHECK("nor another owner's label, nor another name's",
	    !unseal(mem, &pair, seal_label(mem, &bob, S("SLACK")), box, &value) &&
		!unseal(mem, &pair, seal_label(mem, &ada, S("SLACK2")), box, &value) &&
		!unseal(mem, &pair, seal_canary_label(mem), box, &value));
	bytes = arena_alloc(mem, box.n);
	for (size_t i = 0; i < box.n; i++) {
		memcpy(bytes, box.p, box.n);
		bytes[i] = (char)(bytes[i] ^ 1);
		EACH(good, !unseal(mem, &pair, label, (struct str){ bytes, box.n }, &value),
		    "byte %zu", i);
		EACH(good, !unseal(mem, &pair, label, (struct str){ box.p, i }, &value),
		    "%zu bytes", i);
	}
	CHECK("a changed or cut box does not open", good);
	memset(big, 'x', 8192);
	longest = (struct str){ big, 8192 };
	CHECK("the longest and the shortest value",
	    unseal(mem, &pair, label, seal(mem, pair.public_key, label, longest), &value) &&
		str_eq(value, longest) &&
		unseal(mem, &pair, label, seal(mem, pair.public_key, label, S("")), &value) &&
		value.n == 0);
}

static void
hex(void)
{
	struct str out;

	CHECK("hexadecimal digits",
	    hex_decode(mem, S("00ffA5"), &out) && str_eq(out, (struct str){ "\0\xff\xa5", 3 }));
	CHECK("none are no bytes", hex_decode(mem, S(""), &out) && out.n == 0);
	CHECK("other letters are refused",
	    !hex_decode(mem, S("0g"), &out) && !hex_decode(mem, S("0x00"), &out));
}

int
main(void)
{
	if (sodium_init() < 0)
		abort();
	mem = arena_new();
	keys();
	boxes();
	hex();
	arena_free(mem);
	return test_end();
}
