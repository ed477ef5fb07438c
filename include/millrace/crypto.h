/*
 * Passwords, digests, random numbers, and the small encodings they need. Nothing here logs a value.
 */
#ifndef MILLRACE_CRYPTO_H
#define MILLRACE_CRYPTO_H

#include <millrace/arena.h>
#include <millrace/err.h>

/* Argon2id (RFC 9106) with config()'s cost, as libsodium's "$argon2id$…" text; the arena's. Takes some 100 ms and its memory. */
struct str password_hash(struct arena *a, struct str password);
/* An absent hash costs as much time as a real one, and never matches. */
bool password_matches(struct str hash, struct str password);
/* Was it made at another cost than config()'s? */
bool password_is_outdated(struct str hash);

/* base64url without padding (RFC 4648, section 5); NUL-terminated, the arena's. */
struct str base64url(struct arena *a, struct str bytes);
/* The bytes again, the arena's; false where the text is none. */
MUST_CHECK bool base64url_decode(struct arena *a, struct str text, struct str *out);

/* SHA-256 (FIPS 180-4); 32 bytes, the arena's. */
struct str sha256(struct arena *a, struct str bytes);
/* The same as it is fed. */
struct sha256;
struct sha256 *sha256_new(struct arena *a);
void sha256_add(struct sha256 *h, struct str bytes);
/* 32 bytes, the arena's of sha256_new. */
struct str sha256_end(struct sha256 *h);
/* HMAC-SHA-256 (RFC 2104) under a key derived from config()->jwt_secret for `purpose`; 32 bytes, the arena's. */
struct str mac(struct arena *a, const char *purpose, struct str bytes);
/* The same under API_JWT_SECRET_OLD, to compare with what was made before the rotation; absent where there is none. */
struct str mac_old(struct arena *a, const char *purpose, struct str bytes);
/* Equal, in a time that does not tell where they differ; absent or empty is equal to nothing. */
bool str_eq_secret(struct str a, struct str b);
/* `len` bytes that nobody can guess, from the kernel. */
void random_bytes(void *into, size_t len);
/* So many of them in base64url; the arena's. */
struct str random_text(struct arena *a, size_t len);

#endif
