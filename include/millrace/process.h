/*
 * What every process of Millrace is: a version, a listening socket by systemd's protocol, a row in `process`.
 */
#ifndef MILLRACE_PROCESS_H
#define MILLRACE_PROCESS_H

#include <millrace/arena.h>
#include <millrace/version.h>

/* The listening socket passed by systemd or millrace-spawn (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, descriptor 3), set
   non-blocking and close-on-exec; ends the process with a plain sentence where there is none. */
int process_listener(void);
/* Tells systemd something (sd_notify(3)), where it has asked to be told. */
void process_notify(const char *state);
/* How many descriptors its clients may hold of those that the process may open: some are kept, so that it connects to the database anew
   whoever holds the others. At least 1. */
size_t process_client_fds(void);
/* This host's name; lives as long as the process. */
const char *process_host(void);
/* When this process started, RFC 3339. */
const char *process_started(void);
#endif
