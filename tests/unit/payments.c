/* lib/payments.c: the settings of payments, of which one that is wrong pays nobody. */
#include <millrace/payments.h>

#include "test.h"

#define ADDRESS "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

static void
networks(void)
{
	static const char list[] = "arc=5042/1, base=8453:" ADDRESS " local=31337";
	static const char *const bad[] = { "arc", "arc=", "=1", "arc=x", "arc=0", "arc=-1",
		"arc=1/0", "arc=1/x", "arc=1/1001", "arc=1:0x12", "Arc=1", "a b=1", "arc=1 arc=2",
		"arc=1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
		"arc=1:0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
		"a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1 n=1 o=1 p=1 q=1" };
	struct payment_network n;
	bool good = true;

	CHECK("networks: natively by default, of 18 decimals",
	    payment_network_find(list, S("arc"), &n) && n.chain_id == 5042 &&
		n.confirmations == 1 && !n.has_token && n.decimals == 18);
	CHECK("or by a token, of 6", payment_network_find(list, S("base"), &n) &&
					 n.chain_id == 8453 && n.confirmations == 12 &&
					 n.has_token && n.decimals == 6 &&
					 n.token.bytes[0] == 0x5a);
	CHECK("one that is not there is not found", payment_network_find(list, S("local"), &n) &&
							!payment_network_find(list, S("ar"), &n) &&
							!payment_network_find("", S(""), &n));
	CHECK("such lists fit", payment_networks_fit(list) && payment_networks_fit(""));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !payment_networks_fit(bad[i]), "%s", bad[i]);
	CHECK("others do not", good);
}

static void
recipients(void)
{
	static const char list[] =
	    "openai@arc=" ADDRESS " a.b@arc=0x0000000000000000000000000000000000000001";
	static const char *const bad[] = { "openai", "openai=" ADDRESS, "openai@arc",
		"@arc=" ADDRESS, "openai@=" ADDRESS, "openai@arc=", "openai@arc=0x12",
		"openai@arc=0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
		"openai@arc=0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed" };
	struct str to;
	bool good = true;

	CHECK("recipients are a provider's on a network",
	    payment_recipient(list, S("openai"), S("arc"), &to) && str_eq(to, S(ADDRESS)) &&
		payment_recipient(list, S("a.b"), S("arc"), &to) && to.n == 42);
	CHECK("and nobody else's", !payment_recipient(list, S("openai"), S("base"), &to) &&
				       !payment_recipient(list, S("OpenAI"), S("arc"), &to) &&
				       !payment_recipient(list, S(""), S("arc"), &to) &&
				       !payment_recipient("", S(""), S(""), &to));
	CHECK("such lists fit", payment_recipients_fit(list) && payment_recipients_fit(""));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !payment_recipients_fit(bad[i]), "%s", bad[i]);
	CHECK("others do not, wrong checksums among them", good);
}

int
main(void)
{
	networks();
	recipients();
	CHECK("nodes have addresses",
	    payment_urls_fit("arc=https://node.example/v2/key?x=y base=http://127.0.0.1:8545") &&
		payment_urls_fit("") && !payment_urls_fit("arc") &&
		!payment_urls_fit("arc=node.example") && !payment_urls_fit("arc=ftp://x"));
	return test_end();
}
