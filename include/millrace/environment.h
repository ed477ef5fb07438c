/*
 * A file of settings, NAME=value lines, read as systemd reads an EnvironmentFile (systemd.exec(5)):
 * blank lines and those that begin with # or ; are skipped; a value may stand in quotes, of which
 * '' keep everything and "" everything but \" \\ \$ \`; a backslash takes the next character
 * literally, and the next line where it ends one; blanks at a value's ends do not count. What is of
 * another form is refused, where systemd skips it.
 *
 * One thread: the environment is the process's. Nothing here logs, since values may be secrets.
 */
#ifndef MILLRACE_ENVIRONMENT_H
#define MILLRACE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

struct environment_line {
	const char *name;
	const char *value;
	size_t number; /* of the line in the file, from 1 */
	bool applied; /* environment_apply has set the variable by this line */
};

struct environment {
	struct environment_line *lines;
	size_t n;
	char *text; /* what names and values are parts of */
};

/*
 * Reads the file. False: `why` has a clause for a person, without the file's name ("line 3 is not
 * NAME=value"), and errno is the open's error or 0. The caller frees it with environment_free,
 * which may follow a failure, too.
 */
bool environment_read(const char *path, struct environment *e, char *why, size_t why_len)
    __attribute__((warn_unused_result));

/* Sets the variables: one that is there keeps its value; of a name's lines the last counts. */
void environment_apply(struct environment *e);

/* Frees what environment_read() has allocated; the variables that were set stay. */
void environment_free(struct environment *e);

#endif
