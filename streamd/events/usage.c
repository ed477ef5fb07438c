#include <stdlib.h>

#include <millrace/arena.h>

#include "streamd/events/usage.h"

struct user_usage *
usage_find(const struct usage *u, const struct uuid *user)
{
	struct user_usage *found;

	HASH_FIND(hh, u->users, user->text, sizeof(user->text), found);
	return found;
}

struct user_usage *
usage_get(struct usage *u, const struct uuid *user)
{
	struct user_usage *entry = usage_find(u, user);

	if (entry)
		return entry;
	entry = xmalloc(sizeof(*entry));
	*entry = (struct user_usage){ .user = *user };
	HASH_ADD(hh, u->users, user.text, sizeof(entry->user.text), entry);
	return entry;
}

void
usage_release(struct usage *u, struct user_usage *user)
{
	if (user->queries > 0 || user->streams > 0)
		return;
	HASH_DEL(u->users, user);
	free(user);
}

unsigned
usage_most_streams(const struct usage *u)
{
	unsigned most = 0;

	for (const struct user_usage *user = u->users; user; user = user->hh.next)
		if (user->streams > most)
			most = user->streams;
	return most;
}
