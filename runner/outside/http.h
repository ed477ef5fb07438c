/*
 * Requests to other hosts, by libcurl: one POST (or another method) whose reply is handed on as it comes. Blocks the job's thread; job_stop ends it at
 * once. Only https, and http where the configured address says so; no redirects; silence and size are bounded. Connections are
 * kept and used again.
 */
#ifndef MILLRACE_RUNNER_HTTP_H
#define MILLRACE_RUNNER_HTTP_H

#include <millrace/arena.h>

struct job;

enum http_end {
	HTTP_DONE = 1, /* the reply is whole; status says what it is */
	HTTP_NO_CONNECT, /* nothing was sent */
	HTTP_SILENT, /* nothing came for too long */
	HTTP_CUT, /* broken off on the way */
	HTTP_ENDED, /* the taker wanted no more */
	HTTP_STOPPED /* job_stop spoke */
};

/* What the taker of a reply's bytes wants next. */
enum http_want { HTTP_MORE = 1, HTTP_ENOUGH, HTTP_NO_MORE };

struct http_post {
	const char *url;
	const char *bearer; /* a key for Authorization, or NULL; never logged */
	struct str body; /* JSON */
	int64_t silence_ms;
	int64_t within_ms; /* for all of it; 0: as long as it is not silent */
	const char *method; /* NULL: POST. GET has no body */
	const char *const *headers; /* instead of those of a JSON POST; NULL at its end; or NULL */
	/* Takes bytes of a reply with status 200. HTTP_ENOUGH: all is said, the rest is waited for only shortly. */
	enum http_want (*take)(void *arg, struct str bytes);
	void *arg;

	int status; /* 0 where none came */
	char content_type[64];
	int64_t retry_after_ms; /* -1: none given */
	struct str error_body; /* of another status: its first 16 KiB, the arena's */
	char error[256]; /* curl's words, for the log */
};

/* Once, before any thread makes a request. Ends the process where the system's certificates cannot be read. */
void http_init(void);
/* Makes a CURL handle trust whom all others trust. */
void http_trust(void *easy);
/* Makes the request and fills in p's second half. Only HTTP_DONE says that `status` and what was taken are the whole reply. */
enum http_end http_post(struct job *j, struct arena *a, struct http_post *p);

/*
 * The circuit breaker of a host: after several failures in a row nobody calls it for a while, then one call tries.
 * breaker_wait_ms: 0 where a call may go, else how long it may not.
 */
int64_t breaker_wait_ms(const char *host);
void breaker_report(const char *host, bool good);

#endif
