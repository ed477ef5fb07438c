/*
 * id_tokens of OpenID Connect providers, as the sign-in by a provider gets them: "OpenID Connect Core 1.0", 3.1.3.7. Nothing here
 * blocks; any thread.
 */
#ifndef MILLRACE_IDTOKEN_H
#define MILLRACE_IDTOKEN_H

#include <millrace/external.h>
#include <millrace/jwk.h>

/* What an id_token has to say (OpenID Connect Core 1.0, 3.1.3.7), and the keys that it may be signed by. */
struct id_rules {
	const char *issuer; /* {tenantid} in it stands for the token's own `tid`, a uuid */
	bool bare_issuer; /* also without https:// (Google) */
	const char
	    *tenant; /* Microsoft's: common, organizations, consumers, or the only one; NULL */
	struct str client_id;
	struct str nonce; /* absent: none was sent */
	const struct jwk_set *keys;
};
/*
 * Checks signature, alg, iss, aud (and azp), exp, nbf, iat and nonce. Any number of threads may be here at once. out->email_verified is
 * email_verified, with `tenant` xms_edov alone: there an address is the tenant's to write. ERR_UNAUTHORIZED on anything else; *unknown_key
 * then says that nothing is wrong with it but that its key is not in the set.
 */
MUST_CHECK enum err id_token_verify(struct arena *a, struct str token, const struct id_rules *rules,
    struct external *out, bool *unknown_key);

#endif
