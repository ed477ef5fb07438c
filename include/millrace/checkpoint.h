/*
 * Checkpoints of the audit log: the end of its hash chain at some time, signed by a runner
 * (Ed25519, RFC 8032). Nothing here holds a private key; runner/audit/sign.c does. Any thread;
 * nothing blocks.
 */
#ifndef MILLRACE_CHECKPOINT_H
#define MILLRACE_CHECKPOINT_H

#include <millrace/arena.h>

#define CHECKPOINT_KEY_BYTES 32 /* of a public key, and of the seed that is the private one */
#define CHECKPOINT_SIGNATURE_BYTES 64

struct checkpoint {
	int64_t n; /* 1, 2, 3 … */
	int64_t seq; /* of the chain's last row at that time */
	struct str hash; /* that row's hash, in hexadecimal digits */
	int64_t at_us; /* Unix microseconds */
};

/*
 * The text that is signed: a line that begins no other text of ours, so that a signature cannot be
 * passed off as another's, then n, seq, hash and time, a line each; the arena's.
 */
struct str checkpoint_text(struct arena *a, const struct checkpoint *c);
/* "N:ROW:HASH", which is logged and may be kept elsewhere; the arena's. */
struct str checkpoint_name(struct arena *a, const struct checkpoint *c);
/*
 * Does the signature (64 bytes) verify under the public key (32 bytes)? False for any other length.
 * sodium_init comes first.
 */
bool checkpoint_is_signed(
    struct arena *a, const struct checkpoint *c, struct str public_key, struct str signature);
/*
 * What is wrong with `c`, which follows `last` (n 0: it is to be the first); NULL: nothing.
 * row_hash is the hash of the row that it names as that is now, absent where the row is gone. Key,
 * signature and hash in hexadecimal digits.
 */
const char *checkpoint_fault(struct arena *a, const struct checkpoint *last,
    const struct checkpoint *c, struct str public_key, struct str signature, struct str row_hash);

#endif
