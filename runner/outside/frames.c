#include <string.h>

#include "runner/outside/frames.h"

/* Takes of the head what is there; true: it is whole. */
static bool
read_head(struct frames *f, struct str *bytes)
{
	size_t n = sizeof(f->head) - f->n_head;

	if (n > bytes->n)
		n = bytes->n;
	memcpy(f->head + f->n_head, bytes->p, n);
	f->n_head += n;
	bytes->p += n;
	bytes->n -= n;
	return f->n_head == sizeof(f->head);
}

enum frames_end
frames_feed(struct frames *f, struct str bytes,
    bool (*on_bytes)(void *arg, unsigned int stream, struct str bytes), void *arg)
{
	while (bytes.n > 0) {
		size_t n;

		if (f->left == 0) {
			f->n_head %= sizeof(f->head);
			if (!read_head(f, &bytes))
				return FRAMES_MORE;
			if (f->head[0] >= FRAMES_STREAMS || f->head[1] || f->head[2] || f->head[3])
				return FRAMES_BAD;
			f->left = (uint32_t)f->head[4] << 24 | (uint32_t)f->head[5] << 16 |
				  (uint32_t)f->head[6] << 8 | f->head[7];
			continue;
		}
		n = f->left < bytes.n ? f->left : bytes.n;
		if (!on_bytes(arg, f->head[0], (struct str){ bytes.p, n }))
			return FRAMES_ENOUGH;
		f->left -= (uint32_t)n;
		bytes.p += n;
		bytes.n -= n;
	}
	return FRAMES_MORE;
}
