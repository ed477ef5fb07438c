/*
 * Bytes from outside: a pointer and a length, never assumed to end in NUL. A str does not own its bytes; whoever made them
 * (an arena, a literal, a PGresult) does. `p == NULL` is "absent" (SQL's NULL); a present empty string has p != NULL.
 */
#ifndef MILLRACE_STR_H
#define MILLRACE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

/* A list of strs, as a JSON array of strings or SQL's text[]. */
struct str_list {
	struct str *p;
	size_t n;
};

/* A UUID in its canonical lower-case text form (RFC 9562); text[0] == '\0' is "absent". */
struct uuid {
	char text[37];
};

/* S("literal"): a str over a string literal. */
#define S(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
/* For printf's "%.*s". */
#define S_ARG(s) (int)(s).n, (s).p

/* Wraps a NUL-terminated string, which stays the caller's; NULL gives the absent str. */
static inline struct str
str_from(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

/* Byte for byte; absent is equal to empty. */
static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case is ignored; for header names and the like. */
bool str_eq_nocase(struct str a, struct str b);
/* Byte for byte. */
bool str_starts(struct str s, struct str prefix);
/* The same str without spaces and tabs at both ends. */
struct str str_trim(struct str s);
/* Cuts s at the first `sep`: *head gets what stands before it, the result what stands after; without one, all and "absent". */
struct str str_cut(struct str s, char sep, struct str *head);
/* Decimal digits with an optional '-', nothing else; false on overflow or anything that is not a number. */
bool str_int(struct str s, int64_t *out);
/* Is it well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)? */
bool str_utf8(struct str s);
/* Number of code points in well-formed UTF-8. */
size_t str_chars(struct str s);
/* Takes any letter case; false where s is not 8-4-4-4-12 hexadecimal digits. */
bool uuid_parse(struct str s, struct uuid *out);

/* Its text, which is *u's; absent where *u is. */
static inline struct str
uuid_str(const struct uuid *u)
{
	return u->text[0] ? (struct str){ u->text, 36 } : (struct str){ NULL, 0 };
}

#endif
