#include <stdio.h>

#include <sodium.h>

#include <millrace/config.h>
#include <millrace/crypto.h>
#include <millrace/log.h>
#include <millrace/unicode.h>

struct sha256 {
	struct arena *a;
	crypto_hash_sha256_state state;
};

struct str
base64url(struct arena *a, struct str bytes)
{
	const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
	size_t room = sodium_base64_encoded_len(bytes.n, variant);
	char *text = arena_alloc(a, room);

	sodium_bin2base64(text, room, (const unsigned char *)bytes.p, bytes.n, variant);
	return (struct str){ text, room - 1 };
}

static bool
decode(struct arena *a, struct str text, int variant, struct str *out)
{
	size_t room = text.n / 4 * 3 + 3, len = 0;
	unsigned char *bytes = arena_alloc(a, room + 1);

	if (sodium_base642bin(bytes, room, text.p, text.n, NULL, &len, NULL, variant) != 0)
		return false;
	*out = (struct str){ (char *)bytes, len };
	return true;
}

bool
base64url_decode(struct arena *a, struct str text, struct str *out)
{
	return decode(a, text, sodium_base64_VARIANT_URLSAFE_NO_PADDING, out);
}

bool
base64_decode(struct arena *a, struct str text, struct str *out)
{
	return decode(a, text, sodium_base64_VARIANT_ORIGINAL, out);
}

struct sha256 *
sha256_new(struct arena *a)
{
	struct sha256 *h = arena_alloc(a, sizeof(*h));

	h->a = a;
	crypto_hash_sha256_init(&h->state);
	return h;
}

void
sha256_add(struct sha256 *h, struct str bytes)
{
	crypto_hash_sha256_update(&h->state, (const unsigned char *)bytes.p, bytes.n);
}

struct str
sha256_end(struct sha256 *h)
{
	unsigned char *digest = arena_alloc(h->a, crypto_hash_sha256_BYTES);

	crypto_hash_sha256_final(&h->state, digest);
	return (struct str){ (char *)digest, crypto_hash_sha256_BYTES };
}

struct str
sha256(struct arena *a, struct str bytes)
{
	struct sha256 *h = sha256_new(a);

	sha256_add(h, bytes);
	return sha256_end(h);
}

struct str
hmac(struct arena *a, struct str key, struct str bytes)
{
	crypto_auth_hmacsha256_state state;
	unsigned char *out = arena_alloc(a, crypto_auth_hmacsha256_BYTES);

	crypto_auth_hmacsha256_init(&state, (const unsigned char *)key.p, key.n);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)bytes.p, bytes.n);
	crypto_auth_hmacsha256_final(&state, out);
	return (struct str){ (char *)out, crypto_auth_hmacsha256_BYTES };
}

struct str
mac(struct arena *a, const char *purpose, struct str bytes)
{
	return hmac(a, hmac(a, str_from(config()->jwt_secret), str_from(purpose)), bytes);
}

struct str
mac_old(struct arena *a, const char *purpose, struct str bytes)
{
	const char *secret = config()->jwt_secret_old;

	if (!secret || !*secret)
		return (struct str){ NULL, 0 };
	return hmac(a, hmac(a, str_from(secret), str_from(purpose)), bytes);
}

struct str
secretbox(struct arena *a, const char *purpose, struct str value)
{
	size_t head = crypto_secretbox_NONCEBYTES;
	unsigned char *out = arena_alloc(a, head + crypto_secretbox_MACBYTES + value.n);
	struct str key = mac(a, purpose, S("secretbox"));

	random_bytes(out, head);
	crypto_secretbox_easy(
	    out + head, (const unsigned char *)value.p, value.n, out, (const unsigned char *)key.p);
	return (struct str){ (char *)out, head + crypto_secretbox_MACBYTES + value.n };
}

bool
secretbox_open(
    struct arena *a, const char *purpose, struct str closed, struct str *value, bool *outdated)
{
	size_t head = crypto_secretbox_NONCEBYTES, around = head + crypto_secretbox_MACBYTES;
	struct str keys[] = { mac(a, purpose, S("secretbox")),
		mac_old(a, purpose, S("secretbox")) };
	const unsigned char *box = (const unsigned char *)closed.p;
	unsigned char *out;

	if (closed.n < around)
		return false;
	out = arena_alloc(a, closed.n - around + 1);
	for (size_t i = 0; i < 2; i++) {
		if (!keys[i].p || crypto_secretbox_open_easy(out, box + head, closed.n - head, box,
				      (const unsigned char *)keys[i].p) != 0)
			continue;
		*value = (struct str){ (char *)out, closed.n - around };
		*outdated = i == 1;
		return true;
	}
	return false;
}

void
random_bytes(void *into, size_t len)
{
	randombytes_buf(into, len);
}

struct str
random_text(struct arena *a, size_t len)
{
	char *bytes = arena_alloc(a, len);

	random_bytes(bytes, len);
	return base64url(a, (struct str){ bytes, len });
}

struct uuid
random_uuid(void)
{
	unsigned char b[16];
	struct uuid u;

	random_bytes(b, sizeof(b));
	(void)snprintf(u.text, sizeof(u.text),
	    "%02x%02x%02x%02x-%02x%02x-4%x%02x-%x%x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
	    b[3], b[4], b[5], b[6] & 15U, b[7], 8U | (b[8] & 3U), b[8] >> 4, b[9], b[10], b[11],
	    b[12], b[13], b[14], b[15]);
	return u;
}

struct str
password_hash(struct arena *a, struct str password)
{
	char *hash = arena_alloc(a, crypto_pwhash_STRBYTES);

	password = unicode_password(a, password);
	if (crypto_pwhash_str(hash, password.p ? password.p : "", password.n,
		(unsigned long long)config()->argon2_ops, (size_t)config()->argon2_kib * 1024) != 0)
		die("There is not enough memory to hash a password: MILLRACE_ARGON2_KIB is %lld "
		    "KiB.",
		    (long long)config()->argon2_kib);
	return str_from(hash);
}

static bool
matches(const char text[crypto_pwhash_STRBYTES], struct str password)
{
	return crypto_pwhash_str_verify(text, password.p ? password.p : "", password.n) == 0;
}

bool
password_matches(struct arena *a, struct str hash, struct str password, bool *outdated)
{
	static char decoy[crypto_pwhash_STRBYTES];
	char text[crypto_pwhash_STRBYTES] = "";
	struct str prepared = unicode_password(a, password);
	bool real = hash.p && hash.n < sizeof(text), good;

	if (!decoy[0])
		memcpy(decoy, password_hash(a, S("nobody's password")).p, sizeof(decoy));
	if (real)
		memcpy(text, hash.p, hash.n);
	else
		memcpy(text, decoy, sizeof(text));
	good = matches(text, prepared);
	*outdated =
	    good && crypto_pwhash_str_needs_rehash(text, (unsigned long long)config()->argon2_ops,
			(size_t)config()->argon2_kib * 1024) == 1;
	if (!good && !str_eq(prepared, password))
		good = *outdated = matches(text, password);
	return good && real;
}

bool
str_eq_secret(struct str a, struct str b)
{
	return a.n > 0 && a.n == b.n && sodium_memcmp(a.p, b.p, a.n) == 0;
}
