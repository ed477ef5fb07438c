/*
 * What each user uses of this process: topic queries under way, streams, and the time that series
 * take. A user has an entry for as long as one of the first two is more than zero. One thread;
 * nothing blocks or fails.
 */
#ifndef STREAMD_EVENTS_USAGE_H
#define STREAMD_EVENTS_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include <millrace/str.h>

struct principal;

struct user_usage {
	UT_hash_handle hh;
	struct uuid user;
	bool trend_query; /* one of their series is being queried */
	unsigned queries; /* topic queries without a reply, cancelled ones included */
	unsigned streams;
	int64_t trend_from_ms; /* not before this is the next, on loop_now's clock */
	struct principal *principals; /* one for each stream (utlist.h) */
};

/* All users'. Zero-initialise it; it is empty, and holds no memory, once every entry is
   released. */
struct usage {
	struct user_usage *users;
};

/* The user's entry; NULL where they use nothing. The table's, until usage_release. */
struct user_usage *usage_find(const struct usage *u, const struct uuid *user);
/* The same, made where there is none; count something in it before the next call. */
struct user_usage *usage_get(struct usage *u, const struct uuid *user);
/* Frees the entry where nothing is counted in it any more; call it after each decrement. */
void usage_release(struct usage *u, struct user_usage *user);
/* The most streams that one user has; walks over all users. */
unsigned usage_most_streams(const struct usage *u);

#endif
