/* The mail that a new password begins with. */
#ifndef RUNNER_JOBS_RESET_H
#define RUNNER_JOBS_RESET_H

#include "runner/outside/mail.h"

/*
 * Fills in subject and bodies of *m, the arena's, with a link that holds `token`.
 * MILLRACE_RESET_URL is set.
 */
void reset_mail(struct arena *a, struct str token, struct mail *m);

#endif
