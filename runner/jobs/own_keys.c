/*
 * A user's own keys: where their vault has a provider's, it is asked with that, and not with this
 * server's.
 */
#include <millrace/log.h>

#include "runner/jobs/own_keys.h"
#include "runner/runner.h"
#include "runner/secrets/vault.h"

static bool
is_listed(struct str names, const char *name)
{
	struct str one;

	while (names.p) {
		names = str_cut(names, ' ', &one);
		if (str_eq(one, str_from(name)))
			return true;
	}
	return false;
}

/* Puts the user's key into *p. One that is no key is sent as none, which the provider refuses. */
static enum err
open_key(struct job *j, struct provider *p)
{
	struct db *db = db_pool_acquire(runner.pool);
	struct str key = { NULL, 0 };
	enum err e = vault_open(db, j->a, j->owner, str_from(p->vault_key), "chat", &key);

	db_pool_release(runner.pool, db);
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	p->key = provider_key_is_good(key) ? arena_cstr(j->a, key) : "";
	p->is_own_key = true;
	return ERR_OK;
}

enum err
own_keys_use(struct job *j, const struct provider **first, struct str names)
{
	struct provider *before = NULL;
	enum err e = ERR_OK;

	if (names.n == 0)
		return ERR_OK;
	for (const struct provider *p = *first; p && e == ERR_OK; p = p->next) {
		struct provider *own = arena_alloc(j->a, sizeof(*own));

		*own = *p;
		if (p->wire && is_listed(names, p->vault_key))
			e = open_key(j, own);
		if (before)
			before->next = own;
		else
			*first = own;
		before = own;
	}
	return e;
}
