#include <millrace/payments.h>
#include <millrace/provider_list.h>

#define CONFIRMATIONS 12 /* where the setting does not say it */
#define CONFIRMATIONS_MOST 1000

/* CHAIN[/CONFIRMATIONS][:TOKEN] */
static bool
read_network(struct str value, struct payment_network *n)
{
	struct str chain, confirmations, token = str_cut(value, ':', &chain);
	int64_t id;

	confirmations = str_cut(chain, '/', &chain);
	n->confirmations = CONFIRMATIONS;
	n->has_token = token.p != NULL;
	n->decimals = n->has_token ? EVM_USDC_DECIMALS : EVM_NATIVE_DECIMALS;
	if (!str_int(chain, &id) || id <= 0)
		return false;
	n->chain_id = (uint64_t)id;
	return (!confirmations.p ||
		   (str_int(confirmations, &n->confirmations) && n->confirmations > 0 &&
		       n->confirmations <= CONFIRMATIONS_MOST)) &&
	       (!n->has_token || evm_address_parse(token, &n->token));
}

bool
payment_network_next(struct str *rest, struct payment_network *out)
{
	struct str before = *rest, value;
	struct payment_network n = { 0 };

	if (!provider_list_next_pair(rest, &n.name, &value))
		return false;
	if (value.p && provider_list_is_name(n.name) && read_network(value, &n)) {
		*out = n;
		return true;
	}
	*rest = before;
	return false;
}

bool
payment_network_find(const char *list, struct str name, struct payment_network *out)
{
	struct str rest = str_from(list);
	struct payment_network n;

	while (payment_network_next(&rest, &n))
		if (str_eq(n.name, name)) {
			*out = n;
			return true;
		}
	return false;
}

bool
payment_recipient(const char *list, struct str provider, struct str network, struct str *address)
{
	struct str rest = str_from(list), pair, its, value;

	while (provider_list_next_pair(&rest, &pair, &value)) {
		struct str at = str_cut(pair, '@', &its);

		if (value.p && str_eq(its, provider) && str_eq(at, network)) {
			*address = value;
			return true;
		}
	}
	return false;
}

bool
payment_networks_fit(const char *list)
{
	struct str rest = str_from(list), word, value;
	struct payment_network n, same;
	int many = 0;

	while (payment_network_next(&rest, &n)) {
		struct str behind = rest;

		if (++many > PAYMENT_NETWORKS_MAX)
			return false;
		while (payment_network_next(&behind, &same))
			if (str_eq(n.name, same.name))
				return false;
	}
	return !provider_list_next_pair(&rest, &word, &value);
}

bool
payment_recipients_fit(const char *list)
{
	struct str rest = str_from(list), pair, provider, value;
	struct evm_address address;

	while (provider_list_next_pair(&rest, &pair, &value)) {
		struct str network = str_cut(pair, '@', &provider);

		if (provider.n == 0 || !network.p || !provider_list_is_name(network) || !value.p ||
		    !evm_address_parse(value, &address))
			return false;
	}
	return true;
}

bool
payment_urls_fit(const char *list)
{
	struct str rest = str_from(list), name, url;

	while (provider_list_next_pair(&rest, &name, &url))
		if (!provider_list_is_name(name) || !url.p ||
		    !(str_starts(url, S("https://")) || str_starts(url, S("http://"))))
			return false;
	return true;
}
