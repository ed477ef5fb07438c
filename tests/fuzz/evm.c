/*
 * RLP, by a reader of its own: whatever is put comes back, in the one form that RLP has for it. And
 * the readers of what nodes and settings say: what they take, they write again as it was.
 */
#undef NDEBUG
#include <assert.h>

#include <millrace/evm.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Reads a length of so many bytes, without zeros before it. */
static size_t
read_length(struct str *rest, size_t n)
{
	size_t len = 0;

	assert(n > 0 && n <= rest->n && rest->p[0] != 0);
	for (size_t i = 0; i < n; i++)
		len = len << 8 | (uint8_t)rest->p[i];
	rest->p += n;
	rest->n -= n;
	assert(len > 55);
	return len;
}

/* Takes an item off `rest`; *is_list says which it is. */
static struct str
read_item(struct str *rest, bool *is_list)
{
	uint8_t first;
	struct str item;
	size_t len;

	assert(rest->n > 0);
	first = (uint8_t)rest->p[0];
	*is_list = first >= 0xc0;
	if (first < 0x80) {
		item = (struct str){ rest->p, 1 };
	} else {
		uint8_t from = *is_list ? 0xc0 : 0x80;

		rest->p++;
		rest->n--;
		len = (size_t)(first - from);
		if (len > 55)
			len = read_length(rest, len - 55);
		assert(len <= rest->n);
		item = (struct str){ rest->p, len };
		/* A byte below 0x80 is its own encoding. */
		assert(*is_list || len != 1 || (uint8_t)item.p[0] >= 0x80);
	}
	rest->p += item.n;
	rest->n -= item.n;
	return item;
}

/* The bytes in pieces, as strings and as numbers, in a list. */
static void
round_trip(struct arena *a, struct str all)
{
	struct buf items = { .a = a }, list = { .a = a };
	struct str rest, inside, left = all;
	bool is_list;

	for (size_t len = 0; left.n > 0; len = (len * 3 + 1) % 70) {
		struct str piece = { left.p, len < left.n ? len : left.n };

		rlp_bytes(&items, piece);
		rlp_number(&items, (uint8_t)left.p[0]);
		left.p += piece.n + (piece.n < left.n);
		left.n -= piece.n + (piece.n < left.n);
	}
	rlp_list(&list, buf_str(&items));
	rest = buf_str(&list);
	inside = read_item(&rest, &is_list);
	assert(is_list && rest.n == 0 && str_eq(inside, buf_str(&items)));
	left = all;
	for (size_t len = 0; left.n > 0; len = (len * 3 + 1) % 70) {
		struct str piece = { left.p, len < left.n ? len : left.n }, item;

		item = read_item(&inside, &is_list);
		assert(!is_list && str_eq(item, piece));
		item = read_item(&inside, &is_list);
		assert(!is_list && item.n == (left.p[0] != 0) &&
		       (item.n == 0 || item.p[0] == left.p[0]));
		left.p += piece.n + (piece.n < left.n);
		left.n -= piece.n + (piece.n < left.n);
	}
	assert(inside.n == 0);
}

static void
texts(struct arena *a, struct str text)
{
	struct evm_address address;
	struct str bytes;
	evm_int units, again;

	if (evm_address_parse(text, &address))
		assert(str_eq(evm_address_text(a, &address), text));
	if (evm_hex_decode(a, text, &bytes))
		assert(str_eq_nocase(evm_hex(a, bytes), text));
	(void)!evm_quantity(text, &units);
	for (int decimals = 0; decimals <= EVM_NATIVE_DECIMALS; decimals += 6)
		if (evm_units(text, decimals, &units))
			assert(evm_units(evm_decimal(a, units, decimals), decimals, &again) &&
			       units == again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct str all = { (const char *)bytes, n };

	round_trip(a, all);
	texts(a, all);
	arena_free(a);
	return 0;
}
