/*
 * A document of another host, fetched whole by GET: for what no job asks for, such as a set of keys. Blocks its thread. Trust, schemes
 * and redirects are as in http.h.
 */
#ifndef MILLRACE_RUNNER_FETCH_H
#define MILLRACE_RUNNER_FETCH_H

#include <stdatomic.h>

#include <millrace/arena.h>

struct fetch {
	const char *url;
	size_t most; /* bytes; a longer one is broken off */
	int64_t within_ms;
	const atomic_bool *stop; /* true: give up at once, within a second */

	int status; /* 0 where none came */
	struct str body; /* the arena's */
	char error[256]; /* why it did not come, for the log */
};

/* Did it come whole, with status 200? */
bool fetch(struct arena *a, struct fetch *f);

#endif
