/*
 * lib/evm: Keccak-256, addresses, amounts, RLP and signed transactions, against published vectors
 * and those of tests/vectors, on which ethers and viem agree byte for byte.
 */
#include <sodium.h>

#include <millrace/evm.h>

#include "test.h"
#include "vectors.h"

static struct arena *mem;
static json_object *vectors;

static struct str
hex(const void *bytes, size_t n)
{
	return evm_hex(mem, (struct str){ bytes, n });
}

static struct str
bytes_of(struct str text)
{
	struct str bytes = { NULL, 0 };

	if (!evm_hex_decode(mem, text, &bytes))
		abort();
	return bytes;
}

/* -- Keccak-256 -- */

static void
hashes(void)
{
	json_object *list = json_at(vectors, "keccak");
	uint8_t hash[EVM_HASH_BYTES];
	bool good = json_object_array_length(list) > 0;
	char zeros[64] = { 0 };

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *v = json_object_array_get_idx(list, i);

		keccak256(json_text(v, "in"), hash);
		EACH(good, str_eq(hex(hash, sizeof(hash)), json_text(v, "keccak256")), "%s",
		    json_text(v, "in").p);
	}
	CHECK("Keccak-256 of texts around the length of a block", good);
	keccak256((struct str){ zeros, 64 }, hash);
	CHECK("Keccak-256 of 64 zeros, the slot of a mapping in Solidity",
	    str_eq(hex(hash, sizeof(hash)),
		S("0xad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5")));
}

/* -- texts -- */

static void
addresses(void)
{
	/* EIP-55's own: all capitals, all small letters, and both. */
	static const char *const eip55[] = { "0x52908400098527886E0F7030069857D2E4169EE7",
		"0x8617E340B3D01FA5F11F306F4090FD50E238070D",
		"0xde709f2102306220921060314715629080e2fb77",
		"0x27b1fdb04752bbc536007a920d24acb045561c26",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
		"0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
		"0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb" };
	static const char *const bad[] = { "", "0x", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
		"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
		"0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED",
		"5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
		"0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed0",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed00",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg" };
	json_object *list = json_at(vectors, "checksum");
	struct evm_address address;
	bool good = json_object_array_length(list) > 0;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *v = json_object_array_get_idx(list, i);
		struct str text = json_text(v, "eip55");

		memcpy(address.bytes, bytes_of(json_text(v, "in")).p, EVM_ADDRESS_BYTES);
		EACH(good, str_eq(evm_address_text(mem, &address), text), "%s", text.p);
		EACH(good, evm_address_parse(text, &address), "%s is taken", text.p);
	}
	for (size_t i = 0; i < sizeof(eip55) / sizeof(*eip55); i++)
		EACH(good,
		    evm_address_parse(str_from(eip55[i]), &address) &&
			str_eq(evm_address_text(mem, &address), str_from(eip55[i])),
		    "%s", eip55[i]);
	CHECK("addresses have the checksum of EIP-55", good);
	good = true;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !evm_address_parse(str_from(bad[i]), &address), "%s", bad[i]);
	CHECK("and another checksum, or none, is refused", good);
}

static void
quantities(void)
{
	static const char *const bad[] = { "", "0x", "1", "x1", "0xg", "-0x1", "0x 1",
		"0x100000000000000000000000000000000" };
	evm_int n;
	bool good = true;

	CHECK("quantities of JSON-RPC",
	    evm_quantity(S("0x0"), &n) && n == 0 && evm_quantity(S("0x1B4"), &n) && n == 436 &&
		evm_quantity(S("0xffffffffffffffffffffffffffffffff"), &n) && n + 1 == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !evm_quantity(str_from(bad[i]), &n), "%s", bad[i]);
	CHECK("what is none, or beyond 128 bits, is refused", good);
}

static bool
is_units(const char *decimal, int decimals, const char *units)
{
	evm_int n;

	return evm_units(str_from(decimal), decimals, &n) &&
	       str_eq(evm_decimal(mem, n, 0), str_from(units));
}

