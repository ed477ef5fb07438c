/* The wire of streamd's handover (streamd/handover/handover.h): frames of JSON with descriptors. */
#ifndef STREAMD_HANDOVER_WIRE_H
#define STREAMD_HANDOVER_WIRE_H

#include <millrace/json.h>

/* The form of the states; a process that does not know it takes nothing over. */
#define MOVE_VERSION 1
#define MOVE_FRAME_MAX ((size_t)64 * 1024 * 1024)

/* Sends a frame, with `fd` (which stays the caller's) where that is not -1; false where it is too long, or the other side is gone or
   does not take it in time (move_patience). Blocks. */
bool move_send(int socket, struct str text, int fd);
/* Receives one, in the same way. The text is the arena's; *fd is the caller's to close, and -1 where none came. */
bool move_receive(int socket, struct arena *a, struct str *text, int *fd);
/* Where a streamd listens for its successor and for millracectl, in config()->runtime_dir; the arena's. NULL where that would be longer than
   a socket's path may be. */
const char *move_path(struct arena *a);
/* A connection to it; -1 where nobody listens. The caller closes it. */
int move_connect(void);
/* Logs `what` with its number of connections. */
void move_log(const char *what, size_t n);
/* Sending and receiving each give up after so long; 5 s for what move_connect gives. */
void move_patience(int socket, int seconds);

#endif
