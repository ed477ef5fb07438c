/*
 * Asking for a new password: on a terminal twice and without echo, elsewhere the whole of standard input, less one line end.
 */
#ifndef CTL_PASSWORD_H
#define CTL_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_MIN 8 /* bytes; as the API's own checks */
#define PASSWORD_MAX 1024

struct password {
	char bytes[PASSWORD_MAX + 3]; /* room to see that it is too long, and for its line end */
	size_t n;
};

/* Fills *p. False: it has said why. The caller clears *p with explicit_bzero in both cases. */
bool password_read(struct password *p);

#endif
