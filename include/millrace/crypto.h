/*
 * Passwords, digests, random bytes, and the encodings that they need, by libsodium. sodium_init and
 * config_load come first; nothing here logs a value. Any thread, but for password_matches.
 */
#ifndef MILLRACE_CRYPTO_H
#define MILLRACE_CRYPTO_H

#include <millrace/arena.h>
#include <millrace/err.h>

/*
 * Argon2id (RFC 9106) of unicode_password's form, with config()'s cost, as libsodium's
 * "$argon2id$…" text; the arena's. Blocks for 100 ms or more and takes its memory; ends the process
 * where there is none.
 */
struct str password_hash(struct arena *a, struct str password);
/*
 * Is it this password's hash? Of its bytes as they are given, too, as older hashes are: where those
 * are another text than unicode_password's, it takes twice as long. An absent hash takes as long as
 * a real one and never matches, so the time does not tell whether there is an account. *outdated
 * says that a match should be hashed again: its cost is not config()'s, or its text was as given.
 * One thread at a time.
 */
bool password_matches(struct arena *a, struct str hash, struct str password, bool *outdated);

/* base64url without padding (RFC 4648, section 5); NUL-terminated, the arena's. */
struct str base64url(struct arena *a, struct str bytes);
/* The bytes, the arena's; false where the text is not canonical base64url without padding. */
MUST_CHECK bool base64url_decode(struct arena *a, struct str text, struct str *out);
/* The same of base64 with padding (section 4). */
MUST_CHECK bool base64_decode(struct arena *a, struct str text, struct str *out);

/* SHA-256 (FIPS 180-4); 32 bytes, the arena's. */
struct str sha256(struct arena *a, struct str bytes);
/*
 * The same in pieces: sha256_new, any number of sha256_add, sha256_end. All of it is the arena's.
 */
struct sha256;
struct sha256 *sha256_new(struct arena *a);
void sha256_add(struct sha256 *h, struct str bytes);
struct str sha256_end(struct sha256 *h);
/* HMAC-SHA-256 (RFC 2104) under `key`; 32 bytes, the arena's. */
struct str hmac(struct arena *a, struct str key, struct str bytes);
/* HMAC-SHA-256 (RFC 2104) under a key derived from API_JWT_SECRET for `purpose`; 32 bytes. */
struct str mac(struct arena *a, const char *purpose, struct str bytes);
/* The same under API_JWT_SECRET_OLD, for what was made before its rotation; absent without one. */
struct str mac_old(struct arena *a, const char *purpose, struct str bytes);
/*
 * Closes `value` under a key derived from API_JWT_SECRET for `purpose` (libsodium's secretbox:
 * XSalsa20-Poly1305); the arena's. For what workers themselves have to read again.
 */
struct str secretbox(struct arena *a, const char *purpose, struct str value);
/*
 * Opens it; *value is the arena's. *outdated: it was closed under API_JWT_SECRET_OLD. False where
 * it opens under neither.
 */
MUST_CHECK bool secretbox_open(
    struct arena *a, const char *purpose, struct str closed, struct str *value, bool *outdated);
/* Are they equal? In constant time; absent and empty are equal to nothing. */
bool str_eq_secret(struct str a, struct str b);
/* `len` bytes from the kernel's generator (getrandom(2)). */
void random_bytes(void *into, size_t len);
/* `len` random bytes in base64url; the arena's. */
struct str random_text(struct arena *a, size_t len);
/* A UUID of version 4 (RFC 9562, 5.4): 122 random bits. */
struct uuid random_uuid(void);

#endif
