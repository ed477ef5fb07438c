/* The signed tokens of tests/vectors, good and bad, with the keys that they are checked by. */
#ifndef TESTS_UNIT_VECTORS_H
#define TESTS_UNIT_VECTORS_H

#include <stdio.h>

#include <millrace/json.h>

/* The whole file, `a`'s; NULL where it cannot be read. */
static inline json_object *
read_vectors(struct arena *a)
{
	FILE *f = fopen("tests/vectors/jwt-vectors.json", "re");
	char *text = arena_alloc(a, 65536);
	json_object *o = NULL;
	const char *why;
	size_t n = f ? fread(text, 1, 65536, f) : 0;

	if (f)
		fclose(f);
	return json_parse(a, (struct str){ text, n }, &o, &why) == ERR_OK ? o : NULL;
}

#endif
