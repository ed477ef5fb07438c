#include <unistd.h>

#include "runner/outside/sink.h"

bool
sink_clear(struct sink *s)
{
	s->n = 0;
	s->failed = false;
	return ftruncate(s->file, 0) == 0;
}

enum http_want
sink_write(void *arg, struct str bytes)
{
	struct sink *s = arg;

	if ((int64_t)bytes.n > s->most - s->n) {
		s->n = s->most + 1;
		return HTTP_NO_MORE;
	}
	s->failed = pwrite(s->file, bytes.p, bytes.n, (off_t)s->n) != (ssize_t)bytes.n;
	s->n += (int64_t)bytes.n;
	return s->failed ? HTTP_NO_MORE : HTTP_MORE;
}
