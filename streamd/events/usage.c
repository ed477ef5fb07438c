#include <stdlib.h>

#include <millrace/arena.h>

#include "streamd/events/usage.h"

struct holder *
holder_find(struct holder *all, const struct uuid *user)
{
	struct holder *h;

	HASH_FIND(hh, all, user->text, sizeof(user->text), h);
	return h;
}

struct holder *
holder_get(struct holder **all, const struct uuid *user)
{
	struct holder *h = holder_find(*all, user);

	if (h)
		return h;
	h = xmalloc(sizeof(*h));
	*h = (struct holder){ .user = *user };
	HASH_ADD(hh, *all, user.text, sizeof(h->user.text), h);
	return h;
}

void
holder_release(struct holder **all, struct holder *h)
{
	if (h->asks > 0 || h->streams > 0)
		return;
	HASH_DEL(*all, h);
	free(h);
}

unsigned
holders_most(const struct holder *all)
{
	unsigned most = 0;

	for (const struct holder *h = all; h; h = h->hh.next)
		if (h->streams > most)
			most = h->streams;
	return most;
}
