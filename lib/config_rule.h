/*
 * What settings take beyond the bounds of their rows (include/millrace/config.h): words, addresses,
 * keys. Pure; any thread.
 */
#ifndef LIB_CONFIG_RULE_H
#define LIB_CONFIG_RULE_H

#include <millrace/config.h>

/* A setting's rule, or that of all whose names end so. */
struct config_rule {
	const char *name; /* "*_X": of every name that ends with _X */
	bool (*holds)(const char *value); /* NULL: the value is a word of `takes` */
	const char *takes; /* goes on "it takes …" */
	bool spares; /* the programs start and do without a value that breaks it */
};

/* The rule that a value, which is not empty, breaks; NULL: it is good. */
const struct config_rule *config_rule_broken(const char *name, const char *value);

#endif
