/*
 * What a command in a container writes, as the engine sends it: frames of a stream's number, three
 * zeros, a length of four bytes in network order, and so many bytes (Docker Engine API,
 * ContainerAttach). A reader's own; nothing blocks.
 */
#ifndef RUNNER_OUTSIDE_FRAMES_H
#define RUNNER_OUTSIDE_FRAMES_H

#include <stdint.h>

#include <millrace/str.h>

#define FRAMES_STREAMS 4 /* standard input, output and error, and the engine's own errors */

/* Begins zeroed. */
struct frames {
	unsigned char head[8];
	size_t n_head;
	uint32_t left; /* of the frame that has begun */
};

enum frames_end {
	FRAMES_MORE = 1,
	FRAMES_ENOUGH, /* on_bytes wants no more */
	FRAMES_BAD /* these are no frames */
};

/*
 * Takes bytes wherever they are cut, and hands on what frames hold, in pieces. After another end
 * than FRAMES_MORE nothing is to be fed.
 */
enum frames_end frames_feed(struct frames *f, struct str bytes,
    bool (*on_bytes)(void *arg, unsigned int stream, struct str bytes), void *arg);

#endif
