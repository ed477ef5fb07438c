#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <millrace/address.h>
#include <millrace/config.h>
#include <millrace/guard.h>

struct range {
	unsigned char prefix[16];
	unsigned bits;
};

static const struct range private4[] = {
	{ { 0 }, 8 }, /* this network */
	{ { 10 }, 8 }, /* private: RFC 1918 */
	{ { 100, 64 }, 10 }, /* shared: RFC 6598 */
	{ { 127 }, 8 }, /* loopback */
	{ { 169, 254 }, 16 }, /* link-local, and clouds' metadata */
	{ { 172, 16 }, 12 }, { { 192, 0, 0 }, 24 }, /* IETF protocol assignments */
	{ { 192, 0, 2 }, 24 }, /* documentation */
	{ { 192, 88, 99 }, 24 }, /* 6to4 relays */
	{ { 192, 168 }, 16 }, { { 198, 18 }, 15 }, /* benchmarks */
	{ { 198, 51, 100 }, 24 }, { { 203, 0, 113 }, 24 }, { { 224 }, 4 }, /* multicast */
	{ { 240 }, 4 }, /* reserved, and broadcast */
};

/*
 * Global unicast; what is not in it (::1, ::ffff:0:0/96, 64:ff9b::/96, fc00::/7, fe80::/10,
 * ff00::/8 …) is not public.
 */
static const struct range public6 = { { 0x20 }, 3 };
static const struct range private6[] = {
	{ { 0x20, 0x01, 0x00 }, 23 }, /* IETF protocol assignments, with Teredo */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
	{ { 0x20, 0x02 }, 16 }, /* 6to4 */
	{ { 0x3f, 0xff }, 20 }, /* documentation: RFC 9637 */
};

static bool
is_in(const unsigned char *address, const struct range *r)
{
	unsigned whole = r->bits / 8, rest = r->bits % 8;

	return memcmp(address, r->prefix, whole) == 0 &&
	       (rest == 0 || (address[whole] ^ r->prefix[whole]) >> (8 - rest) == 0);
}

static bool
is_in_any(const unsigned char *address, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_in(address, &ranges[i]))
			return true;
	return false;
}

bool
guard_lets(const struct sockaddr *address)
{
	const char *networks = config()->fetch_networks; /* NULL: settings were not read */

	return guard_is_public(address) || (networks && address_in_networks(networks, address));
}

bool
guard_is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;
		unsigned char bytes[4];

		memcpy(&in, address, sizeof(in));
		memcpy(bytes, &in.sin_addr, sizeof(bytes));
		return !is_in_any(bytes, private4, sizeof(private4) / sizeof(*private4));
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		return is_in(in6.sin6_addr.s6_addr, &public6) &&
		       !is_in_any(
			   in6.sin6_addr.s6_addr, private6, sizeof(private6) / sizeof(*private6));
	}
	return false;
}

/* Where the host is an address, by getaddrinfo's own rules ("0x7f.1", "2130706433"). */
static bool
is_private_literal(const char *host)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	bool private;

	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return false;
	private = !guard_lets(found->ai_addr);
	freeaddrinfo(found);
	return private;
}

bool
guard_is_url(struct str url)
{
	char host[256];
	struct str rest = url, scheme;
	size_t n;

	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] > '~' || url.p[i] == '\\')
			return false;
	rest = str_cut(rest, ':', &scheme);
	if ((!str_eq_nocase(scheme, S("http")) && !str_eq_nocase(scheme, S("https"))) ||
	    !str_starts(rest, S("//")))
		return false;
	rest = (struct str){ rest.p + 2, rest.n - 2 };
	for (n = 0; n < rest.n && !strchr("/?#", rest.p[n]); n++)
		if (rest.p[n] == '@')
			return false;
	rest.n = n;
	if (rest.n > 0 && rest.p[0] == '[')
		str_cut((struct str){ rest.p + 1, rest.n - 1 }, ']', &rest);
	else
		str_cut(rest, ':', &rest);
	if (rest.n == 0 || rest.n >= sizeof(host))
		return false;
	memcpy(host, rest.p, rest.n);
	host[rest.n] = '\0';
	return !is_private_literal(host);
}

bool
guard_is_header(struct str name)
{
	static const char *const ours[] = { "host", "content-length", "transfer-encoding",
		"connection", "keep-alive", "proxy-connection", "upgrade", "te", "trailer",
		"expect" };

	for (size_t i = 0; i < name.n; i++)
		if (!isalnum((unsigned char)name.p[i]) && !memchr("!#$%&'*+-.^_`|~", name.p[i], 15))
			return false;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (str_eq_nocase(name, str_from(ours[i])))
			return false;
	return name.n > 0;
}
