#include <millrace/caller.h>
#include <millrace/token.h>

#define KEY_PREFIX "mr_"
#define KEY_LEN_MAX 128
#define KEY_BYTES 32
#define KEY_SHOWN 8 /* characters */

enum err
caller_by_session(struct str token, struct caller *out)
{
	struct caller c = { .how = CALLER_SESSION };

	if (token_verify(token, &c.claims) != ERR_OK)
		return ERR_UNAUTHORIZED;
	c.user = c.claims.user;
	*out = c;
	return ERR_OK;
}

struct str
api_key_new(struct arena *a)
{
	return arena_printf(a, KEY_PREFIX "%.*s", S_ARG(random_text(a, KEY_BYTES)));
}

struct str
api_key_shown(struct arena *a, struct str key)
{
	return arena_printf(a, "%.*s…", KEY_SHOWN, key.p);
}

enum err
caller_by_token(struct arena *a, struct str token, struct caller *out, const char **unknown_issuer)
{
	struct external *principal;
	enum err e;

	*unknown_issuer = NULL;
	if (str_starts(token, S(KEY_PREFIX)) && token.n <= KEY_LEN_MAX) {
		*out = (struct caller){ .how = CALLER_KEY, .key_hash = sha256(a, token) };
		return ERR_OK;
	}
	if (caller_by_session(token, out) == ERR_OK)
		return ERR_OK;
	principal = arena_alloc(a, sizeof(*principal));
	if ((e = external_verify(token, principal, unknown_issuer)) != ERR_OK)
		return e;
	*out = (struct caller){ .how = CALLER_EXTERNAL,
		.external = principal,
		.claims.expires_at = principal->expires_at };
	return ERR_OK;
}
