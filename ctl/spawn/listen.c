/* The listening socket and the log. */
#include "spawn.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The kernel takes the smaller of this and net.core.somaxconn. */
#define BACKLOG 4096

static const char *own_name = "spawn";

void
log_name(const char *name)
{
	own_name = name;
}

void
log_line(const char *level, const char *fmt, ...)
{
	char text[512];
	char stamp[32];
	struct timespec now;
	struct tm tm;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* paths and strerror() come in here: keep the line valid JSON */
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == '"' || *p == '\\')
			*p = '\'';
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)fprintf(stderr,
	    "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"role\":\"spawn\",\"pool\":\"%s\","
	    "\"msg\":\"%s\"}\n",
	    stamp, now.tv_nsec / 1000000, level, own_name, text);
}

/* Is somebody accepting at this address? A full queue counts as life. */
static bool
is_live(const struct sockaddr_un *sa)
{
	bool live;
	int fd;

	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) == -1)
		return false;
	live = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN;
	(void)close(fd);
	return live;
}

/* Clears the way for bind(2). Returns false after a log line. */
static bool
remove_stale(const struct sockaddr_un *sa)
{
	struct stat st;

	if (lstat(sa->sun_path, &st) == -1)
		return true; /* bind says it if it is not just missing */
	if (!S_ISSOCK(st.st_mode)) {
		log_line("error", "%s exists and is not a socket", sa->sun_path);
		return false;
	}
	if (is_live(sa)) {
		log_line("error", "another server is listening on %s", sa->sun_path);
		return false;
	}
	if (unlink(sa->sun_path) == -1) {
		log_line("error", "cannot remove the stale socket %s: %s", sa->sun_path,
		    strerror(errno));
		return false;
	}
	return true;
}

int
listen_unix(const char *path, mode_t mode, gid_t gid)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	mode_t old_umask;
	int fd, bound;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		log_line("error", "the socket's path is longer than %zu bytes: %s",
		    sizeof(sa.sun_path) - 1, path);
		return -1;
	}
	(void)memcpy(sa.sun_path, path, strlen(path) + 1);
	if (!remove_stale(&sa))
		return -1;
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) == -1) {
		log_line("error", "socket: %s", strerror(errno));
		return -1;
	}
	/* never open wider than asked, not even between bind and chmod */
	old_umask = umask(0177);
	bound = bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
	(void)umask(old_umask);
	if (bound == -1 || (gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid) == -1) ||
	    chmod(path, mode) == -1 || listen(fd, BACKLOG) == -1) {
		log_line("error", "cannot listen on %s: %s", path, strerror(errno));
		(void)close(fd);
		return -1;
	}
	return fd;
}
