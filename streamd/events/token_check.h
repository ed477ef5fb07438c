/*
 * Whose token came inside a stream (Socket.IO's CONNECT)? It may be any that a worker accepts in
 * Authorization: Millrace's own, an API key, an external issuer's. The signature is checked here,
 * the account, session and key in the database (stream_caller).
 *
 * One thread; nothing blocks. A callback may come before the call returns.
 */
#ifndef STREAMD_EVENTS_TOKEN_CHECK_H
#define STREAMD_EVENTS_TOKEN_CHECK_H

#include <millrace/err.h>
#include <millrace/loop.h>

#include "streamd/events/principal.h"

struct tokens;

/* A check under way; embed it in the object that waits, with `on_reply` set. It stays in place
   until on_reply, or token_check_cancel. */
struct token_check {
	struct token_request *request; /* NULL: nothing is under way */
	/* Called once. ERR_OK: *who is the token's principal (without on_change) until
	   `expires_at` (Unix seconds; 0: without end). ERR_UNAUTHORIZED: the token is not valid.
	   ERR_OVERLOADED: the database gave no reply. */
	void (*on_reply)(
	    struct token_check *check, enum err e, const struct principal *who, int64_t expires_at);
};

/* f stays the caller's and must outlive the result. Never NULL; the caller frees it with
   tokens_close, after the feed is closed, which ends what is under way. */
struct tokens *tokens_open(struct loop *l, struct feed *f);
void tokens_close(struct tokens *ts);
/* For the feed's table (feed.h), channel millrace_jwks: issuers' keys have changed. */
void tokens_on_notify(void *tokens, struct str payload);
void tokens_on_listen(void *tokens);

/* Checks the token, which is not kept. */
void token_check(struct tokens *ts, struct token_check *check, struct str token);
/* on_reply will not be called. Idempotent. */
void token_check_cancel(struct token_check *check);

#endif
