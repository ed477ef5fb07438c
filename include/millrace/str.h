/*
 * Bytes from outside: a pointer and a length, never assumed to end in NUL. A str does not own its
 * bytes; whoever made them (an arena, a literal, a PGresult) does. `p == NULL` is "absent" (SQL's
 * NULL); a present empty string has p != NULL. All functions are pure: any thread, no errors but
 * what they return.
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
/* The two arguments of printf's "%.*s". */
#define S_ARG(s) (int)(s).n, (s).p

/* Wraps a NUL-terminated string, which stays the caller's; NULL gives the absent str. */
static inline struct str
str_from(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

/* Are they equal byte for byte? Absent is equal to empty. Not for secrets: str_eq_secret. */
static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Are they equal but for the case of ASCII letters? For header names and the like. */
bool str_eq_nocase(struct str a, struct str b);
/* Is it one of these, byte for byte? NULL ends them. */
bool str_is_in(struct str s, const char *const *names);
/* Does s begin with prefix, byte for byte? Every s begins with an empty one. */
bool str_starts(struct str s, struct str prefix);
/* The same but for the case of ASCII letters. */
bool str_starts_nocase(struct str s, struct str prefix);
/* s without the spaces and tabs at both ends. */
struct str str_trim(struct str s);
/*
 * Cuts s at the first `sep`: *head gets what is before it, and what is after it is returned.
 * Without a `sep`, *head gets all of s, and absent is returned.
 */
struct str str_cut(struct str s, char sep, struct str *head);
/* Reads decimal digits with an optional '-'. False for anything else, and on overflow. */
bool str_int(struct str s, int64_t *out);
/* Is it well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)? */
bool str_utf8(struct str s);
/* The number of code points in well-formed UTF-8. */
size_t str_chars(struct str s);
/* Reads 8-4-4-4-12 hexadecimal digits in either case; false for anything else. */
bool uuid_parse(struct str s, struct uuid *out);

/* Its text, which lives as long as *u; absent where *u is. */
static inline struct str
uuid_str(const struct uuid *u)
{
	return u->text[0] ? (struct str){ u->text, 36 } : (struct str){ NULL, 0 };
}

#endif
