/* lib/guard.c: which addresses a URL that a user gave may lead to. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include <millrace/guard.h>
#include "test.h"

static bool
is_public(const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		return guard_is_public((struct sockaddr *)&in);
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
		abort();
	return guard_is_public((struct sockaddr *)&in6);
}

int
main(void)
{
	static const char *const refused[] = { "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",
		"100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.0.1",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170",
		"192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1",
		"198.19.255.255", "198.51.100.1", "203.0.113.9", "224.0.0.1", "239.255.255.250",
		"240.0.0.1", "255.255.255.255" };
	static const char *const refused6[] = { "::", "::1", "::10.0.0.1", "::8.8.8.8",
		"::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::127.0.0.1",
		"64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
		"2001:20::1", "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1",
		"3fff:fff:ffff::1", "5f00::1", "fc00::1", "fd12:3456:789a::1", "fe80::1", "febf::1",
		"fec0::1", "ff02::1", "ff0e::1", "::2", "4000::1", "1fff::1" };
	static const char *const allowed[] = { "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0",
		"100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255",
		"169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0",
		"192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255",
		"203.0.114.0", "223.255.255.255", "2000::1", "2001:200::1", "2001:4860:4860::8888",
		"2001:db7:ffff::1", "2001:db9::1", "2003::1", "2606:4700::1111", "2a00:1450::1",
		"3ffe::1", "3fff:1000::1" };
	static const char *const urls[] = { "https://example.org", "HTTP://example.org:8080/x?y#z",
		"https://8.8.8.8/", "https://[2606:4700::1111]:443/a@b",
		"https://xn--bcher-kva.example" };
	static const char *const no_urls[] = { "", "https", "https:", "https://", "https:///x",
		"https://?x", "ftp://example.org", "file:///etc/passwd", "//example.org",
		"https://a@example.org", "https://a:b@8.8.8.8", "https://example.org\\@x",
		"https://a b", "https://\xc3\xa9.org", "https://127.0.0.1", "https://127.1",
		"https://0x7f000001/", "https://2130706433", "https://0177.0.0.1",
		"https://[::1]:80/", "https://[::ffff:10.0.0.1]", "https://169.254.169.254/latest",
		"http://10.0.0.1:1" };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	bool good = true;

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		EACH(good, !is_public(refused[i]), "%s", refused[i]);
	CHECK(
	    "private, loopback, link-local, shared, multicast and reserved IPv4 is refused", good);
	for (size_t i = 0; i < sizeof(refused6) / sizeof(*refused6); i++)
		EACH(good, !is_public(refused6[i]), "%s", refused6[i]);
	CHECK("so is IPv6 that is not global unicast, or carries an IPv4 address", good);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		EACH(good, is_public(allowed[i]), "%s", allowed[i]);
	CHECK("their neighbours are public", good);
	CHECK("no other family is", !guard_is_public((struct sockaddr *)&un));
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
		EACH(good, guard_is_url(str_from(urls[i])), "%s", urls[i]);
	CHECK("a URL of http or https with a public host or a name is one", good);
	for (size_t i = 0; i < sizeof(no_urls) / sizeof(*no_urls); i++)
		EACH(good, !guard_is_url(str_from(no_urls[i])), "%s", no_urls[i]);
	CHECK("no other is, nor one with a user, or a private address in any form", good);
	CHECK("a header is one by its name, but for the connection's own",
	    guard_is_header(S("X-From")) && guard_is_header(S("accept")) &&
		!guard_is_header(S("")) && !guard_is_header(S("a b")) &&
		!guard_is_header(S("a\r\nb")) && !guard_is_header(S("HOST")) &&
		!guard_is_header(S("Transfer-Encoding")));
	return test_end();
}
