/* lib/crypto.c: passwords, base64url, SHA-256, HMAC under derived keys, boxes. */
#include <sodium.h>

#include <millrace/config.h>
#include <millrace/crypto.h>

#include "test.h"

static struct arena *mem;

static bool
matches(struct str hash, struct str password)
{
	bool outdated;

	return password_matches(mem, hash, password, &outdated) && !outdated;
}

static bool
is_outdated(struct str hash, struct str password)
{
	bool outdated;

	return password_matches(mem, hash, password, &outdated) && outdated;
}

static void
passwords(void)
{
	struct str hash = password_hash(mem, S("correct horse")),
		   other = password_hash(mem, S("correct horse"));

	CHECK("a hash says argon2id and its cost",
	    str_starts(hash, S("$argon2id$v=19$m=64,t=1,p=1$")));
	CHECK("the same password has another hash each time", !str_eq(hash, other));
	CHECK(
	    "it matches", matches(hash, S("correct horse")) && matches(other, S("correct horse")));
	CHECK("another does not", !matches(hash, S("correct horsf")) && !matches(hash, S("")) &&
				      !matches(hash, S("correct hors")) &&
				      !matches(hash, S("correct horse\0")));
	hash = password_hash(mem, S("a\0b"));
	CHECK("bytes after NUL count", matches(hash, S("a\0b")) && !matches(hash, S("a\0c")));
	CHECK("an absent hash never matches",
	    !matches((struct str){ NULL, 0 }, S("nobody's password")) &&
		!matches((struct str){ NULL, 0 }, S("")));
	CHECK("nor does what is no hash", !matches(S(""), S("")) &&
					      !matches(S("plain"), S("plain")) &&
					      !matches(S("$argon2id$v=19$"), S("x")));
	hash = (struct str){ memset(arena_alloc(mem, 5000), 'x', 5000), 5000 };
	CHECK("nor one that is too long", !matches(hash, S("nobody's password")));
	hash = password_hash(mem, (struct str){ NULL, 0 });
	CHECK("an empty password is one", matches(hash, S("")));
}

/* A hash of these very bytes at this cost, as before passwords were normalized. */
static struct str
raw_hash(struct str password, unsigned long long ops)
{
	char *hash = arena_alloc(mem, crypto_pwhash_STRBYTES);

	if (crypto_pwhash_str(hash, password.p, password.n, ops, 64 * 1024) != 0)
		abort();
	return str_from(hash);
}

#define NFC S("\xc3\xa9t\xc3\xa9 2026")
#define NFD S("e\xcc\x81te\xcc\x81 2026")
#define WIDE_SPACE                          \
	S("e\xcc\x81te\xcc\x81\xe3\x80\x80" \
	  "2026")

static void
normalized(void)
{
	struct str hash = password_hash(mem, NFD);

	CHECK("a password is the same from any keyboard",
	    matches(hash, NFC) && matches(hash, NFD) && matches(hash, WIDE_SPACE) &&
		matches(password_hash(mem, NFC), NFD));
	CHECK("case and width count",
	    !matches(hash, S("\xc3\x89t\xc3\xa9 2026")) &&
		!matches(password_hash(mem, S("correct 1")), S("correct \xef\xbc\x91")));
	CHECK("a hash of other bytes goes on working, and asks for a new one",
	    is_outdated(raw_hash(NFD, 1), NFD) &&
		is_outdated(raw_hash(WIDE_SPACE, 1), WIDE_SPACE) &&
		!matches(raw_hash(NFD, 1), NFC) && !is_outdated(raw_hash(NFD, 1), NFC));
	CHECK("one of the normal form, or of ASCII, is as good as new",
	    matches(raw_hash(NFC, 1), NFD) &&
		matches(raw_hash(S("correct horse"), 1), S("correct horse")));
	CHECK("one of another cost is outdated",
	    is_outdated(raw_hash(NFC, 2), NFC) && is_outdated(raw_hash(NFC, 2), NFD));
	CHECK(
	    "what is no UTF-8 is bytes", matches(password_hash(mem, S("\xff\xfe")), S("\xff\xfe")));
}

