#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#include "streamd/websocket/deflate.h"

/* A message shorter than this fits one packet either way. */
#define WORTH_IT 128
#define BITS_MIN 9 /* zlib cannot make raw streams with a window of 8 */
#define BITS_MAX 15
#define MEMORY_LEVEL 8
/* The largest buffer that is kept between messages. */
#define KEEP_MAX ((size_t)256 * 1024)

/* The end of every message, omitted on the wire (RFC 7692, 7.2.1). */
static const unsigned char tail[4] = { 0x00, 0x00, 0xff, 0xff };

struct bytes {
	unsigned char *p;
	size_t room;
};

static void
need(struct bytes *b, size_t room)
{
	if (b->room >= room && (b->room <= KEEP_MAX || room > KEEP_MAX))
		return;
	free(b->p);
	b->p = xmalloc(room);
	b->room = room;
}

/* ------------------------------------------------------------ negotiation */

struct offer {
	bool good;
	bool window_given; /* client_max_window_bits: the response may name one, and does not */
	uint8_t bits; /* server_max_window_bits; 0: not given */
};

/* "9" or "\"9\"". */
static uint8_t
window(struct str value)
{
	int64_t n;

	if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
		value = (struct str){ value.p + 1, value.n - 2 };
	return value.p && str_int(value, &n) && n >= 8 && n <= BITS_MAX && value.p[0] != '0'
		   ? (uint8_t)n
		   : 0;
}

/* One parameter; an unknown, repeated or malformed one makes the offer invalid (RFC 7692, 7.1). */
static void
parameter(struct offer *o, unsigned *seen, struct str text)
{
	static const struct str names[] = { { "server_no_context_takeover", 26 },
		{ "client_no_context_takeover", 26 }, { "server_max_window_bits", 22 },
		{ "client_max_window_bits", 22 } };
	struct str name, value = str_cut(text, '=', &name);
	unsigned which = 0;

	name = str_trim(name);
	value = value.p ? str_trim(value) : value;
	while (which < 4 && !str_eq_nocase(name, names[which]))
		which++;
	if (which == 4 || *seen & 1U << which || (which < 2 && value.p) ||
	    (which == 2 && (o->bits = window(value)) < BITS_MIN) ||
	    (which == 3 && value.p && window(value) == 0))
		o->good = false;
	*seen |= 1U << which;
}

static struct offer
offer_read(struct str text)
{
	struct offer o = { .good = false };
	struct str name, rest = str_cut(text, ';', &name);
	unsigned seen = 0;

	o.good = str_eq_nocase(str_trim(name), S("permessage-deflate"));
	while (rest.p) {
		struct str one;

		rest = str_cut(rest, ';', &one);
		parameter(&o, &seen, str_trim(one));
	}
	return o;
}

uint8_t
deflate_negotiate(struct buf *reply, struct str offers)
{
	while (offers.n > 0) {
		struct str text;
		struct offer o;

		offers = str_cut(offers, ',', &text);
		o = offer_read(text);
		if (!o.good)
			continue;
		buf_put(reply, S("Sec-WebSocket-Extensions: permessage-deflate; "
				 "server_no_context_takeover; client_no_context_takeover"));
		if (o.bits > 0)
			buf_printf(reply, "; server_max_window_bits=%u", (unsigned)o.bits);
		buf_put(reply, S("\r\n"));
		return o.bits > 0 ? o.bits : BITS_MAX;
	}
	return 0;
}

/* --------------------------------------------------------------- messages */

/* One compressor for each window in use. */
static z_stream *
deflater(uint8_t bits)
{
	static z_stream *all[BITS_MAX + 1];
	z_stream *z = all[bits];

	if (z) {
		(void)deflateReset(z);
		return z;
	}
	z = xmalloc(sizeof(*z));
	*z = (z_stream){ 0 };
	if (deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -(int)bits, MEMORY_LEVEL,
		Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	all[bits] = z;
	return z;
}

bool
deflate_message(struct str message, uint8_t bits, struct str *out)
{
	static struct bytes into;
	z_stream *z;

	if (message.n < WORTH_IT || message.n > UINT32_MAX / 2)
		return false;
	z = deflater(bits);
	/* Output that does not fit is no gain. */
	need(&into, message.n);
	z->next_in = (const unsigned char *)message.p;
	z->avail_in = (uInt)message.n;
	z->next_out = into.p;
	z->avail_out = (uInt)message.n;
	if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in > 0 || z->avail_out == 0)
		return false;
	*out = (struct str){ (const char *)into.p, message.n - z->avail_out - sizeof(tail) };
	return true;
}

static z_stream *
inflater(void)
{
	static z_stream *z;

	if (z) {
		(void)inflateReset(z);
		return z;
	}
	z = xmalloc(sizeof(*z));
	*z = (z_stream){ 0 };
	if (inflateInit2(z, -BITS_MAX) != Z_OK)
		abort();
	return z;
}

/* Inflates one piece; a final block ends one stream, and the message may go on with another (RFC
   7692, 7.2.3.5). */
static bool
inflate_piece(z_stream *z, const void *p, size_t n)
{
	z->next_in = p;
	z->avail_in = (uInt)n;
	while (z->avail_in > 0 && z->avail_out > 0) {
		int e = inflate(z, Z_SYNC_FLUSH);

		if (e == Z_STREAM_END) {
			if (inflateReset(z) != Z_OK)
				return false;
		} else if (e == Z_BUF_ERROR) {
			return true; /* needs more input */
		} else if (e != Z_OK) {
			return false;
		}
	}
	return true;
}

enum inflate_result
inflate_message(struct str message, size_t max, struct str *out)
{
	static struct bytes into;
	z_stream *z = inflater();
	size_t room = message.n < max / 8 ? message.n * 8 + 64 : max + 1;

	/* Once more from the start where the first guess of the size was too small. */
	for (;;) {
		need(&into, room);
		z->next_out = into.p;
		z->avail_out = (uInt)room;
		if (!inflate_piece(z, message.p, message.n) ||
		    (z->avail_out > 0 && !inflate_piece(z, tail, sizeof(tail))))
			return INFLATE_BAD;
		if (z->avail_out > 0) {
			*out = (struct str){ (const char *)into.p, room - z->avail_out };
			return out->n > max ? INFLATE_TOO_LARGE : INFLATE_GOOD;
		}
		if (room > max)
			return INFLATE_TOO_LARGE;
		room = max + 1;
		z = inflater();
	}
}
