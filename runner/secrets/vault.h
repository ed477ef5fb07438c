/*
 * The vault, as the runner has it: it alone opens secrets (MILLRACE_VAULT_KEY, and during a rotation MILLRACE_VAULT_KEY_OLD). A thread
 * looks whether the key fits the database, says so in plain words where it does not, and puts secrets that lie under an older key
 * under the one in force. Without a key that fits everything but the vault goes on.
 */
#ifndef RUNNER_SECRETS_VAULT_H
#define RUNNER_SECRETS_VAULT_H

#include <millrace/db.h>

/* Reads the keys and starts the thread; vault_stop ends and joins it. */
void vault_start(void);
void vault_stop(void);

/* 1: the key fits the database. 0: it does not, or is missing. -1: the vault has no key yet. */
int vault_fits(void);
/* Secrets put under the key in force by this process. */
long long vault_resealed(void);

/*
 * Opens `owner`'s secret of the name `key`; what for (`purpose`: "slack", "chat", …) is kept with the use. *value is the arena's, and
 * is for nobody's eyes: no log, no error text, no NOTIFY, no argument of a process. ERR_NOT_FOUND: there is none of this name.
 * ERR_OVERLOADED: the database is away, or this runner's key does not open it, which an administrator can put right; try again later.
 */
MUST_CHECK enum err vault_open(struct db *db, struct arena *a, struct uuid owner, struct str key,
    const char *purpose, struct str *value);

/*
 * Seals `value` to the key in force, for a row outside of `secret`; *sealed (base64) is the arena's, *key the key's id. ERR_NOT_FOUND:
 * this runner has no key that fits. ERR_OVERLOADED: the database is away.
 */
MUST_CHECK enum err vault_seal(struct db *db, struct arena *a, struct str label, struct str value,
    struct uuid *key, struct str *sealed);
/* Opens such a one, given in hexadecimal digits. False where this runner's keys do not. */
MUST_CHECK bool vault_unseal(
    struct arena *a, struct str label, struct str sealed_hex, struct str *value);

#endif
