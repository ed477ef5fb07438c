/*
 * What each user has here at once: questions to the database that have no answer yet, and streams. A table of users, each of whom is in it
 * for as long as they have anything; it is its owner's, NULL where it is empty.
 */
#ifndef STREAMD_EVENTS_USAGE_H
#define STREAMD_EVENTS_USAGE_H

#include <uthash.h>

#include <millrace/str.h>

struct person;

struct holder {
	UT_hash_handle hh;
	struct uuid user;
	unsigned asks, streams;
	struct person *persons; /* whose streams they are, one each */
};

/* NULL where the user has nothing. */
struct holder *holder_find(struct holder *all, const struct uuid *user);
/* A new one where they have nothing. */
struct holder *holder_get(struct holder **all, const struct uuid *user);
/* Something was taken off; frees it where that was all. */
void holder_release(struct holder **all, struct holder *h);
/* The most streams that one user has. */
unsigned holders_most(const struct holder *all);

#endif
