/* The wire of streamd's handover (streamd/handover.h): frames of JSON with descriptors. */
#ifndef MILLRACE_MOVE_H
#define MILLRACE_MOVE_H

#include <millrace/json.h>

/* The form of the states; a process that does not know it takes nothing over. */
#define MOVE_VERSION 1
#define MOVE_FRAME_MAX ((size_t)64 * 1024 * 1024)

/* Sends a frame, with `fd` where that is not -1; false where the other side is gone or does not take it in time. Blocks. */
bool move_send(int socket, struct str text, int fd);
/* Receives one; *fd is -1 where none came. The text is the arena's. */
bool move_receive(int socket, struct arena *a, struct str *text, int *fd);
/* Where a streamd listens for its successor and for millracectl, in config()->runtime_dir; the arena's. NULL where that would be longer than
   a socket's path may be. */
const char *move_path(struct arena *a);
/* A connection to it; -1 where nobody listens. The caller closes it. */
int move_connect(void);
/* A log line. */
void say_how_many(const char *what, size_t n);
/* Both directions give up after so long; 5 s for what move_connect gives. */
void move_patience(int socket, int seconds);

#endif
