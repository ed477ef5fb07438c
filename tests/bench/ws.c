#include "ws.h"

ssize_t
ws_take(const char *p, size_t n, struct ws_frame *out)
{
	const unsigned char *b = (const unsigned char *)p;
	size_t head = 2, len;

	if (n < 2)
		return 0;
	len = b[1];
	if ((b[0] & 0xf0) != 0x80 || (b[1] & 0x80))
		return -1;
	if (len == 126) {
		head = 4;
		if (n < head)
			return 0;
		len = (size_t)b[2] << 8 | b[3];
	} else if (len == 127) {
		head = 10;
		if (n < head)
			return 0;
		len = 0;
		for (int i = 2; i < 10; i++)
			len = len << 8 | b[i];
	}
	if (len > WS_MESSAGE_MAX)
		return -1;
	switch (b[0] & 0x0f) {
	case WS_TEXT:
	case WS_BINARY:
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		break;
	default:
		return -1;
	}
	if (n < head + len)
		return 0;
	*out = (struct ws_frame){ b[0] & 0x0f, { p + head, len } };
	return (ssize_t)(head + len);
}

size_t
ws_put(char *to, enum ws_opcode opcode, struct str payload)
{
	static const char mask[4] = { 0x11, 0x22, 0x33, 0x44 };
	size_t n = 0;

	to[n++] = (char)(0x80 | opcode);
	if (payload.n < 126) {
		to[n++] = (char)(0x80 | payload.n);
	} else {
		to[n++] = (char)(0x80 | 126);
		to[n++] = (char)(payload.n >> 8);
		to[n++] = (char)payload.n;
	}
	memcpy(to + n, mask, 4);
	n += 4;
	for (size_t i = 0; i < payload.n; i++)
		to[n++] = payload.p[i] ^ mask[i % 4];
	return n;
}