static void
amounts(void)
{
	static const char *const bad[] = { "", ".", "1.", ".5", "-1", "+1", "1e3", "NaN", "1 ",
		"0x1", "0.0000001", "0.1234567", "1.0000001", "340282366920938463463374607431769" };
	evm_int n = 0;
	bool good = true;

	CHECK("an amount is so many of the smallest unit",
	    is_units("0.0234", 18, "23400000000000000") && is_units("0.0234", 6, "23400") &&
		is_units("0.000001", 6, "1") &&
		is_units("1000000000", 18, "1000000000000000000000000000") &&
		is_units("12.50000000", 6, "12500000") && is_units("0", 6, "0") &&
		is_units("00.10", 1, "1"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !evm_units(str_from(bad[i]), 6, &n), "%s", bad[i]);
	CHECK("what is more exact than the currency, or no amount, is refused", good);
	CHECK("and back",
	    evm_units(S("340282366920938463463.374607431768211455"), 18, &n) && n + 1 == 0 &&
		str_eq(evm_decimal(mem, n, 18), S("340282366920938463463.374607431768211455")) &&
		str_eq(evm_decimal(mem, 23400, 6), S("0.0234")) &&
		str_eq(evm_decimal(mem, 12000000, 6), S("12")) &&
		str_eq(evm_decimal(mem, 0, 6), S("0")));
}

/* -- RLP -- */

static void
rlp(void)
{
	/* The examples of the Ethereum wiki's page on RLP. */
	static const char lorem[] = "Lorem ipsum dolor sit amet, consectetur adipisicing elit";
	struct buf b = { .a = mem }, list = { .a = mem };

	rlp_bytes(&list, S("cat"));
	rlp_bytes(&list, S("dog"));
	rlp_bytes(&b, S("dog"));
	rlp_list(&b, buf_str(&list));
	rlp_bytes(&b, S(""));
	rlp_list(&b, S(""));
	rlp_number(&b, 0);
	rlp_number(&b, 15);
	rlp_number(&b, 127);
	rlp_number(&b, 128);
	rlp_number(&b, 1024);
	CHECK("RLP of short strings, lists and numbers",
	    str_eq(
		evm_hex(mem, buf_str(&b)), S("0x83646f67c88363617483646f6780c0800f7f8180820400")));
	b = (struct buf){ .a = mem };
	rlp_bytes(&b, str_from(lorem));
	CHECK("of a string of more than 55 bytes",
	    b.n == sizeof(lorem) + 1 && memcmp(b.p, "\xb8\x38Lorem", 7) == 0);
	list = (struct buf){ .a = mem };
	for (int i = 0; i < 200; i++)
		rlp_bytes(&list, S("dog"));
	b = (struct buf){ .a = mem };
	rlp_list(&b, buf_str(&list));
	CHECK(
	    "of a list of more than 255 bytes", b.n == 803 && memcmp(b.p, "\xf9\x03\x20", 3) == 0);
}

/* -- transactions -- */

static evm_int
number(json_object *tx, const char *name)
{
	evm_int n = 0;

	if (json_has(tx, name) && !evm_units(json_text(tx, name), 0, &n))
		abort();
	return n;
}

static struct evm_tx
read_tx(json_object *o, struct evm_address *to)
{
	struct evm_tx tx = { .chain_id = (uint64_t)json_int(o, "chainId", 0),
		.nonce = (uint64_t)json_int(o, "nonce", 0),
		.legacy = json_int(o, "type", -1) == 0,
		.tip = number(o, "maxPriorityFeePerGas"),
		.gas = (uint64_t)number(o, "gasLimit"),
		.value = number(o, "value"),
		.data = bytes_of(json_text(o, "data")) };

	tx.fee = number(o, tx.legacy ? "gasPrice" : "maxFeePerGas");
	if (json_text(o, "to").p) {
		if (!evm_address_parse(json_text(o, "to"), to))
			abort();
		tx.to = to;
	}
	return tx;
}

static void
transactions(void)
{
	json_object *list = json_at(vectors, "vectors");
	bool digests = true, raws = true, names = true, keys = true;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *v = json_object_array_get_idx(list, i);
		const uint8_t *key = (const uint8_t *)bytes_of(json_text(v, "key")).p;
		struct evm_address to, of;
		struct evm_tx tx = read_tx(json_at(v, "tx"), &to);
		uint8_t hash[EVM_HASH_BYTES];
		struct str raw = S("");

		evm_tx_digest(mem, &tx, hash);
		EACH(digests, str_eq(hex(hash, sizeof(hash)), json_text(v, "unsignedHash")), "%zu",
		    i);
		EACH(raws,
		    evm_sign(mem, &tx, key, &raw, hash) &&
			str_eq(evm_hex(mem, raw), json_text(v, "raw")),
		    "%zu: %s", i, evm_hex(mem, raw).p);
		EACH(names, str_eq(hex(hash, sizeof(hash)), json_text(v, "hash")), "%zu", i);
		EACH(keys,
		    evm_key_address(key, &of) &&
			str_eq(evm_address_text(mem, &of), json_text(v, "address")),
		    "%zu", i);
	}
	CHECK("there are vectors", json_object_array_length(list) >= 100);
	CHECK("what is signed of a transaction", digests);
	CHECK("a signed transaction, by EIP-155 and EIP-1559", raws);
	CHECK("its hash", names);
	CHECK("a key's address", keys);
}

static void
refused_keys(void)
{
	/* The order of secp256k1's group: the first number that is no key. */
	struct str order =
	    bytes_of(S("0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
	uint8_t none[EVM_KEY_BYTES] = { 0 }, hash[EVM_HASH_BYTES];
	struct evm_tx tx = { .chain_id = 1, .data = S("") };
	struct evm_address of;
	struct str raw;

	CHECK("zero, and what is beyond the curve's order, is no key",
	    !evm_key_address(none, &of) && !evm_sign(mem, &tx, none, &raw, hash) &&
		!evm_key_address((const uint8_t *)order.p, &of) &&
		!evm_sign(mem, &tx, (const uint8_t *)order.p, &raw, hash));
}

static void
token_data(void)
{
	struct evm_address to;

	if (!evm_address_parse(S("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), &to))
		abort();
	CHECK("a token's transfer and balance, as Solidity's ABI has them",
	    str_eq(evm_hex(mem, evm_transfer_data(mem, &to, 1000001)),
		S("0xa9059cbb0000000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
		  "00000000000000000000000000000000000000000000000000000000000f4241")) &&
		str_eq(evm_hex(mem, evm_balance_data(mem, &to)),
		    S("0x70a082310000000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beae"
		      "d")));
}

int
main(void)
{
	if (sodium_init() < 0)
		abort();
	mem = arena_new();
	vectors = read_vectors(mem, "tests/vectors/evm-tx-vectors.json");
	if (!vectors)
		abort();
	hashes();
	addresses();
	quantities();
	amounts();
	rlp();
	transactions();
	refused_keys();
	token_data();
	arena_free(mem);
	return test_end();
}
