/*
 * What a command has written, for a model to read: its beginning and its end, in whole characters
 * of each stream, in the order in which they came. A struct output is its owner's; nothing blocks.
 */
#ifndef RUNNER_CONTAINER_OUTPUT_H
#define RUNNER_CONTAINER_OUTPUT_H

#include <millrace/arena.h>

#include "runner/outside/frames.h"

#define OUTPUT_FIRST ((size_t)16000) /* bytes that are kept of the beginning */
#define OUTPUT_LAST ((size_t)8000) /* and of the end */

/* A stream's last bytes, which are the beginning of a character. */
struct output_part {
	char bytes[4];
	size_t n;
};

/* Begins zeroed. */
struct output {
	struct output_part parts[FRAMES_STREAMS];
	char first[OUTPUT_FIRST];
	char last[OUTPUT_LAST]; /* what came behind it, a ring */
	size_t n; /* bytes that came in all */
};

/* Takes bytes of a stream (below FRAMES_STREAMS). */
void output_add(struct output *o, unsigned int stream, struct str bytes);
/*
 * All of it, or its beginning and its end with a word between them on what is left out; the
 * arena's. It is UTF-8: what is none, and control characters but tab and line ends, are U+FFFD.
 */
struct str output_text(struct output *o, struct arena *a);

#endif
