#include <stdlib.h>

#include <uthash.h>

#include <millrace/arena.h>

#include "holder.h"

struct holder {
	UT_hash_handle hh;
	struct uuid user;
	struct holding has;
};

static struct holder *
find(const struct holder *all, const struct uuid *user)
{
	struct holder *x;

	HASH_FIND(hh, all, user->text, sizeof(user->text), x);
	return x;
}

void
holder_gains(struct holder **all, const struct uuid *user, struct holding more)
{
	struct holder *x = find(*all, user);

	if (!x) {
		x = xmalloc(sizeof(*x));
		*x = (struct holder){ .user = *user };
		HASH_ADD(hh, *all, user.text, sizeof(x->user.text), x);
	}
	x->has.asks += more.asks;
	x->has.streams += more.streams;
}

void
holder_loses(struct holder **all, const struct uuid *user, struct holding less)
{
	struct holder *x = find(*all, user);

	x->has.asks -= less.asks;
	x->has.streams -= less.streams;
	if (x->has.asks > 0 || x->has.streams > 0)
		return;
	HASH_DEL(*all, x);
	free(x);
}

struct holding
holder_of(const struct holder *all, const struct uuid *user)
{
	const struct holder *x = find(all, user);

	return x ? x->has : (struct holding){ 0 };
}

unsigned
holders_most(const struct holder *all)
{
	unsigned most = 0;

	for (const struct holder *x = all; x; x = x->hh.next)
		if (x->has.streams > most)
			most = x->has.streams;
	return most;
}
