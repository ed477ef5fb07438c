/*
 * Sealing: what is sealed to a public key (libsodium's crypto_box_seal) only the holder of the private key opens, which whoever sealed
 * it is not. Nothing here opens; that is the runner's (runner/secrets/unseal.h).
 *
 * Sealed with the value goes a label, the SHA-256 of what it belongs to, so that a row that was moved to another owner or name does
 * not open there. In the box: one byte 1, 32 bytes of label, the value.
 */
#ifndef MILLRACE_SEAL_H
#define MILLRACE_SEAL_H

#include <millrace/arena.h>

#define SEAL_KEY_BYTES 32 /* of a public or a private key */
#define SEAL_LABEL_BYTES 32
#define SEAL_VERSION 1

/* A secret's label: of its owner and its name. */
struct str seal_label(struct arena *a, const struct uuid *owner, struct str key);
/* The label of what a provider gave for one of its users (include/millrace/oauth.h). */
struct str seal_oauth_label(struct arena *a, struct str provider, struct str subject);
/* The label and the text of a key's canary. */
struct str seal_canary_label(struct arena *a);
#define SEAL_CANARY S("The key fits.")

/* Seals `value` under `label` to SEAL_KEY_BYTES of public key; the arena's. */
struct str seal(struct arena *a, const void *public_key, struct str label, struct str value);

/* Hexadecimal digits as bytes (RFC 4648, section 8; either case), the arena's; false where they are none. */
bool hex_decode(struct arena *a, struct str hex, struct str *out);

#endif
