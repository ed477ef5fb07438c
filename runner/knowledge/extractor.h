/*
 * Runs millrace-extract, the sandboxed child that reads a stranger's file, and takes its text, or
 * its rows; and its like, which read something else.
 */
#ifndef RUNNER_KNOWLEDGE_EXTRACTOR_H
#define RUNNER_KNOWLEDGE_EXTRACTOR_H

#include <stddef.h>

#include <millrace/str.h>

#include "runner/queue/stop.h"

enum extract_end {
	EXTRACT_TEXT = 1, /* text has it */
	EXTRACT_UNREADABLE, /* why says it, for a person */
	/* The child could not be run, or died of something else: may pass; why is for the log */
	EXTRACT_BROKEN,
	EXTRACT_STOPPED /* the stop is set, or no more lines are wanted */
};

struct extracted {
	char *text; /* malloc'd; the caller frees it */
	size_t n;
	char why[512];
	bool unwanted; /* extract()'s own: no more lines are */
};

/* What is known of a file beside its bytes, and what is wanted of it. */
struct extract_how {
	const char *program; /* beside the runner; NULL: millrace-extract, which takes the rest */
	const char *name; /* what the client calls it */
	const char *charset; /* the encoding that its sender has said; NULL or "": none */
	bool jq; /* the file is an expression and its input (extract/jq.h) */
	int64_t within_ms; /* 0: as long as the kind of work may take */
	bool page; /* a page of the web, of which the main text is wanted */
	/*
	 * Its rows are wanted (extract/sheet/rows.h): each line of them is handed over as it comes,
	 * without its end. False ends the reading, as a stop does. NULL: its text is.
	 */
	bool (*line)(void *arg, struct str line);
	void *arg;
};

/*
 * `file` is a descriptor of the whole file. Any thread; blocks up to 35 s, and for rows as long as
 * `line` and 10 s of the processor take, half an hour at most.
 */
enum extract_end extract(
    struct stop *stop, int file, const struct extract_how *how, struct extracted *out);

#endif
