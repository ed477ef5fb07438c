/* How the worker ends early. The fuzz targets have their own (tests/fuzz/worker.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extract/extract.h"

_Noreturn void
fail(const char *fmt, ...)
{
	char msg[512];
	va_list ap;
	int n;

	msg[0] = 'E';
	va_start(ap, fmt);
	n = vsnprintf(msg + 1, sizeof(msg) - 1, fmt, ap);
	va_end(ap);
	if (n > 0 && write(STDOUT_FILENO, msg, strlen(msg)) < 0)
		_exit(3);
	_exit(1);
}

void *
grow(void *p, size_t n)
{
	void *q = realloc(p, n);

	if (q == NULL)
		fail("Reading the file takes more than %zu MiB of memory, which is refused.",
		    EXTRACT_MEMORY_MAX / MIB);
	return q;
}
