#include <millrace/caller.h>

#define KEY_PREFIX "mr_"
#define KEY_LEN_MAX 128

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

static enum err
by_key(struct arena *a, struct str token, struct caller *out)
{
	struct sha256 *h = sha256_new(a);

	sha256_add(h, token);
	*out = (struct caller){ .how = CALLER_KEY, .key_hash = sha256_end(h) };
	return ERR_OK;
}

enum err
caller_by_token(struct arena *a, struct str token, struct caller *out, const char **wanted)
{
	struct external *who;

	*wanted = NULL;
	if (str_starts(token, S(KEY_PREFIX)) && token.n <= KEY_LEN_MAX)
		return by_key(a, token, out);
	if (caller_by_session(token, out) == ERR_OK)
		return ERR_OK;
	who = arena_alloc(a, sizeof(*who));
	if (external_verify(token, who, wanted) != ERR_OK)
		return ERR_UNAUTHORIZED;
	*out = (struct caller){
		.how = CALLER_EXTERNAL, .external = who, .claims.expires_at = who->expires_at
	};
	return ERR_OK;
}
