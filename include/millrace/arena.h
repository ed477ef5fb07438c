/*
 * A request's memory: bump allocation, freed all at once; nothing in it is freed alone. Foreign
 * objects (a PGresult, a json_object) are handed over with arena_defer.
 *
 * Out of memory aborts the process, so sizes that come from outside must be bounded before they get
 * here. Under AddressSanitizer freed memory is poisoned. An arena and what lies in it belong to one
 * thread at a time; different arenas are independent.
 */
#ifndef MILLRACE_ARENA_H
#define MILLRACE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include <millrace/str.h>

struct arena;

/*
 * malloc, realloc and strdup that abort instead of returning NULL. The caller frees with free(3).
 */
void *xmalloc(size_t len); /* not zeroed */
void *xrealloc(void *p, size_t len);
char *xstrdup(const char *z);

/* A new arena; the caller frees it with arena_free. */
struct arena *arena_new(void);
/* Runs the deferred functions, newest first, and frees all but one block, for the next use. */
void arena_reset(struct arena *a);
/* arena_reset, then frees the rest; NULL is ignored. */
void arena_free(struct arena *a);
/* `len` zeroed bytes, aligned for any type. */
void *arena_alloc(struct arena *a, size_t len);
/* Calls free_fn(p) at the arena's reset. */
void arena_defer(struct arena *a, void (*free_fn)(void *), void *p);
/* A copy of s, followed by a NUL that is not counted; absent stays absent. */
struct str arena_str(struct arena *a, struct str s);
/* A copy of s as a C string, "" for an absent one; a NUL inside s cuts it short. */
char *arena_cstr(struct arena *a, struct str s);
/* printf into the arena; NUL-terminated. */
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `text` with `value` in place of the first `place`; all of `text` where there is none. */
struct str arena_fill(struct arena *a, const char *text, const char *place, struct str value);

/* A string that grows in an arena. Zero-initialise it with the arena: { .a = arena }. */
struct buf {
	struct arena *a;
	char *p;
	size_t n;
	size_t room;
};

/* Each of these appends. The bytes stay the arena's; b->p is NUL-terminated after every call. */
void buf_put(struct buf *b, struct str s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends a JSON string with quotes (RFC 8259); U+FFFD for invalid UTF-8, null for an absent s. */
void buf_json(struct buf *b, struct str s);
/* What has been put so far, never absent; valid until the next put. */
struct str buf_str(const struct buf *b);

#endif
