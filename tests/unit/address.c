/* lib/address.c: whom an address counts for. */
#include <millrace/address.h>

#include "test.h"

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
	arena_free(a);
	return test_end();
}
