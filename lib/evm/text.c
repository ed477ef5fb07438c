/* Numbers, addresses and amounts as people and nodes write them. */
#include <ctype.h>

#include <millrace/evm.h>

#define ADDRESS_DIGITS ((size_t)2 * EVM_ADDRESS_BYTES)

static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct str
evm_hex(struct arena *a, struct str bytes)
{
	static const char digits[] = "0123456789abcdef";
	char *text = arena_alloc(a, 2 * bytes.n + 3);

	text[0] = '0';
	text[1] = 'x';
	for (size_t i = 0; i < bytes.n; i++) {
		text[2 * i + 2] = digits[(uint8_t)bytes.p[i] >> 4];
		text[2 * i + 3] = digits[(uint8_t)bytes.p[i] & 15];
	}
	return (struct str){ text, 2 * bytes.n + 2 };
}

bool
evm_hex_decode(struct arena *a, struct str text, struct str *out)
{
	size_t n = text.n / 2 - (text.n >= 2);
	char *bytes;

	if (text.n < 2 || text.n % 2 != 0 || !str_starts(text, S("0x")))
		return false;
	bytes = arena_alloc(a, n + 1);
	for (size_t i = 0; i < n; i++) {
		int high = digit_of(text.p[2 * i + 2]), low = digit_of(text.p[2 * i + 3]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (char)(high << 4 | low);
	}
	*out = (struct str){ bytes, n };
	return true;
}

bool
evm_quantity(struct str text, evm_int *out)
{
	evm_int n = 0;

	if (text.n < 3 || !str_starts(text, S("0x")))
		return false;
	for (size_t i = 2; i < text.n; i++) {
		int digit = digit_of(text.p[i]);

		if (digit < 0 || n >> 124 != 0)
			return false;
		n = n << 4 | (unsigned)digit;
	}
	*out = n;
	return true;
}

struct str
evm_address_text(struct arena *a, const struct evm_address *address)
{
	struct str plain =
	    evm_hex(a, (struct str){ (const char *)address->bytes, EVM_ADDRESS_BYTES });
	char *text = arena_cstr(a, plain);
	uint8_t hash[EVM_HASH_BYTES];

	keccak256((struct str){ text + 2, ADDRESS_DIGITS }, hash);
	for (size_t i = 0; i < ADDRESS_DIGITS; i++)
		if ((i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15) >= 8)
			text[i + 2] = (char)toupper((unsigned char)text[i + 2]);
	return (struct str){ text, plain.n };
}

bool
evm_address_parse(struct str text, struct evm_address *out)
{
	struct arena *a = arena_new();
	struct evm_address address;
	struct str bytes;
	bool good = evm_hex_decode(a, text, &bytes) && bytes.n == EVM_ADDRESS_BYTES;

	if (good) {
		memcpy(address.bytes, bytes.p, EVM_ADDRESS_BYTES);
		good = str_eq(text, evm_address_text(a, &address));
	}
	if (good)
		*out = address;
	arena_free(a);
	return good;
}

/* *n times ten and a digit more; false above 128 bits. */
static bool
add_digit(evm_int *n, char c)
{
	const evm_int most = ~(evm_int)0;
	unsigned digit = (unsigned)(unsigned char)c - '0';

	if (digit > 9 || *n > (most - digit) / 10)
		return false;
	*n = *n * 10 + digit;
	return true;
}

bool
evm_units(struct str decimal, int decimals, evm_int *out)
{
	struct str whole, part = str_cut(decimal, '.', &whole);
	evm_int n = 0;

	if (whole.n == 0 || (part.p && part.n == 0))
		return false;
	while (part.n > 0 && part.p[part.n - 1] == '0')
		part.n--;
	if (part.n > (size_t)decimals)
		return false;
	for (size_t i = 0; i < whole.n; i++)
		if (!add_digit(&n, whole.p[i]))
			return false;
	for (size_t i = 0; i < (size_t)decimals; i++)
		if (!add_digit(&n, i < part.n ? part.p[i] : '0'))
			return false;
	*out = n;
	return true;
}

struct str
evm_decimal(struct arena *a, evm_int units, int decimals)
{
	char text[64], *end = text + sizeof(text) - 1, *p = end;
	int behind = 0;
	bool shown = false;

	*end = '\0';
	for (; behind < decimals; behind++, units /= 10) {
		char c = (char)('0' + (int)(units % 10));

		if (c != '0' || shown)
			*--p = c;
		shown = shown || c != '0';
	}
	if (shown)
		*--p = '.';
	do {
		*--p = (char)('0' + (int)(units % 10));
		units /= 10;
	} while (units > 0);
	return arena_printf(a, "%s", p);
}

/* A value of the ABI: a number's or an address's bytes, at the end of a word. */
static void
put_word(struct buf *b, struct str bytes)
{
	static const char zeros[EVM_WORD_BYTES] = { 0 };

	buf_put(b, (struct str){ zeros, EVM_WORD_BYTES - bytes.n });
	buf_put(b, bytes);
}

struct str
evm_transfer_data(struct arena *a, const struct evm_address *to, evm_int units)
{
	struct buf b = { .a = a };
	char number[sizeof(units)];

	for (size_t i = 0; i < sizeof(units); i++)
		number[i] = (char)(units >> (8 * (sizeof(units) - 1 - i)));
	buf_put(&b, S("\xa9\x05\x9c\xbb"));
	put_word(&b, (struct str){ (const char *)to->bytes, EVM_ADDRESS_BYTES });
	put_word(&b, (struct str){ number, sizeof(number) });
	return buf_str(&b);
}

struct str
evm_balance_data(struct arena *a, const struct evm_address *of)
{
	struct buf b = { .a = a };

	buf_put(&b, S("\x70\xa0\x82\x31"));
	put_word(&b, (struct str){ (const char *)of->bytes, EVM_ADDRESS_BYTES });
	return buf_str(&b);
}
