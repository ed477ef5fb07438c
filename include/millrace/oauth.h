/*
 * The providers that people sign in with: GitHub (OAuth 2.0, RFC 6749; its "Authorizing OAuth apps"), Google and Microsoft (OpenID Connect Core 1.0), all with PKCE
 * (RFC 7636). What workers (handlers/identity/oauth.c) and the runner (runner/identity/) both have to know of them. Nothing here blocks.
 */
#ifndef MILLRACE_OAUTH_H
#define MILLRACE_OAUTH_H

#include <stddef.h>

#include <millrace/arena.h>
#include <millrace/config.h>

struct oauth_provider {
	const char *name; /* as in paths and in the database: "github" */
	const char *title; /* as people write it: "GitHub" */
	bool openid; /* signs an id_token; else its API is asked */
	const char *extra; /* more parameters for its authorization page, "&name=value…" */
	size_t settings; /* where in struct config */
};

/* Its settings. */
static inline const struct oauth_config *
oauth_config(const struct oauth_provider *p)
{
	return (const void *)((const char *)config() + p->settings);
}

/* NULL where there is none of this name. */
const struct oauth_provider *oauth_provider(struct str name);
/* Can somebody sign in by it? The secret is the runner's to miss. */
bool oauth_is_set_up(const struct oauth_provider *p);

/* The address that the provider sends browsers back to, as it is registered there. */
struct str oauth_callback_url(struct arena *a, const struct oauth_provider *p);
/* A configured address; Microsoft's {tenant} is filled in. */
struct str oauth_url(struct arena *a, const char *url);

/* Adds name=value as application/x-www-form-urlencoded (RFC 3986 escapes), after '&' where something stands there. */
void form_put(struct buf *b, const char *name, struct str value);

#endif
