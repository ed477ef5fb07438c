/*
 * The settings of payments in USDC: MILLRACE_PAYMENT_NETWORKS, MILLRACE_PAYMENT_URLS and
 * MILLRACE_PAYMENT_RECIPIENTS. Words are separated by blanks or commas. Functions of the text
 * alone: nothing blocks, any thread.
 */
#ifndef MILLRACE_PAYMENTS_H
#define MILLRACE_PAYMENTS_H

#include <millrace/evm.h>

#define PAYMENT_NETWORKS_MAX 16

struct payment_network {
	struct str name; /* of the list's text, which lives as long as the settings */
	uint64_t chain_id; /* the node has to have the same */
	int64_t confirmations; /* a payment counts when so many blocks have it: its own is one */
	bool has_token; /* pays by a transfer of the token; else of the native currency */
	struct evm_address token;
	int decimals; /* of what is transferred */
};

/*
 * The first word of *rest, NAME=CHAIN[/CONFIRMATIONS][:TOKEN], which is taken off. False: there is
 * none, or it is wrong (*rest then begins with it still).
 */
MUST_CHECK bool payment_network_next(struct str *rest, struct payment_network *out);
/* The network of a name. False: the list has none. */
MUST_CHECK bool payment_network_find(
    const char *list, struct str name, struct payment_network *out);
/*
 * The address that a provider is paid at on a network, of words PROVIDER@NETWORK=ADDRESS. False:
 * there is none.
 */
MUST_CHECK bool payment_recipient(
    const char *list, struct str provider, struct str network, struct str *address);
/* Are all words of such lists right? Their networks are compared with each other elsewhere. */
bool payment_networks_fit(const char *list);
bool payment_recipients_fit(const char *list);
bool payment_urls_fit(const char *list);

#endif
