/* streamd/websocket/deflate.c: which offers are accepted, and that messages come back unchanged. */
#include "streamd/websocket/deflate.h"
#include "test.h"

static struct arena *mem;

static struct str
line(const char *offers, uint8_t *bits)
{
	struct buf b = { .a = mem };

	*bits = deflate_negotiate(&b, str_from(offers));
	return b.n ? buf_str(&b) : S("");
}

#define TAKEN                                            \
	"Sec-WebSocket-Extensions: permessage-deflate; " \
	"server_no_context_takeover; client_no_context_takeover"

static void
negotiation(void)
{
	static const struct {
		const char *offers;
		uint8_t bits;
	} rows[] = {
		{ "permessage-deflate", 15 },
		{ "permessage-deflate; client_max_window_bits", 15 },
		{ "PerMessage-Deflate;client_max_window_bits=10", 15 },
		{ "permessage-deflate; server_max_window_bits=9", 9 },
		{ "permessage-deflate; server_max_window_bits=\"12\"", 12 },
		{ "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		    15 },
		{ "x-webkit-deflate-frame, permessage-deflate", 15 },
		{ "permessage-deflate; server_max_window_bits=8, permessage-deflate", 15 },
		{ "permessage-deflate; server_max_window_bits=16", 0 },
		{ "permessage-deflate; server_max_window_bits=09", 0 },
		{ "permessage-deflate; server_max_window_bits", 0 },
		{ "permessage-deflate; client_max_window_bits=7", 0 },
		{ "permessage-deflate; unknown", 0 },
		{ "permessage-deflate; server_no_context_takeover=1", 0 },
		{ "permessage-deflate; client_max_window_bits; client_max_window_bits", 0 },
		{ "", 0 },
		{ ",;=", 0 },
	};
	bool good = true;
	uint8_t bits;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct str said = line(rows[i].offers, &bits);

		EACH(good, bits == rows[i].bits && (bits == 0) == (said.n == 0), "%s: %u",
		    rows[i].offers, bits);
	}
	CHECK("offers", good);
	CHECK("no offer at all", line(NULL, &bits).n == 0 && bits == 0);
	CHECK("the response names the window that the offer names",
	    str_eq(line("permessage-deflate; server_max_window_bits=9", &bits),
		S(TAKEN "; server_max_window_bits=9\r\n")));
	CHECK("and no other", str_eq(line("permessage-deflate", &bits), S(TAKEN "\r\n")));
}

static void
messages(void)
{
	struct str small = { NULL, 0 }, again;
	uint32_t state = 5;
	bool good = true;

	for (size_t len = 128; len <= 300000; len = len * 3 + 1) {
		char *p = arena_alloc(mem, len);

		for (size_t i = 0; i < len; i++)
			p[i] = (char)("abcdefgh"[test_random(&state) % 8]);
		for (uint8_t bits = 9; bits <= 15; bits++) {
			struct str m = { p, len };

			EACH(good,
			    deflate_message(m, bits, &small) && small.n < len &&
				inflate_message(small, len, &again) == INFLATE_GOOD &&
				str_eq(again, m),
			    "%zu bytes, %u bits", len, bits);
			EACH(good, inflate_message(small, len - 1, &again) == INFLATE_TOO_LARGE,
			    "%zu", len);
		}
	}
	CHECK("messages come back, and not one byte more", good);
	CHECK("short ones are left alone", !deflate_message(S("hello"), 15, &small));
	CHECK("malformed data", inflate_message(S("\x07\xff\xff"), 100, &again) == INFLATE_BAD);
	CHECK("an empty block",
	    inflate_message(S("\x00"), 100, &again) == INFLATE_GOOD && again.n == 0);
	/* RFC 7692, 7.2.3.1, 7.2.3.4 and 7.2.3.5: two blocks; a final block; the example with a
	   final bit */
	CHECK("the RFC's Hello",
	    inflate_message(S("\xf2\x48\xcd\xc9\xc9\x07\x00"), 100, &again) == INFLATE_GOOD &&
		str_eq(again, S("Hello")));
	CHECK("in two blocks",
	    inflate_message(S("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), 100,
		&again) == INFLATE_GOOD &&
		str_eq(again, S("Hello")));
	CHECK("with a final block",
	    inflate_message(S("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 100, &again) == INFLATE_GOOD &&
		str_eq(again, S("Hello")));
}

/* A few kilobytes that inflate to a gigabyte. */
static void
bomb(void)
{
	size_t len = (size_t)64 * 1024 * 1024;
	char *zeros = xmalloc(len);
	struct str small, again;
	char *kept;
	bool made;

	memset(zeros, 0, len);
	made = deflate_message((struct str){ zeros, len }, 15, &small);
	free(zeros);
	kept = xmalloc(small.n);
	memcpy(kept, small.p, small.n);
	CHECK("a bomb is stopped at the limit",
	    made && small.n < 100000 &&
		inflate_message((struct str){ kept, small.n }, 65536, &again) == INFLATE_TOO_LARGE);
	free(kept);
}

int
main(void)
{
	mem = arena_new();
	negotiation();
	messages();
	bomb();
	arena_free(mem);
	return test_end();
}
