/*
 * The migrations that are built in (sql/migrations), for `millracectl migrate` and for the check at each program's start.
 */
#ifndef MILLRACE_MIGRATIONS_H
#define MILLRACE_MIGRATIONS_H

#include <stddef.h>

/* The last migration that this build knows. */
extern const int migration_latest;

/* A migration, built in. */
struct migration {
	int version;
	const char *name;
	const char *sha256;
	const char *sql;
};
extern const struct migration migrations[];

#endif
