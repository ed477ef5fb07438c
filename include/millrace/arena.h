/*
 * A request's memory: bump allocation, freed all at once. Nothing that is allocated here is freed alone. What is foreign
 * (a PGresult, a json_object) is handed over with arena_defer. Out of memory ends the process: sizes that come from outside
 * are bounded before they get here. Under AddressSanitizer freed memory is poisoned.
 */
#ifndef MILLRACE_ARENA_H
#define MILLRACE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include <millrace/str.h>

struct arena;

/* malloc, realloc, strdup that never return NULL: they abort instead. The caller frees. What xmalloc gives is not zeroed. */
void *xmalloc(size_t len);
void *xrealloc(void *p, size_t len);
char *xstrdup(const char *z);

/* A new arena; the caller frees it with arena_free. */
struct arena *arena_new(void);
/* Runs the deferred functions, newest first, and keeps one block for the next use. */
void arena_reset(struct arena *a);
/* arena_reset, then gives everything back; NULL is ignored. */
void arena_free(struct arena *a);
/* `len` zeroed bytes, aligned for any type. */
void *arena_alloc(struct arena *a, size_t len);
/* free_fn(p) at the arena's reset. */
void arena_defer(struct arena *a, void (*free_fn)(void *), void *p);
/* A copy of s, with a NUL after it that is not counted; absent stays absent. */
struct str arena_str(struct arena *a, struct str s);
/* The same as a C string; s must hold no NUL for it to be whole. */
char *arena_cstr(struct arena *a, struct str s);
/* printf into the arena; NUL-terminated. */
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A string that grows in an arena. Zero-initialise with the arena: `struct buf b = { .a = arena };` */
struct buf {
	struct arena *a;
	char *p;
	size_t n;
	size_t room;
};

/* Each adds to the end; the bytes stay the arena's. buf.p is NUL-terminated after every call. */
void buf_put(struct buf *b, struct str s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* s as a JSON string with its quotes (RFC 8259); invalid UTF-8 goes out as U+FFFD; an absent s as null. */
void buf_json(struct buf *b, struct str s);
/* What has been put so far; valid until the next put. */
struct str buf_str(const struct buf *b);

#endif
