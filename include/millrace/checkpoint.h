/*
 * Checkpoints of the audit chain: how it ended at some time, signed by a runner (Ed25519, RFC 8032). Nothing here holds a private key;
 * signing is the runner's (runner/audit/sign.c).
 */
#ifndef MILLRACE_CHECKPOINT_H
#define MILLRACE_CHECKPOINT_H

#include <millrace/arena.h>

#define CHECKPOINT_KEY_BYTES 32 /* of a public key, and of the seed that is the private one */
#define CHECKPOINT_SIGNATURE_BYTES 64

struct checkpoint {
	int64_t n; /* 1, 2, 3 … */
	int64_t seq; /* the chain's last row then */
	struct str hash; /* and its hash, in hexadecimal digits */
	int64_t at_us; /* Unix microseconds */
};

/* What is signed: a first line that no other text of ours begins with, then n, seq, hash and time, a line each; the arena's. */
struct str checkpoint_text(struct arena *a, const struct checkpoint *c);
/* "N:ROW:HASH", as it is logged and kept elsewhere; the arena's. */
struct str checkpoint_name(struct arena *a, const struct checkpoint *c);
/* Is it signed by the holder of the key? Anything that is not of the right length is not. */
bool checkpoint_is_signed(
    struct arena *a, const struct checkpoint *c, struct str public_key, struct str signature);

#endif
