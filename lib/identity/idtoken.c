#include <millrace/crypto.h>
#include <millrace/idtoken.h>
#include <millrace/json.h>

#include "jws.h"

/* The tenant of Microsoft's personal accounts ("ID token claims reference", tid). */
#define PERSONAL_ACCOUNTS S("9188040d-6c67-4c5b-b112-36a304b66dad")

/*
 * May users of the tenant `tid` sign in? Where the setting is a domain, every tenant passes: only
 * Microsoft knows which tenant owns it, and its sign-in page admits no other.
 */
static bool
is_tenant(const char *tenant, struct str tid)
{
	struct uuid only, is;

	if (!uuid_parse(tid, &is))
		return false;
	if (strcmp(tenant, "consumers") == 0)
		return str_eq(uuid_str(&is), PERSONAL_ACCOUNTS);
	if (strcmp(tenant, "organizations") == 0)
		return !str_eq(uuid_str(&is), PERSONAL_ACCOUNTS);
	return !uuid_parse(str_from(tenant), &only) || str_eq(uuid_str(&only), uuid_str(&is));
}

static bool
is_issuer(struct arena *a, const struct id_rules *rules, const struct jws *t)
{
	static const char variable[] = "{tenantid}";
	struct str want = str_from(rules->issuer), tid = json_text(t->claims, "tid");
	const char *at = strstr(rules->issuer, variable);

	if (rules->tenant && at) {
		if (!is_tenant(rules->tenant, tid))
			return false;
		want = arena_printf(a, "%.*s%.*s%s", (int)(at - rules->issuer), rules->issuer,
		    S_ARG(tid), at + strlen(variable));
	}
	if (rules->bare_issuer && str_starts(want, S("https://")) &&
	    str_eq(t->iss, (struct str){ want.p + 8, want.n - 8 }))
		return true;
	return str_eq(t->iss, want);
}

/* A token for several audiences must name us as the authorized party (azp). */
static bool
is_for_client(json_object *claims, struct str client_id)
{
	json_object *aud = json_at(claims, "aud");
	bool azp = json_has(claims, "azp");

	if (azp && !str_eq(json_text(claims, "azp"), client_id))
		return false;
	return jwt_has_audience(claims, client_id) &&
	       (azp || !json_object_is_type(aud, json_type_array) ||
		   json_object_array_length(aud) == 1);
}

/* xms_edov: the domain's owner is verified. Microsoft writes it as true, 1, "1" or "true". */
static bool
is_domain_verified(json_object *claims)
{
	json_object *o = json_at(claims, "xms_edov");
	struct str text = json_text(claims, "xms_edov");

	return (json_object_is_type(o, json_type_boolean) && json_object_get_boolean(o)) ||
	       (json_object_is_type(o, json_type_int) && json_object_get_int64(o) == 1) ||
	       str_eq(text, S("1")) || str_eq_nocase(text, S("true"));
}

static const struct jwk *
key_of(const struct jwk_set *set, struct str kid)
{
	for (size_t i = 0; i < set->n && kid.n > 0; i++)
		if (str_eq(kid, set->keys[i].kid))
			return &set->keys[i];
	return NULL;
}

enum err
id_token_verify(struct arena *a, struct str token, const struct id_rules *rules,
    struct external *out, bool *unknown_key)
{
	struct external principal = { 0 };
	const struct jwk *key;
	struct jws t;

	*unknown_key = false;
	if (token.n == 0 || token.n > EXTERNAL_TOKEN_MAX || !jws_parse(a, token, &t) ||
	    !is_issuer(a, rules, &t) || !is_for_client(t.claims, rules->client_id) ||
	    !jwt_is_current(t.claims, &principal.expires_at) ||
	    (rules->nonce.p && !str_eq_secret(rules->nonce, json_text(t.claims, "nonce"))) ||
	    !jwt_principal(a, t.claims, json_text(t.claims, "name"),
		json_at(t.claims, "email_verified"), &principal))
		return ERR_UNAUTHORIZED;
	if (rules->tenant)
		principal.email_verified = principal.email[0] && is_domain_verified(t.claims);
	key = key_of(rules->keys, t.kid);
	*unknown_key =
	    !key && t.kid.n > 0 && (str_eq(t.alg, S("RS256")) || str_eq(t.alg, S("ES256")));
	if (!key || !jws_is_signed_by(a, &t, key->alg, key->pem.p))
		return ERR_UNAUTHORIZED;
	*out = principal;
	return ERR_OK;
}
