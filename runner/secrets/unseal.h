/* The other half of <millrace/seal.h>: private keys, and opening. Linked into the runner alone. */
#ifndef RUNNER_SECRETS_UNSEAL_H
#define RUNNER_SECRETS_UNSEAL_H

#include <millrace/err.h>
#include <millrace/seal.h>

struct key_pair {
	bool there;
	unsigned char public_key[SEAL_KEY_BYTES];
	unsigned char private_key[SEAL_KEY_BYTES];
};

/*
 * A private key in base64 with its public one. False: `text` is not 32 bytes in base64. An empty
 * one is "not there".
 */
MUST_CHECK bool key_pair_from(struct str text, struct key_pair *out);

/*
 * Opens what was sealed under `label`; *value is the arena's. False: another key's, another
 * label's, or damaged.
 */
MUST_CHECK bool unseal(struct arena *a, const struct key_pair *pair, struct str label,
    struct str sealed, struct str *value);

#endif
