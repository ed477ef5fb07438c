#include <sodium.h>

#include "streamd/json_scan.h"
#include "streamd/socketio/packet.h"

static bool
base64_read(struct arena *a, struct str text, struct str *out)
{
	size_t room = text.n / 4 * 3 + 3, len;
	unsigned char *bytes = arena_alloc(a, room);

	if (sodium_base642bin(bytes, room, text.p, text.n, NULL, &len, NULL,
		text.n % 4 == 0 ? sodium_base64_VARIANT_ORIGINAL
				: sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
		return false;
	*out = (struct str){ (const char *)bytes, len };
	return true;
}

bool
packet_read(struct arena *a, struct str text, struct packet *out)
{
	struct str data;

	if (text.n == 0)
		return false;
	data = (struct str){ text.p + 1, text.n - 1 };
	if (text.p[0] == 'b') {
		*out = (struct packet){ .type = PACKET_MESSAGE, .binary = true };
		return base64_read(a, data, &out->data);
	}
	if (text.p[0] < PACKET_OPEN || text.p[0] > PACKET_NOOP)
		return false;
	*out = (struct packet){ .type = (enum packet_type)text.p[0], .data = data };
	return true;
}

bool
payload_next(struct arena *a, struct str *rest, struct packet *out)
{
	struct str one;

	*rest = str_cut(*rest, PAYLOAD_SEPARATOR, &one);
	return packet_read(a, one, out);
}

void
packet_put(struct buf *b, bool binary, struct str message)
{
	size_t room;
	char *text;

	if (!binary) {
		buf_put(b, S("4"));
		buf_put(b, message);
		return;
	}
	room = sodium_base64_encoded_len(message.n, sodium_base64_VARIANT_ORIGINAL);
	text = arena_alloc(b->a, room);
	sodium_bin2base64(text, room, (const unsigned char *)message.p, message.n,
	    sodium_base64_VARIANT_ORIGINAL);
	buf_put(b, S("b"));
	buf_put(b, (struct str){ text, room - 1 });
}

/* s without its first n bytes. */
static struct str
after(struct str s, size_t n)
{
	return (struct str){ s.p + n, s.n - n };
}

static size_t
digits(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

static bool
read_attachments(struct str *s, struct sio_packet *p)
{
	size_t n = digits(*s);
	int64_t count;

	if (n == 0 || n == s->n || s->p[n] != '-' || !str_int((struct str){ s->p, n }, &count) ||
	    count < 1 || count > SIO_ATTACHMENTS_MAX)
		return false;
	p->attachments = (unsigned)count;
	*s = after(*s, n + 1);
	return true;
}

static bool
read_namespace(struct str *s, struct sio_packet *p)
{
	const char *comma;

	p->nsp = S("/");
	if (s->n == 0 || s->p[0] != '/')
		return true;
	comma = memchr(s->p, ',', s->n);
	p->nsp = (struct str){ s->p, comma ? (size_t)(comma - s->p) : s->n };
	*s = after(*s, p->nsp.n + (comma != NULL));
	return p->nsp.n <= SIO_NAMESPACE_MAX;
}

static bool
read_id(struct str *s, struct sio_packet *p)
{
	size_t n = digits(*s);

	p->id = SIO_NO_ID;
	if (n > 0 && (!str_int((struct str){ s->p, n }, &p->id) || p->id > SIO_ID_MAX))
		return false;
	*s = after(*s, n);
	return true;
}

/* The first argument names the event: a number, or a string that is not reserved by clients. */
static bool
names_event(struct str data)
{
	static const char *const reserved[] = { "\"connect\"", "\"connect_error\"",
		"\"disconnect\"", "\"disconnecting\"", "\"newListener\"", "\"removeListener\"",
		NULL };
	struct str name;

	if (!json_scan_element(&data, &name) || str_is_in(name, reserved))
		return false;
	return name.p[0] == '"' || name.p[0] == '-' || (name.p[0] >= '0' && name.p[0] <= '9');
}

/* Does the data fit the packet's type? Optional data may be absent. */
static bool
data_is_good(const struct sio_packet *p)
{
	bool array = p->data.p && p->data.p[0] == '[', object = p->data.p && p->data.p[0] == '{';

	switch (p->type) {
	case SIO_CONNECT:
		return !p->data.p || object;
	case SIO_DISCONNECT:
		return !p->data.p;
	case SIO_EVENT:
	case SIO_BINARY_EVENT:
		return array && names_event(p->data);
	case SIO_ACK:
	case SIO_BINARY_ACK:
		return array && p->id != SIO_NO_ID;
	case SIO_CONNECT_ERROR:
		break;
	}
	return object || (p->data.p && p->data.p[0] == '"');
}

bool
sio_read(struct str text, struct sio_packet *out)
{
	struct sio_packet p = { 0 };
	struct str s = text;

	if (s.n == 0 || s.p[0] < '0' || s.p[0] > '6')
		return false;
	p.type = (enum sio_type)(s.p[0] - '0');
	s = after(s, 1);
	if ((p.type == SIO_BINARY_EVENT || p.type == SIO_BINARY_ACK) && !read_attachments(&s, &p))
		return false;
	if (!read_namespace(&s, &p) || !read_id(&s, &p))
		return false;
	if (s.n > 0) {
		if (!json_scan_is_value(s, p.attachments))
			return false;
		p.data = s;
	}
	if (!data_is_good(&p))
		return false;
	*out = p;
	return true;
}

void
sio_put(struct buf *b, const struct sio_packet *p)
{
	buf_put(b, (struct str){ &"0123456"[p->type], 1 });
	if (p->attachments > 0)
		buf_printf(b, "%u-", p->attachments);
	if (p->nsp.p && !str_eq(p->nsp, S("/"))) {
		buf_put(b, p->nsp);
		buf_put(b, S(","));
	}
	if (p->id != SIO_NO_ID)
		buf_printf(b, "%lld", (long long)p->id);
	buf_put(b, p->data);
}

#define MSGPACK_NSP "\xa3nsp"

bool
sio_is_msgpack(struct str bytes, struct str *nsp)
{
	const struct str key = S(MSGPACK_NSP);
	struct str rest = { NULL, 0 };
	size_t len;

	if (bytes.n < 6 || ((unsigned char)bytes.p[0] & 0xf0) != 0x80 ||
	    !str_starts(after(bytes, 1), S("\xa4type")))
		return false;
	/* The client writes the namespace last. */
	for (size_t i = bytes.n - key.n; i > 0 && !rest.p; i--)
		if (str_starts(after(bytes, i), key))
			rest = after(bytes, i + key.n);
	*nsp = S("/");
	if (rest.n == 0)
		return true;
	len = (unsigned char)rest.p[0] & 0x1f;
	if (((unsigned char)rest.p[0] & 0xe0) != 0xa0) {
		if (rest.p[0] != '\xd9' || rest.n < 2)
			return true;
		rest = after(rest, 1);
		len = (unsigned char)rest.p[0];
	}
	rest = after(rest, 1);
	if (len <= rest.n && len <= SIO_NAMESPACE_MAX && str_utf8((struct str){ rest.p, len }))
		*nsp = (struct str){ rest.p, len };
	return true;
}

static void
put_msgpack_text(struct buf *b, struct str text)
{
	const char head[] = { '\xd9', (char)text.n };

	buf_put(b, (struct str){ head, sizeof(head) });
	buf_put(b, text);
}

void
sio_put_msgpack_error(struct buf *b, struct str nsp, struct str text)
{
	buf_put(b, S("\x83\xa4type\x04" MSGPACK_NSP));
	put_msgpack_text(b, nsp);
	buf_put(b, S("\xa4"
		     "data\x81\xa7message"));
	put_msgpack_text(b, text);
}
