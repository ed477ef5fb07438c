#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <millrace/log.h>
#include <millrace/process.h>

#define LISTEN_FD 3
#define OWN_FILES 32

int
process_listener(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	int64_t for_pid, n;
	int listening = 0;
	socklen_t len = sizeof(listening);

	if (!pid || !fds || !str_int(str_from(pid), &for_pid) || !str_int(str_from(fds), &n) ||
	    for_pid != getpid() || n != 1)
		die("No listening socket was passed. Start this by its systemd unit, or as: "
		    "millrace-spawn --socket PATH -- COMMAND");
	if (getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
		die("Descriptor 3 is not a listening socket.");
	if (fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC) != 0 ||
	    fcntl(LISTEN_FD, F_SETFL, O_NONBLOCK) != 0)
		die("The listening socket cannot be set up: %s.", strerror(errno));
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	return LISTEN_FD;
}

void
process_misused(const char *program)
{
	fprintf(stderr, "%s: these arguments are not known, or lack a value. Try %s --help.\n",
	    program, program);
	exit(2);
}

void
process_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd;

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(at.sun_path))
		return;
	memcpy(at.sun_path, path, strlen(path));
	if (path[0] == '@')
		at.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&at,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
		log_warn("systemd: notification failed", "state", state, "error", strerror(errno));
	close(fd);
}

size_t
process_client_fds(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 2)
		return 1;
	return files.rlim_cur < 2 * OWN_FILES ? files.rlim_cur / 2 : files.rlim_cur - OWN_FILES;
}

const char *
process_host(void)
{
	static char name[256];

	if (!name[0] && gethostname(name, sizeof(name) - 1) != 0)
		strncpy(name, "localhost", sizeof(name) - 1);
	return name;
}

const char *
process_started(void)
{
	static char text[32];

	if (!text[0]) {
		time_t now = time(NULL);
		struct tm tm;

		gmtime_r(&now, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	}
	return text;
}
