/* What mails say. */
#ifndef RUNNER_JOBS_LETTER_H
#define RUNNER_JOBS_LETTER_H

#include "runner/outside/mail.h"

struct letter {
	const char *subject;
	const char *before; /* what has happened; {detail} is filled in */
	const char *action; /* what the link is called; NULL: there is none */
	const char *after; /* what else to do, or not */
};

extern const struct letter letter_reset, letter_invitation, letter_address_changed,
    letter_source_lost, letter_source_back;

/*
 * Fills in subject and bodies of *m, the arena's. `page` is the link's, with {token} in it, which
 * `token` fills; both are ignored where the letter has no link. `detail` fills the text's {detail}.
 */
void letter_write(struct arena *a, const struct letter *l, const char *page, struct str token,
    struct str detail, struct mail *m);

#endif
