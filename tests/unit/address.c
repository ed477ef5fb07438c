/* lib/address.c: whom an address counts for, and what one of mail looks like. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

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

static bool
is_form_of(struct arena *a, const char *given, const char *form)
{
	struct str out;

	return form ? address_email(a, str_from(given), &out) && str_eq(out, str_from(form))
		    : !address_email(a, str_from(given), &out);
}

/* Addresses of mail in the one form that is stored and compared. */
static const struct {
	const char *given, *form; /* NULL: it is none */
} mail_forms[] = {
	{ "ada@example.org", "ada@example.org" },
	{ "Ada.L+Tag@EXAMPLE.Org", "ada.l+tag@example.org" },
	{ "  ada@example.org\t\r\n", "ada@example.org" },
	{ "\xc2\xa0\xe3\x80\x80"
	  "ada@example.org\xe2\x80\x8b\xef\xbb\xbf",
	    "ada@example.org" },
	{ "ada@M\xc3\x9cNCHEN.example", "ada@m\xc3\xbcnchen.example" },
	{ "ada@mu\xcc\x88nchen.example", "ada@m\xc3\xbcnchen.example" },
	{ "ada@XN--MNCHEN-3YA.example", "ada@m\xc3\xbcnchen.example" },
	{ "ada@stra\xc3\x9f"
	  "e.example",
	    "ada@stra\xc3\x9f"
	    "e.example" },
	{ "ada@xn--strae-oqa.example", "ada@stra\xc3\x9f"
				       "e.example" },
	{ "ada@\xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82jp", "ada@\xe4\xbe\x8b\xe3\x81\x88.jp" },
	/* full-width letters, as Japanese keyboards write them */
	{ "\xef\xbd\x81\xef\xbd\x84\xef\xbd\x81\xef\xbc\xa0\xef\xbd\x85x.jp", "ada@ex.jp" },
	{ "GR\xc3\x9c\xc3\x9f"
	  "E@example.org",
	    "gr\xc3\xbc\xc3\x9f"
	    "e@example.org" },
	{ "gru\xcc\x88n@example.org", "gr\xc3\xbcn@example.org" },
	{ "a_b@under_score.example", "a_b@under_score.example" },
	{ "", NULL },
	{ " ", NULL },
	{ "ada", NULL },
	{ "@example.org", NULL },
	{ "ada@", NULL },
	{ "a@b@c", NULL },
	{ "a da@example.org", NULL },
	{ "a\xc2\xa0"
	  "da@example.org",
	    NULL },
	{ "a\xe2\x80\x8b"
	  "da@example.org",
	    NULL },
	{ "ada@exa mple.org", NULL },
	{ "ada@.example", NULL },
	{ "ada@example.", NULL },
	{ "ada@xn--.example", NULL },
	{ "ada@xn--999999999999999.example", NULL },
	{ "ada@a\xe2\x80\xae"
	  "b.example",
	    NULL },
	{ "\xff@b", NULL },
};
static const char *const for_relays[][2] = { { "ada@m\xc3\xbcnchen.example",
						 "ada@xn--mnchen-3ya.example" },
	{ "ada@example.org", "ada@example.org" },
	{ "gr\xc3\xbcn@m\xc3\xbcnchen.example", "gr\xc3\xbcn@xn--mnchen-3ya.example" } };

static void
forms(struct arena *a)
{
	struct str out;
	bool good = true;

	for (size_t i = 0; i < sizeof(mail_forms) / sizeof(*mail_forms); i++) {
		EACH(good, is_form_of(a, mail_forms[i].given, mail_forms[i].form), "%s",
		    mail_forms[i].given);
		EACH(good,
		    !mail_forms[i].form || is_form_of(a, mail_forms[i].form, mail_forms[i].form),
		    "%s, again", mail_forms[i].given);
	}
	EACH(good, !address_email(a, arena_printf(a, "a@%0253d", 1), &out), "255 bytes");
	EACH(
	    good, !address_email(a, arena_printf(a, "a@\xc3\xa4%0100000d", 1), &out), "much of it");
	CHECK("a mail address has one form", good);
	good = true;
	for (size_t i = 0; i < sizeof(for_relays) / sizeof(*for_relays); i++)
		EACH(good,
		    str_eq(address_for_mail(a, str_from(for_relays[i][0])),
			str_from(for_relays[i][1])),
		    "%s", for_relays[i][0]);
	CHECK("and one for relays", good);
	CHECK("a name to sign in by is no address, and keeps its case",
	    address_login(a,
		S(" \xef\xbc\xa1"
		  "da\xe3\x80\x80"),
		&out) &&
		str_eq(out, S("Ada")) && address_login(a, S(" Ada@Example.org "), &out) &&
		str_eq(out, S("ada@example.org")) && address_login(a, S("  "), &out) && out.p &&
		out.n == 0);
}

static bool
is_in(const char *list, const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return address_in_networks(list, (struct sockaddr *)&in);
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
		abort();
	return address_in_networks(list, (struct sockaddr *)&in6);
}

static void
networks(void)
{
	static const char *const lists[] = { "", "10.0.0.0/8", "10.1.2.3", "::1", "fd12::/32",
		" 10.1.0.0/16  fd12::/7 ", "0.0.0.0/0", "::/0", "10.1.2.3/32" };
	static const char *const none[] = { "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "x",
		"fd12::/129", "10.0.0.0/", "/8", "10.0.0.0/8,10.1.0.0/16", "10.0.0.0/8/8",
		"localhost", "0x7f.1" };
	static const struct {
		const char *list, *address;
		bool in;
	} cases[] = { { "10.0.0.0/8", "10.255.0.1", true }, { "10.0.0.0/8", "11.0.0.1", false },
		{ "10.1.2.3", "10.1.2.3", true }, { "10.1.2.3", "10.1.2.4", false },
		{ "192.168.4.0/22", "192.168.7.255", true },
		{ "192.168.4.0/22", "192.168.8.0", false }, { "0.0.0.0/0", "8.8.8.8", true },
		{ "0.0.0.0/0", "::1", false }, { "", "10.0.0.1", false },
		{ "::/0", "10.0.0.1", false }, { "fd12:3::/32", "fd12:3:4::5", true },
		{ "fd12:3::/32", "fd12:4::5", false }, { "10.9.0.0/16 ::1", "::1", true },
		{ "10.0.0.0/8", "::ffff:10.0.0.1", false } };
	bool good = true;

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		EACH(good, address_is_networks(lists[i]), "%s", lists[i]);
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		EACH(good, !address_is_networks(none[i]), "%s", none[i]);
	CHECK("what a list of networks is", good);
	good = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		EACH(good, is_in(cases[i].list, cases[i].address) == cases[i].in, "%s in %s",
		    cases[i].address, cases[i].list);
	CHECK("an address is in a network by its prefix", good);
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
	networks();
	emails(a);
	forms(a);
	arena_free(a);
	return test_end();
}
