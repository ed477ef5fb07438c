/*
 * libjwt 1.10 takes the algorithm from the token, accepts a NULL key as "unverified", and checks no
 * times. So the header is read here before libjwt sees the token, and libjwt is used for the
 * signature alone; claims are read by our own, stricter JSON parser.
 */
#include "jws.h"

#include <time.h>

#include <jwt.h>

#include <millrace/address.h>
#include <millrace/crypto.h>
#include <millrace/json.h>

/* The last second of the year 9999: beyond it PostgreSQL's and other programs' times end. */
#define TIME_MAX INT64_C(253402300799)

bool
jws_parse(struct arena *a, struct str token, struct jws *out)
{
	struct str header, payload, signature, rest, text, ignored;
	struct jws t = { .text = arena_str(a, token) };
	const char *why;

	rest = str_cut(token, '.', &header);
	signature = str_cut(rest.p ? rest : S(""), '.', &payload);
	if (header.n == 0 || payload.n == 0 || signature.n == 0 ||
	    !base64url_decode(a, signature, &ignored) || !base64url_decode(a, header, &text) ||
	    json_parse(a, text, &t.header, &why) != ERR_OK ||
	    !base64url_decode(a, payload, &text) ||
	    json_parse(a, text, &t.claims, &why) != ERR_OK ||
	    !json_object_is_type(t.header, json_type_object) ||
	    !json_object_is_type(t.claims, json_type_object) || json_has(t.header, "crit"))
		return false;
	if (json_has(t.header, "typ") && !str_eq_nocase(json_text(t.header, "typ"), S("JWT")))
		return false;
	t.alg = json_text(t.header, "alg");
	t.kid = json_text(t.header, "kid");
	t.iss = json_text(t.claims, "iss");
	*out = t;
	return true;
}

static void
jws_free_jwt(void *jwt)
{
	jwt_free(jwt);
}

bool
jws_is_signed_by(struct arena *a, const struct jws *t, const char *alg, const char *key)
{
	jwt_t *jwt = NULL;

	if (!str_eq(t->alg, str_from(alg)) || !key || !*key)
		return false;
	if (jwt_decode(&jwt, t->text.p, (const unsigned char *)key, (int)strlen(key)) != 0)
		return false;
	arena_defer(a, jws_free_jwt, jwt);
	return jwt_get_alg(jwt) == jwt_str_alg(alg);
}

/*
 * A NumericDate (RFC 7519, 2): seconds as any JSON number, so 1790000000.0 and 1.79e9, too. One
 * that is missing is `fallback`; null, a text and every other type are refused.
 */
static bool
time_claim(json_object *claims, const char *name, int64_t fallback, int64_t *out)
{
	json_object *o = json_at(claims, name);
	double seconds;

	*out = fallback;
	if (!json_has(claims, name))
		return true;
	if (!json_object_is_type(o, json_type_int) && !json_object_is_type(o, json_type_double))
		return false;
	seconds = json_object_get_double(o);
	*out = seconds <= 0 ? 0 : seconds >= TIME_MAX ? TIME_MAX : (int64_t)seconds;
	return true;
}

bool
jwt_is_current(json_object *claims, int64_t *expires_at)
{
	int64_t now = time(NULL), not_before, issued_at;

	return time_claim(claims, "exp", 0, expires_at) &&
	       time_claim(claims, "nbf", 0, &not_before) &&
	       time_claim(claims, "iat", 0, &issued_at) && *expires_at > now - JWT_LEEWAY_S &&
	       not_before <= now + JWT_LEEWAY_S && issued_at <= now + JWT_LEEWAY_S;
}

bool
jwt_has_audience(json_object *claims, struct str audience)
{
	json_object *aud = json_at(claims, "aud");

	if (!json_object_is_type(aud, json_type_array))
		return audience.n > 0 && str_eq(json_text(claims, "aud"), audience);
	for (size_t i = 0; i < json_object_array_length(aud); i++) {
		json_object *one = json_object_array_get_idx(aud, i);

		if (json_object_is_type(one, json_type_string) &&
		    str_eq(str_from(json_object_get_string(one)), audience))
			return audience.n > 0;
	}
	return false;
}

/* Copies a text that fits; what is too long counts as missing. */
static void
copy(char *into, size_t room, struct str from)
{
	if (from.n < room && from.n > 0)
		memcpy(into, from.p, from.n);
}

/* Something@something without spaces and control characters; the issuer has proved the rest. */
static bool
is_address(struct str s)
{
	const char *at = s.n > 0 ? memchr(s.p, '@', s.n) : NULL;

	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return at && at > s.p && at < s.p + s.n - 1;
}

bool
jwt_principal(struct arena *a, json_object *claims, struct str name, json_object *email_verified,
    struct external *out)
{
	struct str subject = json_text(claims, "sub"), email = json_text(claims, "email");

	if (subject.n == 0 || subject.n >= sizeof(out->subject))
		return false;
	copy(out->subject, sizeof(out->subject), subject);
	copy(out->name, sizeof(out->name), name);
	if (is_address(email)) {
		(void)!address_email(a, email, &email);
		copy(out->email, sizeof(out->email), email);
	}
	out->email_verified = out->email[0] &&
			      json_object_is_type(email_verified, json_type_boolean) &&
			      json_object_get_boolean(email_verified);
	return true;
}
