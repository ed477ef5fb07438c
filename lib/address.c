#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <millrace/address.h>
#include <millrace/unicode.h>

#define NETWORK_BYTES 8 /* of an IPv6 address: its /64 */
#define GIVEN_MAX 2048 /* bytes that are looked at for an address */
#define EMAIL_MAX 254 /* RFC 5321, 4.5.3.1.3, less the angle brackets */

struct str
address_network(struct arena *a, struct str address)
{
	char given[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN];
	struct in6_addr six;
	struct in_addr four;

	if (address.n == 0 || address.n >= sizeof(given))
		return (struct str){ NULL, 0 };
	memcpy(given, address.p, address.n);
	if (strlen(given) != address.n)
		return (struct str){ NULL, 0 };
	if (inet_pton(AF_INET6, given, &six) == 1 && IN6_IS_ADDR_V4MAPPED(&six)) {
		memcpy(&four, six.s6_addr + 12, sizeof(four));
	} else if (inet_pton(AF_INET6, given, &six) == 1) {
		memset(six.s6_addr + NETWORK_BYTES, 0, sizeof(six.s6_addr) - NETWORK_BYTES);
		if (!inet_ntop(AF_INET6, &six, text, sizeof(text)))
			return (struct str){ NULL, 0 };
		return arena_printf(a, "%s/64", text);
	} else if (inet_pton(AF_INET, given, &four) != 1) {
		return (struct str){ NULL, 0 };
	}
	if (!inet_ntop(AF_INET, &four, text, sizeof(text)))
		return (struct str){ NULL, 0 };
	return arena_str(a, str_from(text));
}

struct network {
	int family;
	unsigned char prefix[16];
	unsigned bits;
};

/* One word of a list. */
static bool
network_parse(struct str word, struct network *n)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct str address, length = str_cut(word, '/', &address);
	int64_t bits = 0;

	if (address.n == 0 || address.n >= sizeof(text))
		return false;
	memcpy(text, address.p, address.n);
	*n = (struct network){ .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	n->bits = n->family == AF_INET6 ? 128 : 32;
	if (length.p && (!str_int(length, &bits) || bits < 0 || bits > (int64_t)n->bits))
		return false;
	if (length.p)
		n->bits = (unsigned)bits;
	return inet_pton(n->family, text, n->prefix) == 1;
}

static bool
network_holds(const struct network *n, int family, const unsigned char *bytes)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	return n->family == family && memcmp(bytes, n->prefix, whole) == 0 &&
	       (rest == 0 || (bytes[whole] ^ n->prefix[whole]) >> (8 - rest) == 0);
}

bool
address_is_networks(const char *text)
{
	struct str word, rest = str_from(text);
	struct network n;

	while (rest.p) {
		rest = str_cut(rest, ' ', &word);
		if (word.n > 0 && !network_parse(word, &n))
			return false;
	}
	return true;
}

bool
address_in_networks(const char *networks, const struct sockaddr *address)
{
	struct str word, rest = str_from(networks);
	unsigned char bytes[16] = { 0 };
	struct network n;

	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		memcpy(bytes, &in.sin_addr, sizeof(in.sin_addr));
	} else if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		memcpy(bytes, &in6.sin6_addr, sizeof(in6.sin6_addr));
	} else {
		return false;
	}
	while (rest.p) {
		rest = str_cut(rest, ' ', &word);
		if (word.n > 0 && network_parse(word, &n) &&
		    network_holds(&n, address->sa_family, bytes))
			return true;
	}
	return false;
}

bool
address_is_email(struct str s)
{
	struct str local, domain = str_cut(s, '@', &local);

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f ||
		    strchr("<>()[]\\,;:\"", s.p[i]))
			return false;
	return s.n <= EMAIL_MAX && str_utf8(s) && local.n > 0 && local.n <= 64 && domain.n > 0 &&
	       !memchr(domain.p, '@', domain.n) && domain.p[0] != '.' &&
	       domain.p[domain.n - 1] != '.';
}

struct str
address_of_sender(struct str from)
{
	struct str head, address = str_cut(from, '<', &head);

	if (!address.p)
		return from;
	(void)str_cut(address, '>', &head);
	return head;
}

bool
address_email(struct arena *a, struct str given, struct str *out)
{
	struct str local, domain, email;

	if (given.n > GIVEN_MAX || !str_utf8(given))
		return false;
	domain = str_cut(unicode_name(a, given), '@', &local);
	if (!domain.p || !unicode_domain(a, domain, &domain))
		return false;
	email = arena_printf(a, "%.*s@%.*s", S_ARG(unicode_name_lower(a, local)), S_ARG(domain));
	if (!address_is_email(email) || unicode_has_blanks(email))
		return false;
	*out = email;
	return true;
}

bool
address_login(struct arena *a, struct str given, struct str *out)
{
	if (!address_email(a, given, out))
		*out = unicode_name(a, given);
	return true;
}

struct str
address_for_mail(struct arena *a, struct str email)
{
	struct str local, domain = str_cut(email, '@', &local);

	if (!domain.p || !unicode_domain_ascii(a, domain, &domain))
		return email;
	return arena_printf(a, "%.*s@%.*s", S_ARG(local), S_ARG(domain));
}
