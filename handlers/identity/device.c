/*
 * Browsers that have signed in before (OWASP, "Slow Down Online Guessing Attacks with Device
 * Cookies"): their wrong passwords count apart, so that a stranger's lock nobody out. The cookie
 * has an entry for each of the last accounts, the newest first: a nonce, by which the database
 * counts, and a MAC of the account and it. Nothing of it is stored, and it opens nothing by itself.
 */
#include "fcgi/caller.h"
#include "handlers/identity/identity.h"

#include <millrace/crypto.h>

#define COOKIE "__Host-device"
#define COOKIE_SECONDS (400 * 86400) /* the most that browsers keep one (RFC 6265bis, 5.5) */
#define ENTRIES_MAX 4
#define NONCE_LEN 16 /* bytes */
#define NONCE_CHARS 22 /* in base64url */
#define MAC_CHARS 22 /* of the MAC's 43: 132 bits */

/* The MAC's first characters; absent where there is none. */
static struct str
shortened(struct arena *a, struct str mac_bytes)
{
	struct str text = mac_bytes.p ? base64url(a, mac_bytes) : mac_bytes;

	text.n = text.p ? MAC_CHARS : 0;
	return text;
}

static bool
is_entry_of(struct req *r, struct str entry, const struct uuid *user)
{
	struct str nonce = { entry.p, NONCE_CHARS }, given, text;

	if (entry.n != NONCE_CHARS + MAC_CHARS)
		return false;
	given = (struct str){ entry.p + NONCE_CHARS, MAC_CHARS };
	text = arena_printf(r->a, "%s %.*s", user->text, S_ARG(nonce));
	return str_eq_secret(given, shortened(r->a, mac(r->a, "device", text))) ||
	       str_eq_secret(given, shortened(r->a, mac_old(r->a, "device", text)));
}

struct str
device_nonce(struct req *r, const struct uuid *user)
{
	struct str rest = req_cookie(r, S(COOKIE)), entry;

	for (int i = 0; rest.n > 0 && i < ENTRIES_MAX; i++) {
		rest = str_cut(rest, '.', &entry);
		if (is_entry_of(r, entry, user))
			return (struct str){ entry.p, NONCE_CHARS };
	}
	return (struct str){ NULL, 0 };
}

void
device_set_cookie(struct req *r, const struct uuid *user)
{
	struct str nonce = random_text(r->a, NONCE_LEN), rest = req_cookie(r, S(COOKIE)), entry;
	struct str text = arena_printf(r->a, "%s %.*s", user->text, S_ARG(nonce));
	struct buf b = { .a = r->a };

	buf_printf(&b, COOKIE "=%.*s%.*s", S_ARG(nonce),
	    S_ARG(shortened(r->a, mac(r->a, "device", text))));
	for (int n = 1; rest.n > 0 && n < ENTRIES_MAX;) {
		rest = str_cut(rest, '.', &entry);
		if (entry.n != NONCE_CHARS + MAC_CHARS || is_entry_of(r, entry, user))
			continue;
		buf_printf(&b, ".%.*s", S_ARG(entry));
		n++;
	}
	buf_printf(&b, "; Path=/; Max-Age=%d; HttpOnly; Secure; SameSite=Strict", COOKIE_SECONDS);
	reply_header(r, "Set-Cookie", buf_str(&b));
}
