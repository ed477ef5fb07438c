/*
 * What every long-running program has: a listening socket by systemd's protocol, and the facts that
 * its row in the table `process` states. For the main thread.
 */
#ifndef MILLRACE_PROCESS_H
#define MILLRACE_PROCESS_H

#include <millrace/arena.h>
#include <millrace/version.h>

/*
 * The listening socket that systemd or millrace-spawn passes (sd_listen_fds(3): LISTEN_PID,
 * LISTEN_FDS, descriptor 3), set non-blocking and close-on-exec. Ends the process with a plain
 * sentence where there is none.
 */
int process_listener(void);
/* Notifies systemd of a state ("READY=1", sd_notify(3)); does nothing without NOTIFY_SOCKET. */
void process_notify(const char *state);
/*
 * How many descriptors clients may hold: RLIMIT_NOFILE less a reserve, so that the process can
 * always reconnect to its database. At least 1.
 */
size_t process_client_fds(void);
/* Ends a program that was given wrong arguments, with a sentence that names its --help. */
_Noreturn void process_misused(const char *program);
/* This host's name; lives as long as the process. */
const char *process_host(void);
/*
 * The time of the first call, RFC 3339; lives as long as the process. main calls it at its start.
 */
const char *process_started(void);

#endif
