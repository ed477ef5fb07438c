/*
 * The grant: what a worker tells streamd when it hands a request over (X-Grant: base64url of a JSON object). streamd trusts it
 * because only nginx can reach its socket. Both sides use these two functions, so the form is in one place.
 */
#ifndef MILLRACE_GRANT_H
#define MILLRACE_GRANT_H

#include <millrace/arena.h>
#include <millrace/err.h>

#define GRANT_HEADERS_MAX 8

struct grant_header {
	struct str name;
	struct str value;
};

struct grant {
	struct str method; /* the client's: HEAD gets no body */
	struct uuid
	    user; /* absent: nobody has been identified (a socket's handshake is answered all the same) */
	struct uuid session, key; /* what the user came by; both absent: somebody else's token … */
	struct str token_hash; /* … the SHA-256 that it is signed out by */
	bool
	    analytics; /* may see what is about everybody: an administrator, or the scope analytics:read */
	struct str
	    topic; /* what is streamed, or where the reply's `result` event will come: "run:<id>" */
	int64_t after; /* events up to this seq have been seen */
	int64_t expires_at; /* Unix seconds: the stream ends then; 0: never */
	int64_t wait_seconds; /* a reply: how long to wait for it */
	int timeout_status; /* a reply that did not come: this status … */
	struct str timeout_body; /* … and this JSON */
	struct grant_header headers[GRANT_HEADERS_MAX]; /* to add to the answer */
	size_t n_headers;
	struct str request_id;
};

/* The header's value; the arena's. */
struct str grant_write(struct arena *a, const struct grant *g);
/* ERR_BAD_REQUEST where it is not one. Strs point into the arena. */
MUST_CHECK enum err grant_read(struct arena *a, struct str header, struct grant *out);

#endif
