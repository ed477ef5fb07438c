/*
 * The vault, as the runner has it: it alone opens secrets (MILLRACE_VAULT_KEY, and during a
 * rotation MILLRACE_VAULT_KEY_OLD). Periodic work looks whether the key fits the database, says so
 * in plain words where it does not, and puts secrets that lie under an older key under the one in
 * force. Without a key that fits everything but the vault goes on. Any thread may call these.
 */
#ifndef RUNNER_SECRETS_VAULT_H
#define RUNNER_SECRETS_VAULT_H

#include "runner/queue/periodic.h"

/* Once, before the first thread: reads the keys. vault_end, after the last, wipes them. */
void vault_init(void);
void vault_end(void);
/* The row "vault" of the periodic work. */
int64_t vault_run(struct db *db, struct arena *a, struct stop *stop);

/* 1: the key fits the database. 0: it does not, or is missing. -1: the vault has no key yet. */
int vault_fits(void);
/* Secrets put under the key in force by this process. */
long long vault_resealed(void);

/*
 * Opens `owner`'s secret of the name `key`; what for (`purpose`: "slack", "chat", …) is kept with
 * the use. *value is the arena's, and is for nobody's eyes: no log, no error text, no NOTIFY, no
 * argument of a process. ERR_NOT_FOUND: there is none of this name. ERR_OVERLOADED: the database is
 * away, or this runner's key does not open it, which an administrator can put right; try again
 * later.
 */
MUST_CHECK enum err vault_open(struct db *db, struct arena *a, struct uuid owner, struct str key,
    const char *purpose, struct str *value);

/*
 * Seals `value` to the key in force, for a row outside of `secret`. `keys` are the rows of
 * runner_vault_keys; *sealed (base64) is the arena's, *key the key's id. False: this runner has no
 * key that fits.
 */
MUST_CHECK bool vault_seal(struct arena *a, const PGresult *keys, struct str label,
    struct str value, struct uuid *key, struct str *sealed);
/* Opens such a one, given in hexadecimal digits. False where this runner's keys do not. */
MUST_CHECK bool vault_unseal(
    struct arena *a, struct str label, struct str sealed_hex, struct str *value);

#endif
