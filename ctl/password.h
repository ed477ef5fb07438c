/*
 * Reads a new password: on a terminal twice and without echo, elsewhere all of standard input less
 * one line end.
 */
#ifndef CTL_PASSWORD_H
#define CTL_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_MIN 8 /* bytes; the same as in the API */
#define PASSWORD_MAX 1024

struct password {
	char bytes[PASSWORD_MAX + 3]; /* room for a line end, and to notice one that is too long */
	size_t n;
};

/* Fills *p. False: it has printed why. The caller clears *p with explicit_bzero in both cases. */
bool password_read(struct password *p);

#endif
