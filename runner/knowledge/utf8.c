#include "runner/knowledge/utf8.h"

size_t
utf8_next(struct str s, uint32_t *c)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t len = p[0] < 0xc0 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (len > s.n || len == 1) {
		*c = p[0];
		return 1;
	}
	*c = p[0] & (0xffU >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*c = *c << 6 | (p[i] & 0x3f);
	return len;
}
