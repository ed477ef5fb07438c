/*
 * What the runner asks of the providers that people sign in with (include/millrace/oauth.h): tokens
 * for a code or a refresh token, who somebody is, and that tokens be revoked. Each blocks the job's
 * thread until its stop. What comes is the job's arena's. Tokens are for nobody's eyes: no log, no
 * error text, no NOTIFY.
 */
#ifndef RUNNER_IDENTITY_OAUTH_H
#define RUNNER_IDENTITY_OAUTH_H

#include <millrace/external.h>
#include <millrace/oauth.h>

#include "runner/outside/http.h"
#include "runner/queue/job.h"

enum oauth_end {
	OAUTH_OK = 1,
	OAUTH_REFUSED, /* the provider takes this code or token no more */
	OAUTH_AWAY, /* no answer */
	OAUTH_BAD, /* an answer that is not good; the log says why */
	OAUTH_STOPPED /* the job's stop is set */
};

struct tokens {
	struct str access;
	struct str refresh; /* absent where there is none */
	struct str id_token;
	struct str scope;
	int64_t lasts; /* seconds; 0: the provider did not say */
};

/* RFC 6749, 4.1.3 with RFC 7636, 4.5. Sent at most once. */
MUST_CHECK enum oauth_end tokens_by_code(struct job *j, const struct oauth_provider *p,
    struct str code, struct str verifier, struct tokens *out);
/* RFC 6749, 6. Where no other refresh token comes, out->refresh is the same. */
MUST_CHECK enum oauth_end tokens_by_refresh(
    struct job *j, const struct oauth_provider *p, struct str refresh, struct tokens *out);
/*
 * RFC 7009, or GitHub's way. OAUTH_REFUSED: they were of no use already. OAUTH_OK at once where the
 * provider has no such thing.
 */
MUST_CHECK enum oauth_end tokens_revoke(
    struct job *j, const struct oauth_provider *p, const struct tokens *t);

/* What is sealed of them: {"access_token", "refresh_token"}; and back. */
struct str tokens_pack(struct arena *a, const struct tokens *t);
MUST_CHECK bool tokens_unpack(struct arena *a, struct str text, struct tokens *out);

/* Whose tokens these are: by the id_token, or GitHub's API. */
MUST_CHECK enum oauth_end oauth_profile_read(struct job *j, const struct oauth_provider *p,
    const struct tokens *t, struct str nonce, struct external *out);

/*
 * Asks a provider what `q` says, with the bounds that all share: eight seconds, 256 KiB, three
 * tries where that does no harm.
 */
enum http_end oauth_send(struct job *j, struct http_request *q);
/* Says what went wrong, once, and makes an end of it. */
enum oauth_end oauth_complain(struct job *j, const struct oauth_provider *p, enum oauth_end end,
    const char *what, const char *why);

#endif
