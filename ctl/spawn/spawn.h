/*
 * millrace-spawn: keeps N copies of a program running around one listening
 * UNIX socket, for hosts without systemd and for ./dev. The program gets the
 * socket as systemd would give it: descriptor 3, LISTEN_FDS=1, LISTEN_PID
 * (sd_listen_fds(3)). The socket stays open while processes come and go, so
 * a connection that arrives in between waits in its queue and is not refused.
 *
 * One thread; blocks in sigtimedwait only. Of lib/ it uses the clock, environment.h and version.h.
 */
#ifndef MILLRACE_SPAWN_H
#define MILLRACE_SPAWN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#define SPAWN_PROCESSES_MAX 256

/* What the command line asked for. Strings belong to argv. */
struct spawn_opts {
	const char *name; /* how log lines call it */
	const char *socket; /* path to listen on, or NULL */
	mode_t mode; /* the socket's permissions */
	gid_t socket_gid; /* the socket's group, (gid_t)-1: ours */
	bool change_user; /* the processes run as uid and gid, not as we do */
	uid_t uid;
	gid_t gid;
	const char *user; /* whose further groups they get; NULL: none */
	const char *pidfile; /* or NULL */
	const char *env_file; /* settings, read anew at each start of a process; or NULL */
	size_t nprocesses;
	int stop_timeout_s; /* after SIGTERM a process has so long, then SIGKILL */
	bool no_overlap; /* on SIGHUP, a successor starts when its predecessor has ended */
	char **command; /* NULL-terminated, as for execvp(3) */
};

/*
 * Listens on a UNIX stream socket at path, non-blocking and close-on-exec,
 * with permissions mode and group gid ((gid_t)-1: ours). A socket file that
 * nobody answers on is replaced.
 * Returns the descriptor, which the caller owns, or -1 after a log line: a
 * live server there, a path that is too long or is no socket, no permission.
 */
int listen_unix(const char *path, mode_t mode, gid_t gid) __attribute__((warn_unused_result));

/*
 * Runs the program until SIGTERM or SIGINT: starts nprocesses of it, restarts
 * those that end, replaces all on SIGHUP. fd is the listening socket or -1;
 * it stays the caller's. Signals have to be blocked before. Returns the exit
 * status for main.
 */
int supervise(const struct spawn_opts *o, int fd);

/* One JSON line on standard error; name is set once by main. */
void log_name(const char *name);
void log_line(const char *level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
