/*
 * Mail (RFC 5322 with a text and an HTML body, RFC 2046) and its way out by SMTP (RFC 5321) through
 * the one relay that is configured. Encrypted by STARTTLS or from the start, unless the
 * administrator has said otherwise. Nothing here logs an address or a body.
 */
#ifndef RUNNER_OUTSIDE_MAIL_H
#define RUNNER_OUTSIDE_MAIL_H

#include <millrace/arena.h>

#include "runner/queue/stop.h"

struct mail {
	struct str to; /* one address, as address_is_email takes it */
	struct str id; /* hexadecimal; the same at every attempt, for Message-ID */
	struct str subject; /* ASCII */
	struct str text;
	struct str html;
};

/* The whole message with CRLF line ends; the arena's. No value can begin a line of its own. */
struct str mail_message(struct arena *a, const struct mail *m);

enum mail_end {
	MAIL_SENT = 1, /* the relay has taken it */
	MAIL_LATER, /* it may still go */
	MAIL_REFUSED, /* the relay said no for good */
	MAIL_STOPPED /* the stop is set */
};
/* Hands a message to the relay; blocks, two minutes at most. `error` gets what to log. */
enum mail_end mail_send(
    struct stop *stop, struct arena *a, struct str to, struct str message, char error[256]);

#endif
