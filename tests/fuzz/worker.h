/*
 * The extractor's worker for the targets of its parsers, extract_*.c: what ends the worker ends one
 * run here, after which all that it got by grow() is freed, unless it has given it back itself.
 * What the libraries hold then is lost, so leaks are not looked for.
 */
#ifndef TESTS_FUZZ_WORKER_H
#define TESTS_FUZZ_WORKER_H

#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extract/out.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
const char *__asan_default_options(void);
void __real_free(void *p);
void __wrap_free(void *p);

static jmp_buf worker_end;
static void *worker_held[65536]; /* by grow() */
static size_t worker_n_held;
static void (*worker_over)(void); /* called when a run has ended, before that is freed; or NULL */

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* The sentence has to be one, in one line. */
_Noreturn void
fail(const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert(
	    n > 1 && (size_t)n < sizeof(text) && text[n - 1] == '.' && strchr(text, '\n') == NULL);
	longjmp(worker_end, 1);
}

/* The number of what is held at p, or of the next. */
static size_t
worker_find(const void *p)
{
	size_t i = worker_n_held;

	while (i > 0 && worker_held[i - 1] != p)
		i--;
	return i > 0 ? i - 1 : worker_n_held;
}

void *
grow(void *p, size_t n)
{
	size_t i = p != NULL ? worker_find(p) : worker_n_held;

	assert(i < sizeof(worker_held) / sizeof(worker_held[0]));
	worker_held[i] = realloc(p, n > 0 ? n : 1);
	assert(worker_held[i] != NULL);
	worker_n_held += i == worker_n_held;
	return worker_held[i];
}

/* Every free() of what is linked here, by the linker's --wrap. */
void
__wrap_free(void *p)
{
	size_t i = p != NULL ? worker_find(p) : worker_n_held;

	if (i < worker_n_held)
		worker_held[i] = worker_held[--worker_n_held];
	__real_free(p);
}

/* What has been put out: UTF-8 without control characters, in blocks with marks. */
static void
worker_check(const struct out *o)
{
	const unsigned char *p = (const unsigned char *)o->p;
	size_t i, used, mark = 0;
	uint32_t c;

	for (i = 0; i < o->len; i += used) {
		used = utf8_get(p + i, o->len - i, &c);
		assert(used > 0 && (c >= ' ' || c == '\n' || c == '\t' || c == 0x1E));
		assert(c < 0x7F || c >= 0xA0);
		if (c == 0x1E)
			mark = i + 1;
		if (c == '\n' && mark > 0) {
			assert(i > mark && i - mark <= OUT_MARK_MAX);
			mark = 0;
		}
	}
}

/* One run: a file of kind k through a reader. */
static inline void
worker_read(reader *read, enum kind k, struct bytes file)
{
	static struct out o;

	out_begin(&o, k);
	if (setjmp(worker_end) == 0) {
		read(file, &o);
		worker_check(&o);
	}
	if (worker_over != NULL)
		worker_over();
	while (worker_n_held > 0)
		__real_free(worker_held[--worker_n_held]);
}

#endif
