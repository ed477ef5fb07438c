/*
 * Packets of Engine.IO and Socket.IO. The first byte selects how the rest is read: a payload of
 * packets, a message of Socket.IO, or JSON, where json_scan.c and json_parse agree but for some
 * escapes. What is read is written and read again the same.
 */
#undef NDEBUG
#include <assert.h>

#include <millrace/json.h>

#include "streamd/socketio/packet.h"
#include "streamd/json_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
message(struct arena *a, struct str text)
{
	struct sio_packet p, again;
	struct buf b = { .a = a };
	struct str rest, element;

	if (!sio_read(text, &p))
		return;
	assert(p.attachments <= SIO_ATTACHMENTS_MAX && p.nsp.n <= SIO_NAMESPACE_MAX);
	assert(p.id >= SIO_NO_ID && p.id <= SIO_ID_MAX);
	sio_put(&b, &p);
	assert(sio_read(buf_str(&b), &again));
	assert(again.type == p.type && again.attachments == p.attachments && again.id == p.id);
	assert(str_eq(again.nsp, p.nsp) && str_eq(again.data, p.data));
	if (p.type == SIO_CONNECT || p.type == SIO_DISCONNECT || p.type == SIO_CONNECT_ERROR)
		return;
	for (rest = p.data; json_scan_element(&rest, &element);)
		assert(element.n > 0 && json_scan_is_value(element, 0));
}

static void
payload(struct arena *a, struct str text)
{
	struct str rest = text, nsp;
	struct packet p, again;

	do {
		struct buf b = { .a = a };

		if (!payload_next(a, &rest, &p))
			return;
		if (p.type != PACKET_MESSAGE)
			continue;
		packet_put(&b, p.binary, p.data);
		assert(packet_read(a, buf_str(&b), &again) && again.binary == p.binary &&
		       str_eq(again.data, p.data));
		if (!p.binary)
			message(a, p.data);
		else if (sio_is_msgpack(p.data, &nsp))
			assert(nsp.n <= SIO_NAMESPACE_MAX && str_utf8(nsp));
	} while (rest.p);
}

static void
json(struct arena *a, struct str text)
{
	json_object *o;
	const char *why;
	bool taken, scanned;

	/* The messages' UTF-8 has been checked before. */
	if (!str_utf8(text))
		return;
	taken = json_parse(a, text, &o, &why) == ERR_OK;
	scanned = json_scan_is_value(text, 0);
	assert(!taken || scanned);
	assert(!scanned || taken || strcmp(why, "null") == 0 ||
	       strcmp(why, "a number is not finite") == 0 ||
	       strcmp(why, "a number's exponent has more than three digits") == 0 ||
	       strcmp(why, "a number has too many digits") == 0 ||
	       strcmp(why, "a string holds NUL") == 0 ||
	       strcmp(why, "a string holds half a character") == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a;
	struct str rest;

	if (n < 1)
		return 0;
	a = arena_new();
	rest = (struct str){ (const char *)bytes + 1, n - 1 };
	if (bytes[0] % 3 == 0)
		payload(a, rest);
	else if (bytes[0] % 3 == 1)
		message(a, rest);
	else
		json(a, rest);
	arena_free(a);
	return 0;
}
