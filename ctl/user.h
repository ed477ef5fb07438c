/* What the commands about users share (user.c). */
#ifndef CTL_USER_H
#define CTL_USER_H

#include "ctl.h"

/* Fails with "there is no user …". */
int user_unknown(const char *login);
/* Reads a new password and hashes it, the arena's. Any error: it has said why. */
MUST_CHECK enum err user_password_hash(struct ctl *c, struct str *hash);
/* ctl_fail_db for what the last administrator keeps the database from. */
int user_fail(enum err e, const char *what);

#endif
