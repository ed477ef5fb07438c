/*
 * The keys that external tokens are checked by: a process's copy of the database's, read anew on each connect, when the runner says
 * that they have changed (NOTIFY millrace_jwks), and every minute. Nobody waits for them.
 */
#ifndef MILLRACE_KEYS_H
#define MILLRACE_KEYS_H

#include <millrace/pipe.h>

/* Zero-initialise with both. */
struct keys {
	struct pipe *pipe; /* hears notifications, and may read the table jwks */
	struct arena *scratch; /* reset after each use */
	int64_t due_us, asked_us;
};

/* For the pipe's `up`: listens and reads. */
void keys_on_connect(struct keys *k);
/* For its `notify`; other channels are ignored. */
void keys_on_notify(struct keys *k, struct str channel);
/* Now and then. */
void keys_tick(struct keys *k);
/* A token came whose key, of `issuer`, is not known: the runner is asked for it, not too often. */
void keys_request(struct keys *k, const char *issuer);

#endif
