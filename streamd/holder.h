/*
 * What each user has here at once: questions to the database that have no answer yet, and streams. A table of users, each of whom is in it
 * for as long as they have anything; it is its owner's, NULL where it is empty.
 */
#ifndef STREAMD_HOLDER_H
#define STREAMD_HOLDER_H

#include <millrace/str.h>

struct holder;

struct holding {
	unsigned asks, streams;
};

#define HOLDS_ASK ((struct holding){ .asks = 1 })
#define HOLDS_STREAM ((struct holding){ .streams = 1 })

void holder_gains(struct holder **all, const struct uuid *user, struct holding more);
/* Of what was gained. */
void holder_loses(struct holder **all, const struct uuid *user, struct holding less);
struct holding holder_of(const struct holder *all, const struct uuid *user);
/* The most streams that one user has. */
unsigned holders_most(const struct holder *all);

#endif
