/*
 * Sealing: what is sealed to a public key (libsodium's crypto_box_seal) is opened by the holder of
 * the private key alone, which the sealer is not. Nothing here opens; runner/secrets/unseal.h does.
 *
 * A label is sealed with the value, the SHA-256 of its owner and name, so that a row which was
 * moved to another owner or name does not open there. In the box: one byte SEAL_VERSION, 32 bytes
 * of label, the value. sodium_init comes first; nothing blocks; any thread.
 */
#ifndef MILLRACE_SEAL_H
#define MILLRACE_SEAL_H

#include <millrace/arena.h>

#define SEAL_KEY_BYTES 32 /* of a public or a private key */
#define SEAL_LABEL_BYTES 32
#define SEAL_VERSION 1

/* The label of a secret in the vault; 32 bytes, the arena's, as all labels are. */
struct str seal_label(struct arena *a, const struct uuid *owner, struct str key);
/* The label of a provider's tokens for one of its users (include/millrace/oauth.h). */
struct str seal_oauth_label(struct arena *a, struct str provider, struct str subject);
/* The label of the key of an account that pays (include/millrace/evm.h). */
struct str seal_payment_label(struct arena *a, struct str network, struct str address);
/* The label and the text of a key's canary, which shows a runner whether its key fits. */
struct str seal_canary_label(struct arena *a);
#define SEAL_CANARY S("The key fits.")

/*
 * Seals `value` under `label` (32 bytes) to a public key of SEAL_KEY_BYTES; the arena's. Ends the
 * process where the key is no point of the curve.
 */
struct str seal(struct arena *a, const void *public_key, struct str label, struct str value);

/* Decodes hexadecimal digits (RFC 4648, 8; either case); the arena's. False where they are none. */
bool hex_decode(struct arena *a, struct str hex, struct str *out);

#endif
