/*
 * The wire of streamd's handover (handover.h), also for millracectl: frames of a 32-bit length in
 * host order and as many bytes of JSON; a descriptor goes with its frame's first byte. Includes no
 * other part of streamd. Any thread; calls on one socket must not overlap.
 */
#ifndef STREAMD_HANDOVER_WIRE_H
#define STREAMD_HANDOVER_WIRE_H

#include <millrace/json.h>

/* The format of the states; a process refuses to take over from one of another version. */
#define WIRE_VERSION 1
#define WIRE_FRAME_MAX ((size_t)64 * 1024 * 1024)

/* Sends a frame, with `fd` (the caller's) where that is not -1. False where the text is too long,
   the peer is gone, or it does not read in time (wire_set_timeout). Blocks. */
bool wire_send(int socket, struct str text, int fd);
/* Receives one, under the same conditions. The text is the arena's; *fd is the caller's to close,
   or -1 where none came. Blocks. */
bool wire_receive(int socket, struct arena *a, struct str *text, int *fd);
/* The path, under config()->runtime_dir, on which a streamd listens; the arena's. NULL where it is
   longer than a socket's path may be. */
const char *wire_path(struct arena *a);
/* A connection to that path with timeouts of 5 s, the caller's to close; -1 where nobody
   listens. */
int wire_connect(void);
/* Logs `what` with a number of connections. */
void wire_log(const char *what, size_t n);
/* Each send and each receive fails after so many seconds. */
void wire_set_timeout(int socket, int seconds);

#endif
