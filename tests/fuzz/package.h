/*
 * Zip archives for the targets that read packages: the input holds the parts as they are, each
 * after a line of U+001E and its name. So the parts can be changed by a fuzzer, and libzip, which
 * is not ours, is left out. Only what extract/package/package.c calls is here.
 */
#ifndef TESTS_FUZZ_PACKAGE_H
#define TESTS_FUZZ_PACKAGE_H

#include <zip.h>

#include "worker.h"

#define PACKAGE_PARTS 32

struct zip_file {
	struct bytes left;
};

static struct {
	const char *name; /* n bytes */
	size_t n;
	struct bytes content;
} package_parts[PACKAGE_PARTS];
static zip_int64_t package_n;

zip_source_t *
zip_source_buffer_create(const void *p, zip_uint64_t n, int free_it, zip_error_t *e)
{
	const char *at = p, *end = at + n, *line;

	(void)free_it, (void)e;
	for (package_n = 0; package_n < PACKAGE_PARTS && at < end && *at == 0x1E; package_n++) {
		at++;
		if ((line = memchr(at, '\n', (size_t)(end - at))) == NULL)
			break;
		package_parts[package_n].name = at;
		package_parts[package_n].n = (size_t)(line - at);
		at = memchr(line, 0x1E, (size_t)(end - line));
		if (at == NULL)
			at = end;
		package_parts[package_n].content =
		    (struct bytes){ (const unsigned char *)line + 1, (size_t)(at - line - 1) };
	}
	return (zip_source_t *)package_parts;
}

zip_t *
zip_open_from_source(zip_source_t *source, int flags, zip_error_t *e)
{
	(void)flags, (void)e;
	return (zip_t *)source;
}

zip_int64_t
zip_get_num_entries(zip_t *z, zip_flags_t flags)
{
	(void)z, (void)flags;
	return package_n;
}

zip_int64_t
zip_name_locate(zip_t *z, const char *name, zip_flags_t flags)
{
	zip_int64_t i = package_n;

	(void)z, (void)flags;
	while (i-- > 0)
		if (strlen(name) == package_parts[i].n &&
		    memcmp(name, package_parts[i].name, package_parts[i].n) == 0)
			break;
	return i;
}

int
zip_stat_index(zip_t *z, zip_uint64_t i, zip_flags_t flags, zip_stat_t *st)
{
	(void)z, (void)flags;
	*st = (zip_stat_t){ .valid = ZIP_STAT_SIZE, .size = package_parts[i].content.n };
	return 0;
}

zip_file_t *
zip_fopen_index(zip_t *z, zip_uint64_t i, zip_flags_t flags)
{
	zip_file_t *f = grow(NULL, sizeof(*f));

	(void)z, (void)flags;
	f->left = package_parts[i].content;
	return f;
}

zip_int64_t
zip_fread(zip_file_t *f, void *to, zip_uint64_t n)
{
	if (n > f->left.n)
		n = f->left.n;
	memcpy(to, f->left.p, n);
	f->left = (struct bytes){ f->left.p + n, f->left.n - n };
	return (zip_int64_t)n;
}

int
zip_fclose(zip_file_t *f)
{
	free(f);
	return 0;
}

#endif
