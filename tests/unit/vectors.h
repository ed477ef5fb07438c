/* Files of tests/vectors: signed tokens, good and bad, with their keys; signed transactions. */
#ifndef TESTS_UNIT_VECTORS_H
#define TESTS_UNIT_VECTORS_H

#include <stdio.h>

#include <millrace/json.h>

#define VECTORS_MAX ((size_t)256 * 1024)

/* A whole file, `a`'s; NULL where it cannot be read. */
static inline json_object *
read_vectors(struct arena *a, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = arena_alloc(a, VECTORS_MAX);
	json_object *o = NULL;
	const char *why;
	size_t n = f ? fread(text, 1, VECTORS_MAX, f) : 0;

	if (f)
		fclose(f);
	return json_parse(a, (struct str){ text, n }, &o, &why) == ERR_OK ? o : NULL;
}

#endif
