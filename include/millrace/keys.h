/*
 * The process's copy of the public keys that external tokens are verified with. It is read from the
 * database on each connect, when the runner has fetched new ones (NOTIFY millrace_jwks), and every
 * minute; verification never waits for it. One thread: the loop's.
 */
#ifndef MILLRACE_KEYS_H
#define MILLRACE_KEYS_H

#include <millrace/pipe.h>

/* Zero-initialise with pipe and scratch, which stay the caller's. */
struct keys {
	struct pipe *pipe; /* its role may read the table jwks */
	struct arena *scratch; /* reset after each use */
	int64_t due_us, requested_us; /* the next load, the last request; on clock_us's clock */
};

/* Call it from the pipe's `up`: listens and loads. */
void keys_on_connect(struct keys *k);
/* Call it from the pipe's `notify`: loads on millrace_jwks; other channels are ignored. */
void keys_on_notify(struct keys *k, struct str channel);
/* Call it every second or so: loads when a minute has passed, or the last load failed. */
void keys_tick(struct keys *k);
/*
 * A token names a key of `issuer` that is unknown (external_verify): asks the runner to fetch that
 * issuer's keys, at most once a second for each process. Errors are ignored: the next token asks
 * again.
 */
void keys_request(struct keys *k, const char *issuer);

#endif
