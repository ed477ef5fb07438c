#include <arpa/inet.h>

#include <millrace/address.h>

#define NETWORK_BYTES 8 /* /64 */

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
