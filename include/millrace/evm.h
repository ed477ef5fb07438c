/*
 * What a transfer on an EVM network is made of: Keccak-256, addresses (EIP-55), amounts, RLP, and
 * transactions signed by EIP-155 or EIP-1559 (the Ethereum yellow paper, appendices B and F). Pure
 * functions of their arguments, but for evm_sign, which asks the kernel for random bytes against
 * side channels. Nothing blocks; any thread. What an arena gets is the caller's, as with the rest.
 */
#ifndef MILLRACE_EVM_H
#define MILLRACE_EVM_H

#include <stdint.h>

#include <millrace/arena.h>
#include <millrace/err.h>

#define EVM_ADDRESS_BYTES 20
#define EVM_HASH_BYTES 32
#define EVM_KEY_BYTES 32
#define EVM_WORD_BYTES 32 /* of an ABI value */

/* Native currencies have 18 decimals by the EVM's convention, USDC as a token (ERC-20) has 6. */
#define EVM_NATIVE_DECIMALS 18
#define EVM_USDC_DECIMALS 6

/*
 * An amount in a currency's smallest unit, a fee, a number of a node's. 128 bits hold 10^20 of a
 * currency with 18 decimals; what is larger is refused where it is read.
 */
__extension__ typedef unsigned __int128 evm_int;

struct evm_address {
	uint8_t bytes[EVM_ADDRESS_BYTES];
};

/* Keccak-256 as Ethereum has it: SHA-3's predecessor, which pads otherwise (FIPS 202 is another).
 */
void keccak256(struct str bytes, uint8_t hash[EVM_HASH_BYTES]);

/* "0x" and hexadecimal digits in lower case. */
struct str evm_hex(struct arena *a, struct str bytes);
/* The reverse, in either case, of an even number of digits. False for anything else. */
MUST_CHECK bool evm_hex_decode(struct arena *a, struct str text, struct str *out);
/* A JSON-RPC quantity (the Ethereum execution API): "0x1b4". False for none, or above 128 bits. */
MUST_CHECK bool evm_quantity(struct str text, evm_int *out);

/*
 * Reads an address with its checksum (EIP-55). False also for one in lower case alone, in which a
 * typing error would not show.
 */
MUST_CHECK bool evm_address_parse(struct str text, struct evm_address *out);
/* Its text with the checksum. */
struct str evm_address_text(struct arena *a, const struct evm_address *address);

/*
 * The one place that converts: a decimal number ("0.0234", as FIELD_DECIMAL and numeric give it)
 * into the smallest unit of a currency with so many decimals. False where it has more digits behind
 * the point than that (zeros at the end do not count), is negative, no number, or above 128 bits.
 */
MUST_CHECK bool evm_units(struct str decimal, int decimals, evm_int *out);
/* The reverse, without zeros at the end. */
struct str evm_decimal(struct arena *a, evm_int units, int decimals);

/* Data of a call of an ERC-20 token: transfer(address,uint256), balanceOf(address). */
struct str evm_transfer_data(struct arena *a, const struct evm_address *to, evm_int units);
struct str evm_balance_data(struct arena *a, const struct evm_address *of);

/* RLP (yellow paper, appendix B): appends a string of bytes, a number, a list of encoded items. */
void rlp_bytes(struct buf *b, struct str bytes);
void rlp_number(struct buf *b, evm_int n);
void rlp_list(struct buf *b, struct str items);

struct evm_tx {
	uint64_t chain_id;
	uint64_t nonce;
	bool legacy; /* EIP-155, else EIP-1559 */
	evm_int fee; /* a unit of gas costs so much at most: maxFeePerGas, or gasPrice */
	evm_int tip; /* EIP-1559: maxPriorityFeePerGas */
	uint64_t gas; /* limit */
	const struct evm_address *to; /* NULL: a contract is made */
	evm_int value;
	struct str data;
};

/* What is signed: the Keccak-256 of the transaction without its signature. */
void evm_tx_digest(struct arena *a, const struct evm_tx *tx, uint8_t hash[EVM_HASH_BYTES]);
/*
 * The signed transaction as eth_sendRawTransaction takes it, and its hash, by which nodes know it.
 * Signatures are deterministic (RFC 6979) and of low s (EIP-2): signed again it is the same. False:
 * `key` is no key of secp256k1.
 */
MUST_CHECK bool evm_sign(struct arena *a, const struct evm_tx *tx, const uint8_t key[EVM_KEY_BYTES],
    struct str *raw, uint8_t hash[EVM_HASH_BYTES]);
/* The address of a private key. False: it is none. */
MUST_CHECK bool evm_key_address(const uint8_t key[EVM_KEY_BYTES], struct evm_address *out);

#endif
