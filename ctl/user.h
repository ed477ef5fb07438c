/* What the commands about users share (user.c). */
#ifndef CTL_USER_H
#define CTL_USER_H

#include <libpq-fe.h>

#include "ctl.h"

/* Fails with "there is no user …". */
int user_unknown(const char *login);
/* Reads a new password and hashes it, the arena's. Any error: it has said why. */
MUST_CHECK enum err user_password_hash(struct ctl *c, struct str *hash);
/* Says so on standard error, where the row's column has no administrators. */
void user_warn_no_admin(const PGresult *res, int column);

#endif
