/* The types of variable path parts, such as {id:uuid}: one table for matching, documents, tests. */
#ifndef FCGI_PATH_TYPE_H
#define FCGI_PATH_TYPE_H

#include <millrace/str.h>

struct path_type {
	const char *name;
	bool (*check)(struct str part); /* a part that fails it is another path: 404 */
	const char *schema; /* JSON Schema */
	const char *example; /* one that `check` accepts */
};

extern const struct path_type path_types[];
extern const size_t n_path_types;

/* The type of a pattern's part, "{name:type}"; NULL for a static part and for an unknown type. */
const struct path_type *path_type_of(struct str part);
/* The variable's name, without its type; the part's. */
struct str path_variable(struct str part);

#endif
