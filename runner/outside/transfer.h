/*
 * What every service shares that is spoken to by libcurl, whatever the protocol: whom we trust,
 * handles that are kept with their connection, and a wait that a stop ends at once. A transfer
 * belongs to one thread at a time; the functions may be called by any.
 */
#ifndef RUNNER_OUTSIDE_TRANSFER_H
#define RUNNER_OUTSIDE_TRANSFER_H

#include <curl/curl.h>

#include "runner/queue/stop.h"

struct transfer {
	CURL *easy;
	CURLM *multi; /* owns the connection, so it is kept with the handle */
	int64_t last_ms; /* when something came last, by clock_ms(): callbacks set it */
	int64_t silence_ms; /* how long nothing may come; 0: any time */
	int64_t until_ms; /* when all of it has to be over, by clock_ms(); 0: no limit */
	/* Called after each tick_ms; it may make transfers of its own, and false ends this one */
	bool (*on_tick)(void *arg);
	void *tick_arg;
	int64_t tick_ms;
	int64_t next_tick; /* transfer.c's, as is what follows */
	struct transfer *next;
};

enum transfer_end {
	TRANSFER_OVER = 1, /* libcurl is done; *code says how */
	TRANSFER_SILENT, /* nothing came for silence_ms, or it was not over at until_ms */
	TRANSFER_ENDED, /* on_tick wants no more of it */
	TRANSFER_STOPPED /* the stop is set */
};

/* Once, before any thread makes a transfer. */
void transfer_init(void);
/*
 * A handle with nothing set but what all share: trust in the system's certificates (or
 * SSL_CERT_FILE's), no signals, no redirects, a connect timeout of ten seconds, our name. The
 * caller gives it back. Never NULL.
 */
struct transfer *transfer_acquire(void);
void transfer_release(struct transfer *t);
/* CURLOPT_SSL_CTX_FUNCTION of all of them: the authorities that are trusted. */
CURLcode transfer_on_tls(CURL *easy, void *context, void *arg);
/* Runs what t->easy was set up for; blocks. */
enum transfer_end transfer_run(struct transfer *t, struct stop *stop, CURLcode *code);

#endif
