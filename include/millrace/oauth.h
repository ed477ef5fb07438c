/*
 * The providers that people sign in with: GitHub (OAuth 2.0, RFC 6749; its "Authorizing OAuth
 * apps"), Google and Microsoft (OpenID Connect Core 1.0), all with PKCE (RFC 7636). What workers
 * (handlers/identity/oauth.c) and the runner (runner/identity/) both need to know of them.
 *
 * Nothing here blocks. All of it reads config(), which does not change once it is loaded, so every
 * function may be called from any thread.
 */
#ifndef MILLRACE_OAUTH_H
#define MILLRACE_OAUTH_H

#include <stddef.h>

#include <millrace/arena.h>
#include <millrace/config.h>

struct oauth_provider {
	const char *name; /* as in paths and in the database: "github" */
	const char *title; /* as people write it: "GitHub" */
	bool openid; /* signs an id_token; else its API is asked for the profile */
	const char *extra; /* more parameters of its authorization page, "&name=value…" */
	size_t settings; /* offset in struct config */
};

extern const struct oauth_provider oauth_providers[];
extern const size_t n_oauth_providers;

/* The provider's settings; config()'s. */
static inline const struct oauth_config *
oauth_config(const struct oauth_provider *p)
{
	return (const void *)((const char *)config() + p->settings);
}

/* The provider of this name, or NULL; constant. */
const struct oauth_provider *oauth_provider(struct str name);
/* Are the settings for signing in there? The secret is not looked at: only the runner has it. */
bool oauth_is_set_up(const struct oauth_provider *p);

/* Where the provider sends browsers back to, as it is registered there; the arena's. */
struct str oauth_callback_url(struct arena *a, const struct oauth_provider *p);
/* A configured address with Microsoft's {tenant} filled in; the arena's, or `url` itself. */
struct str oauth_url(struct arena *a, const char *url);

/*
 * Appends name=value as application/x-www-form-urlencoded (RFC 3986 escapes; brackets of the name
 * stay), with '&' before it where b is not empty.
 */
void form_put(struct buf *b, const char *name, struct str value);

#endif
