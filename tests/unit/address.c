/* lib/address.c: whom an address counts for, and what one of mail looks like. */
#include <millrace/address.h>

#include "test.h"

static void
emails(struct arena *a)
{
	static const char *const good_ones[] = { "a@b", "ada.l+x@mail.example.com",
		"gr\xc3\xbc\xc3\x9f@example.org" };
	static const char *const bad_ones[] = { "", "@", "a@", "@b", "a@b@c", "a b@c", "a@.b",
		"a@b.", "a(b)@c", "a\x7f@b", "a@b\n", "\xff@b" };
	bool good = true;

	for (size_t i = 0; i < sizeof(good_ones) / sizeof(*good_ones); i++)
		EACH(good, address_is_email(str_from(good_ones[i])), "%s", good_ones[i]);
	EACH(good, address_is_email(arena_printf(a, "a@%0252d", 1)), "254 bytes");
	CHECK("an e-mail address", good);
	good = true;
	for (size_t i = 0; i < sizeof(bad_ones) / sizeof(*bad_ones); i++)
		EACH(good, !address_is_email(str_from(bad_ones[i])), "%s", bad_ones[i]);
	EACH(good, !address_is_email(arena_printf(a, "a@%0253d", 1)), "255 bytes");
	EACH(good, !address_is_email(arena_printf(a, "%065d@b", 1)), "65 before the @");
	CHECK("what is no e-mail address", good);
}

int
main(void)
{
	static const struct {
		const char *given, *network;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.7" },
		{ "::ffff:192.0.2.7", "192.0.2.7" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
		{ "2001:DB8:1:2::ffff", "2001:db8:1:2::/64" },
		{ "2001:db8:1:3::1", "2001:db8:1:3::/64" },
		{ "2001:db8::1", "2001:db8::/64" },
		{ "::1", "::/64" },
	};
	static const char *const none[] = { "", "unix:", "192.0.2", "192.0.2.7.1", "1.2.3.4\n",
		"2001:db8::1%eth0", "::1; DROP TABLE x", "2001:db8:1:2:3:4:5:6:7",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000" };
	struct arena *a = arena_new();
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		EACH(good,
		    str_eq(
			address_network(a, str_from(cases[i].given)), str_from(cases[i].network)),
		    "%s", cases[i].given);
	CHECK("an address counts for its network", good);
	good = true;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		EACH(good, !address_network(a, str_from(none[i])).p, "%s", none[i]);
	EACH(good, !address_network(a, S("1.2.3.4\0x")).p, "a NUL byte");
	EACH(good, !address_network(a, (struct str){ NULL, 0 }).p, "nothing");
	CHECK("what is no address counts for nobody", good);
	emails(a);
	arena_free(a);
	return test_end();
}
