#include <stdio.h>
#include <stdlib.h>

#include <millrace/arena.h>
#include <millrace/log.h>

#ifndef __has_feature
#define __has_feature(x) 0 /* clang's form of gcc's __SANITIZE_ADDRESS__ */
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define BLOCK_LEN ((size_t)8 * 1024 - 64)

struct block {
	struct block *older;
	size_t len;
	size_t used;
	_Alignas(max_align_t) char bytes[];
};

struct deferred {
	struct deferred *older;
	void (*free_fn)(void *);
	void *p;
};

struct arena {
	struct block *newest;
	struct deferred *deferred;
};

void *
xmalloc(size_t len)
{
	void *p = malloc(len ? len : 1);

	if (!p)
		abort();
	return p;
}

void *
xrealloc(void *p, size_t len)
{
	p = realloc(p, len ? len : 1);
	if (!p)
		abort();
	return p;
}

char *
xstrdup(const char *z)
{
	size_t len = strlen(z) + 1;

	return memcpy(xmalloc(len), z, len);
}

static struct block *
block_new(size_t len, struct block *older)
{
	struct block *b = xmalloc(sizeof(*b) + len);

	*b = (struct block){ .older = older, .len = len };
	ASAN_POISON_MEMORY_REGION(b->bytes, len);
	return b;
}

struct arena *
arena_new(void)
{
	struct arena *a = xmalloc(sizeof(*a));

	*a = (struct arena){ .newest = block_new(BLOCK_LEN, NULL) };
	return a;
}

void
arena_reset(struct arena *a)
{
	while (a->deferred) {
		struct deferred *d = a->deferred;

		a->deferred = d->older;
		d->free_fn(d->p);
	}
	while (a->newest->older) {
		struct block *b = a->newest->older;

		a->newest->older = b->older;
		ASAN_UNPOISON_MEMORY_REGION(b->bytes, b->len);
		free(b);
	}
	a->newest->used = 0;
	ASAN_POISON_MEMORY_REGION(a->newest->bytes, a->newest->len);
}

void
arena_free(struct arena *a)
{
	if (!a)
		return;
	arena_reset(a);
	ASAN_UNPOISON_MEMORY_REGION(a->newest->bytes, a->newest->len);
	free(a->newest);
	free(a);
}

void *
arena_alloc(struct arena *a, size_t len)
{
	const size_t align = _Alignof(max_align_t);
	struct block *b = a->newest;
	void *p;

	if (len > SIZE_MAX / 2)
		abort();
	len = (len + align - 1) / align * align;
	/* What fills a block leaves the newest its room for what comes. */
	if (len > BLOCK_LEN)
		b = b->older = block_new(len, b->older);
	else if (len > b->len - b->used)
		a->newest = b = block_new(BLOCK_LEN, b);
	p = b->bytes + b->used;
	b->used += len;
	ASAN_UNPOISON_MEMORY_REGION(p, len);
	return memset(p, 0, len);
}

void
arena_defer(struct arena *a, void (*free_fn)(void *), void *p)
{
	struct deferred *d = arena_alloc(a, sizeof(*d));

	*d = (struct deferred){ .older = a->deferred, .free_fn = free_fn, .p = p };
	a->deferred = d;
}

char *
arena_cstr(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

struct str
arena_str(struct arena *a, struct str s)
{
	return s.p ? (struct str){ arena_cstr(a, s), s.n } : s;
}

struct str
arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	int n;
	char *p;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		abort();
	p = arena_alloc(a, (size_t)n + 1);
	va_start(args, format);
	vsnprintf(p, (size_t)n + 1, format, args);
	va_end(args);
	return (struct str){ p, (size_t)n };
}

struct str
arena_fill(struct arena *a, const char *text, const char *place, struct str value)
{
	const char *at = strstr(text, place);

	if (!at)
		return str_from(text);
	return arena_printf(
	    a, "%.*s%.*s%s", (int)(at - text), text, S_ARG(value), at + strlen(place));
}

/* Is it the last of the newest block, which has so much room? It has it then. */
static bool
extend(struct buf *b, size_t room)
{
	struct block *last = b->a->newest;
	size_t more = room - b->room;

	if (b->p + b->room != last->bytes + last->used || more > last->len - last->used)
		return false;
	ASAN_UNPOISON_MEMORY_REGION(last->bytes + last->used, more);
	last->used += more;
	b->room = room;
	return true;
}

/*
 * Makes room for `more` bytes and a NUL. Where the buffer cannot grow in its place, the old bytes
 * stay in the arena; doubling bounds the waste.
 */
static void
buf_grow(struct buf *b, size_t more)
{
	size_t room = b->room ? b->room : 256;
	char *p;

	if (b->p && b->n + more < b->room)
		return;
	while (room <= b->n + more)
		room *= 2;
	if (b->p && extend(b, room))
		return;
	p = arena_alloc(b->a, room);
	if (b->n > 0)
		memcpy(p, b->p, b->n);
	b->p = p;
	b->room = room;
}

void
buf_put(struct buf *b, struct str s)
{
	buf_grow(b, s.n);
	if (s.n > 0)
		memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	b->p[b->n] = '\0';
}

void
buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int n;

	/* There is usually enough room, so one pass of vsnprintf does. */
	buf_grow(b, 0);
	va_start(args, format);
	n = vsnprintf(b->p + b->n, b->room - b->n, format, args);
	va_end(args);
	if (n < 0)
		abort();
	if ((size_t)n >= b->room - b->n) {
		buf_grow(b, (size_t)n);
		va_start(args, format);
		vsnprintf(b->p + b->n, (size_t)n + 1, format, args);
		va_end(args);
	}
	b->n += (size_t)n;
}

/* The length of the longest prefix of s that is well-formed and needs no escape. */
static size_t
plain_run(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

		if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
			break;
		if (c >= 0x80 && (len > s.n - i || !str_utf8((struct str){ s.p + i, len })))
			break;
		i += len;
	}
	return i;
}

void
buf_json(struct buf *b, struct str s)
{
	if (!s.p) {
		buf_put(b, S("null"));
		return;
	}
	buf_put(b, S("\""));
	while (s.n > 0) {
		size_t run = plain_run(s);
		unsigned char c;

		buf_put(b, (struct str){ s.p, run });
		s.p += run;
		s.n -= run;
		if (s.n == 0)
			break;
		c = (unsigned char)s.p[0];
		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c == '\n')
			buf_put(b, S("\\n"));
		else if (c < 0x80)
			buf_printf(b, "\\u%04x", c);
		else
			buf_put(b, S("\\ufffd"));
		s.p++;
		s.n--;
	}
	buf_put(b, S("\""));
}

struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->p ? b->p : "", b->n };
}
