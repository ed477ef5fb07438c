/* lib/crypto.c: passwords, base64url, SHA-256, HMAC under derived keys. */
#include <millrace/config.h>
#include <millrace/crypto.h>

#include "test.h"

static struct arena *mem;

static void
passwords(void)
{
	struct str hash = password_hash(mem, S("correct horse")),
		   other = password_hash(mem, S("correct horse"));

	CHECK("a hash says argon2id and its cost",
	    str_starts(hash, S("$argon2id$v=19$m=64,t=1,p=1$")));
	CHECK("the same password has another hash each time", !str_eq(hash, other));
	CHECK("it matches", password_matches(hash, S("correct horse")) &&
				password_matches(other, S("correct horse")));
	CHECK("another does not", !password_matches(hash, S("correct horsf")) &&
				      !password_matches(hash, S("")) &&
				      !password_matches(hash, S("correct hors")) &&
				      !password_matches(hash, S("correct horse\0")));
	hash = password_hash(mem, S("a\0b"));
	CHECK("bytes after NUL count",
	    password_matches(hash, S("a\0b")) && !password_matches(hash, S("a\0c")));
	CHECK("an absent hash never matches",
	    !password_matches((struct str){ NULL, 0 }, S("nobody's password")) &&
		!password_matches((struct str){ NULL, 0 }, S("")));
	CHECK("nor does what is no hash", !password_matches(S(""), S("")) &&
					      !password_matches(S("plain"), S("plain")) &&
					      !password_matches(S("$argon2id$v=19$"), S("x")));
	hash = (struct str){ memset(arena_alloc(mem, 5000), 'x', 5000), 5000 };
	CHECK("nor one that is too long", !password_matches(hash, S("nobody's password")));
	CHECK("only a hash of another cost is outdated",
	    !password_is_outdated(other) &&
		password_is_outdated(S("$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$"
				       "0000000000000000000000000000000000000000000")) &&
		!password_is_outdated((struct str){ NULL, 0 }));
	hash = password_hash(mem, (struct str){ NULL, 0 });
	CHECK("an empty password is one", password_matches(hash, S("")));
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

int
main(void)
{
	setenv("API_JWT_SECRET", "0123456789abcdef0123456789abcdef", 1);
	setenv("MILLRACE_ARGON2_OPS", "1", 1);
	setenv("MILLRACE_ARGON2_KIB", "64", 1);
	config_load(CONFIG_WORKER);
	mem = arena_new();
	passwords();
	base64();
	sums();
	arena_free(mem);
	return test_end();
}
