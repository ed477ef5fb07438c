/*
 * HTTP requests to other hosts: the one client for all that the runner asks, with a reply that is
 * taken whole or as it comes. Only https, and http where the URL says so; no redirects; time,
 * silence and size are bounded; connections are kept and used again. Each host has a circuit
 * breaker. Blocks the calling thread; its stop ends that at once. Any thread.
 */
#ifndef RUNNER_OUTSIDE_HTTP_H
#define RUNNER_OUTSIDE_HTTP_H

#include <millrace/arena.h>

#include "runner/queue/stop.h"

enum http_end {
	HTTP_DONE = 1, /* the reply is whole; status says what it is */
	HTTP_OPEN, /* the host's breaker is open: nothing was sent */
	HTTP_NO_CONNECT, /* nothing was sent */
	HTTP_FORBIDDEN, /* `foreign`, and the address is not a public one: nothing was sent */
	HTTP_SILENT, /* nothing came for too long, or not all of it in time */
	HTTP_CUT, /* broken off on the way */
	HTTP_TOO_LONG, /* the reply is longer than reply_max */
	HTTP_ENDED, /* on_body or on_tick wanted no more */
	HTTP_STOPPED /* the stop is set */
};

/* What on_body wants next. HTTP_ENOUGH: all is said, the rest is waited for only shortly. */
enum http_want { HTTP_MORE = 1, HTTP_ENOUGH, HTTP_NO_MORE };

struct http_request {
	/* What is asked. */
	const char *method; /* NULL: GET, or POST where there is a body */
	const char *url;
	const char *bearer; /* a token for Authorization, or NULL; never logged */
	const char *const *headers; /* lines; NULL at the end, or NULL */
	struct str body;

	/* How. */
	int64_t within_ms; /* for each try; 0: no limit */
	int64_t silence_ms; /* how long nothing may come; 0: within_ms says it */
	size_t reply_max; /* bytes of a reply that is taken whole */
	int tries; /* 0: one */
	/* May be sent again where it is not known what became of it, or the server says "later" */
	bool idempotent;
	/*
	 * Longest wait for the breaker, and before another try; a Retry-After beyond it ends the
	 * tries
	 */
	int64_t patience_ms;
	/*
	 * The URL is from somebody who is not the administrator: only public addresses, and no
	 * proxy
	 */
	bool foreign;
	/*
	 * A UNIX socket that the server listens at, which is a service of this host: it has no
	 * breaker. NULL: none
	 */
	const char *socket;
	/*
	 * For a reply that is taken as it comes: gets the bytes of one with status 2xx; NULL: it is
	 * taken whole.
	 */
	enum http_want (*on_body)(void *arg, struct str bytes);
	void *arg;
	/*
	 * Called with `arg` after each tick_ms until the reply is whole, and may make calls of its
	 * own; false ends this one (HTTP_ENDED). NULL: nothing is.
	 */
	bool (*on_tick)(void *arg);
	int64_t tick_ms;
	/* Set by on_body: an answer has begun, so the host is well even if it is cut off */
	bool useful;

	/* What came, of the last try. */
	int status; /* 0: none */
	bool was_sent; /* some of the request */
	/* Headers; "" for one that did not come or is longer. */
	char content_type[128];
	char etag[256], last_modified[64], mcp_session[128];
	const char *location; /* the arena's */
	int64_t retry_after_ms; /* -1: none given */
	struct str reply; /* the arena's; of a status that is not 2xx the first 16 KiB */
	char error[256]; /* what went wrong, for the log */
};

/* Makes the request and fills in what came. Only after HTTP_DONE it is the whole reply. */
enum http_end http_call(struct stop *stop, struct arena *a, struct http_request *q);

#endif
