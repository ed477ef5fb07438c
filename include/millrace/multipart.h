/*
 * multipart/form-data (RFC 7578, RFC 2046), parsed as it arrives: parts are reported as they come,
 * and no more is buffered than one part's headers. At most 128 parts, and 8 KiB of headers a part.
 * Never blocks; allocates in the arena only; one thread at a time.
 */
#ifndef MILLRACE_MULTIPART_H
#define MILLRACE_MULTIPART_H

#include <millrace/arena.h>
#include <millrace/err.h>

struct multipart;

/* An err other than ERR_OK from any of these ends the parse and is returned by multipart_feed. */
struct multipart_events {
	/* A part begins. file_name is absent for a plain field. The strs live until its end. */
	enum err (*part)(void *arg, struct str name, struct str file_name);
	/* Some of its bytes, in order; any number of times. They are gone after the call. */
	enum err (*data)(void *arg, struct str bytes);
	enum err (*part_end)(void *arg);
};

/*
 * A parser for a body of this Content-Type, the arena's; `events` must outlive it and gets `arg`.
 * NULL where it is not multipart/form-data with a boundary of 1 to 70 characters.
 */
struct multipart *multipart_new(
    struct arena *a, struct str content_type, const struct multipart_events *events, void *arg);
/* Parses the body's next bytes. ERR_BAD_REQUEST: malformed; multipart_problem says why. */
MUST_CHECK enum err multipart_feed(struct multipart *m, struct str bytes);
/* The body has ended. ERR_BAD_REQUEST where its closing boundary is missing. */
MUST_CHECK enum err multipart_end(struct multipart *m);
/* What was malformed, a sentence for the client; a literal. */
const char *multipart_problem(const struct multipart *m);

#endif