/* RFC 4648, section 10, without padding. */
static void
base64(void)
{
	static const char *const cases[][2] = { { "", "" }, { "f", "Zg" }, { "fo", "Zm8" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy" }, { "\xfb\xff", "-_8" } };
	static const char *const bad[] = { "Z", "Zg==", "Zh", "Zm9=", "Zm9v Yg", "Zm+v", "Zm/v",
		"!", "Zm9vY", "\xff" };
	struct str out;
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		EACH(good, str_eq(base64url(mem, str_from(cases[i][0])), str_from(cases[i][1])),
		    "%s", cases[i][0]);
		EACH(good,
		    base64url_decode(mem, str_from(cases[i][1]), &out) &&
			str_eq(out, str_from(cases[i][0])),
		    "%s", cases[i][1]);
	}
	CHECK("the RFC's vectors, both ways", good);
	good = true;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EACH(good, !base64url_decode(mem, str_from(bad[i]), &out), "%s", bad[i]);
	CHECK("padding, other letters, stray bits are refused", good);
	for (size_t n = 0; n < 300; n++) {
		char *bytes = arena_alloc(mem, n + 1);
		struct str text;

		random_bytes(bytes, n);
		text = base64url(mem, (struct str){ bytes, n });
		EACH(good,
		    strlen(text.p) == text.n && base64url_decode(mem, text, &out) &&
			str_eq(out, (struct str){ bytes, n }),
		    "%zu bytes", n);
	}
	CHECK("any bytes come back", good);
}

static bool
is_hex(struct str bytes, const char *hex)
{
	struct buf b = { .a = mem };

	for (size_t i = 0; i < bytes.n; i++)
		buf_printf(&b, "%02x", (unsigned char)bytes.p[i]);
	return str_eq(buf_str(&b), str_from(hex));
}

static void
sums(void)
{
	struct sha256 *h = sha256_new(mem);
	struct str one;

	CHECK("SHA-256 of nothing",
	    is_hex(
		sha256_end(h), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
	h = sha256_new(mem);
	sha256_add(h, S("a"));
	sha256_add(h, S(""));
	sha256_add(h, S("bc"));
	CHECK("SHA-256 of abc in pieces",
	    is_hex(
		sha256_end(h), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
	one = mac(mem, "purpose", S("text"));
	CHECK("a mac has 32 bytes and is the same again",
	    one.n == 32 && str_eq(one, mac(mem, "purpose", S("text"))));
	CHECK("another text, another purpose, another mac",
	    !str_eq(one, mac(mem, "purpose", S("texu"))) &&
		!str_eq(one, mac(mem, "purposf", S("text"))) &&
		!str_eq(mac(mem, "a", S("bc")), mac(mem, "ab", S("c"))));
}

static bool
opens(struct str box, const char *purpose, struct str value, bool outdated)
{
	struct str got;
	bool is_outdated;

	return secretbox_open(mem, purpose, box, &got, &is_outdated) && str_eq(got, value) &&
	       is_outdated == outdated;
}

/* A box as secretbox made it while API_JWT_SECRET_OLD was API_JWT_SECRET. */
static struct str
old_box(struct str value)
{
	size_t head = crypto_secretbox_NONCEBYTES, len = head + crypto_secretbox_MACBYTES + value.n;
	unsigned char *out = arena_alloc(mem, len);
	struct str key = mac_old(mem, "purpose", S("secretbox"));

	random_bytes(out, head);
	crypto_secretbox_easy(
	    out + head, (const unsigned char *)value.p, value.n, out, (const unsigned char *)key.p);
	return (struct str){ (char *)out, len };
}

static void
boxes(void)
{
	struct str box = secretbox(mem, "purpose", S("value")), cut = { box.p, box.n - 1 };

	CHECK("a box opens, for its purpose, and is another each time",
	    opens(box, "purpose", S("value"), false) && !opens(box, "other", S("value"), false) &&
		!str_eq(box, secretbox(mem, "purpose", S("value"))));
	CHECK("what is none does not",
	    !opens(S(""), "purpose", S(""), false) && !opens(cut, "purpose", S("value"), false) &&
		!opens(S("0123456789012345678901234567890123456789"), "purpose", S(""), false));
	CHECK(
	    "nothing is a value", opens(secretbox(mem, "purpose", S("")), "purpose", S(""), false));
	CHECK("one of before a rotation opens as outdated",
	    opens(old_box(S("value")), "purpose", S("value"), true));
}

int
main(void)
{
	setenv("API_JWT_SECRET", "0123456789abcdef0123456789abcdef", 1);
	setenv("API_JWT_SECRET_OLD", "fedcba9876543210fedcba9876543210", 1);
	setenv("MILLRACE_ARGON2_OPS", "1", 1);
	setenv("MILLRACE_ARGON2_KIB", "64", 1);
	config_load(CONFIG_WORKER);
	mem = arena_new();
	passwords();
	normalized();
	base64();
	sums();
	boxes();
	arena_free(mem);
	return test_end();
}
