/*
 * id_tokens of OpenID Connect providers, as a sign-in by a provider gets them: "OpenID Connect Core
 * 1.0", 3.1.3.7; Google's "OpenID Connect" and Microsoft's "ID token claims reference" for what
 * their claims mean. Nothing here blocks; any thread.
 */
#ifndef MILLRACE_IDTOKEN_H
#define MILLRACE_IDTOKEN_H

#include <millrace/external.h>
#include <millrace/jwk.h>

/* What an id_token must state, and the keys that it may be signed with. */
struct id_rules {
	const char *issuer; /* {tenantid} in it stands for the token's own `tid`, a uuid */
	bool bare_issuer; /* the issuer is also accepted without https:// (Google) */
	/*
	 * Microsoft's: common, organizations, consumers, or the only one accepted; otherwise NULL.
	 */
	const char *tenant;
	struct str client_id; /* the audience */
	struct str nonce; /* absent: none was sent */
	const struct jwk_set *keys;
};

/*
 * Verifies signature, alg, iss, aud (and azp), exp, nbf, iat and nonce. out->provider and out->hash
 * are not set. out->email_verified is the claim of that name; with `tenant` it is xms_edov instead,
 * because there the tenant's administrator writes addresses at will. ERR_UNAUTHORIZED for any other
 * token; *unknown_key then says that its only defect is a key that is not in the set.
 */
MUST_CHECK enum err id_token_verify(struct arena *a, struct str token, const struct id_rules *rules,
    struct external *out, bool *unknown_key);

#endif
