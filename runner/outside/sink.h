/*
 * A file that a reply is written into as it comes (http.h's on_body), no longer than a bound.
 * Whoever calls http_call empties it before each try.
 */
#ifndef RUNNER_OUTSIDE_SINK_H
#define RUNNER_OUTSIDE_SINK_H

#include <millrace/err.h>

#include "runner/outside/http.h"

struct sink {
	int file; /* a descriptor that is written from its beginning */
	int64_t most; /* bytes */
	int64_t n; /* written; above `most`: there was more */
	bool failed; /* the file took no more */
};

/* Empties the file. False: it cannot be. */
MUST_CHECK bool sink_clear(struct sink *s);
/* on_body; arg is the sink. */
enum http_want sink_write(void *arg, struct str bytes);

#endif
