/*
 * The grant: what a worker passes to streamd when it hands a request over (X-Grant: base64url of a
 * JSON object). streamd trusts it because only nginx can reach its socket. Both sides use these
 * functions, so the format is in one place. Any thread; nothing blocks.
 */
#ifndef MILLRACE_GRANT_H
#define MILLRACE_GRANT_H

#include <millrace/arena.h>
#include <millrace/err.h>
#include <millrace/face.h>

#define GRANT_HEADERS_MAX 8

struct grant_header {
	struct str name;
	struct str value;
};

struct grant {
	struct str method; /* the client's: a HEAD gets no body */
	struct uuid user; /* absent: nobody has been identified */
	/* The user's credential; both absent: an external token, known by its hash. */
	struct uuid session, key;
	struct str token_hash; /* SHA-256, by which it is signed out */
	bool analytics; /* may see events about everybody */
	struct str topic; /* to stream, or on which a deferred reply's `result` comes */
	int64_t after; /* seq of the last event that the client has */
	int64_t expires_at; /* Unix seconds, when the stream ends; 0: never */
	int64_t wait_seconds; /* of a deferred reply */
	/* Its response at that time limit: status, 0 for the default, and JSON. */
	int timeout_status;
	struct str timeout_body;
	/* The run's text is the body, in the client's own format, and begins the response. */
	bool streams;
	enum face face; /* of errors, and of that text */
	bool cancels; /* the run is cancelled where its client goes away before the reply */
	struct grant_header headers[GRANT_HEADERS_MAX]; /* to add to the response */
	size_t n_headers;
	struct str request_id;
};

/* The header's value; the arena's. */
struct str grant_write(struct arena *a, const struct grant *g);
/* Reads it; strs are the arena's. ERR_BAD_REQUEST, with *out unchanged, where it is malformed. */
MUST_CHECK enum err grant_read(struct arena *a, struct str header, struct grant *out);

#endif
