/* Runs millrace-extract, the sandboxed child that reads a stranger's file, and takes its text. */
#ifndef RUNNER_KNOWLEDGE_EXTRACTOR_H
#define RUNNER_KNOWLEDGE_EXTRACTOR_H

#include <millrace/arena.h>

struct job;

enum extract_end {
	EXTRACT_TEXT = 1, /* text has it */
	EXTRACT_UNREADABLE, /* why says it, for a person */
	EXTRACT_BROKEN, /* the child could not be run, or died of something else: may pass */
	EXTRACT_STOPPED /* job_stop spoke */
};

struct extracted {
	char *text; /* malloc'd; the caller frees it */
	size_t n;
	char why[512];
};

/* `file` is a descriptor of the whole file, `name` what the client calls it. Blocks up to 35 s; few run at once. */
enum extract_end extract(struct job *j, int file, const char *name, struct extracted *out);

#endif
