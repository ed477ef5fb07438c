/*
 * A node of an EVM network, by JSON-RPC over HTTP (the Ethereum execution API). What it says is a
 * stranger's: sizes and forms are checked, and of errors that a node gives no text is read, since
 * nodes differ in them. Each function blocks for as long as a call may take, and its stop ends
 * that. Any thread; what is returned is the arena's.
 */
#ifndef RUNNER_OUTSIDE_CHAIN_H
#define RUNNER_OUTSIDE_CHAIN_H

#include <millrace/payments.h>

#include "runner/queue/stop.h"

struct chain {
	struct stop *stop;
	struct arena *a;
	struct payment_network network;
	const char *url;
	struct str problem; /* of the last call that was not CHAIN_OK, for the log */
};

enum chain_end {
	CHAIN_OK = 1,
	CHAIN_REFUSED, /* the node has answered with an error of its own */
	CHAIN_AWAY /* no answer, or none that is one; or the stop is set */
};

struct chain_fees {
	bool legacy; /* blocks have no base fee: EIP-155 */
	evm_int fee, tip; /* for a unit of gas: what a transaction should offer now */
};

struct chain_receipt {
	bool found; /* a block has the transaction */
	bool good; /* and it was not undone there */
	int64_t block_number, gas_used;
	struct str block_hash;
	evm_int gas_price;
};

/* The network of a name, as the settings have it. False: it is none, or has no node. */
MUST_CHECK bool chain_open(struct stop *stop, struct arena *a, struct str network, struct chain *c);

/* Has the node's chain the id of the settings? CHAIN_REFUSED: it has another. */
enum chain_end chain_check(struct chain *c);
enum chain_end chain_head(struct chain *c, int64_t *block);
/* How many transactions of the account blocks have; `safely`: so many that none can be undone. */
enum chain_end chain_count(struct chain *c, struct str address, bool safely, int64_t *count);
enum chain_end chain_fees(struct chain *c, struct chain_fees *fees);
/* What a transaction takes; CHAIN_REFUSED: it would fail. */
enum chain_end chain_gas(
    struct chain *c, struct str from, struct str to, evm_int value, struct str data, int64_t *gas);
enum chain_end chain_native_balance(struct chain *c, struct str address, evm_int *balance);
/* What the account can pay with: the token, or the native currency. */
enum chain_end chain_balance(struct chain *c, struct str address, evm_int *balance);
/* Sends a signed transaction ("0x…"). Whatever comes back: it may be there, so look for it. */
enum chain_end chain_send(struct chain *c, struct str raw);
enum chain_end chain_receipt(struct chain *c, struct str hash, struct chain_receipt *r);

#endif
