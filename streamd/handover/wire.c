#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <millrace/config.h>
#include <millrace/log.h>
#include "streamd/handover/wire.h"

#define TIMEOUT_S 5

void
wire_set_timeout(int socket, int seconds)
{
	const struct timeval tv = { .tv_sec = seconds };

	(void)setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	(void)setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

const char *
wire_path(struct arena *a)
{
	struct str path = arena_printf(a, "%s/streamd/handover.sock", config()->runtime_dir);

	return path.n < sizeof(((struct sockaddr_un *)NULL)->sun_path) ? path.p : NULL;
}

int
wire_connect(void)
{
	struct arena *a = arena_new();
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const char *path = wire_path(a);
	int fd = path ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

	if (path)
		memcpy(at.sun_path, path, strlen(path));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		close(fd);
		fd = -1;
	}
	arena_free(a);
	if (fd >= 0)
		wire_set_timeout(fd, TIMEOUT_S);
	return fd;
}

void
wire_log(const char *what, size_t n)
{
	struct arena *a = arena_new();

	log_info(what, "connections", arena_printf(a, "%zu", n).p);
	arena_free(a);
}

static bool
send_all(int socket, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(socket, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool
receive_all(int socket, char *p, size_t n)
{
	while (n > 0) {
		ssize_t got = recv(socket, p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

/* Room for one descriptor, aligned as cmsg(3) wants it. */
union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

bool
wire_send(int socket, struct str text, int fd)
{
	uint32_t len = (uint32_t)text.n;
	struct iovec iov = { &len, sizeof(len) };
	union control control = { .bytes = { 0 } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (text.n > WIRE_FRAME_MAX)
		return false;
	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	do
		sent = sendmsg(socket, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent > 0 &&
	       send_all(socket, (const char *)&len + sent, sizeof(len) - (size_t)sent) &&
	       send_all(socket, text.p, text.n);
}

bool
wire_receive(int socket, struct arena *a, struct str *text, int *fd)
{
	uint32_t len = 0;
	struct iovec iov = { &len, sizeof(len) };
	union control control;
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;
	ssize_t got;
	char *p;

	*fd = -1;
	do
		got = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(*fd)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	if (receive_all(socket, (char *)&len + got, sizeof(len) - (size_t)got) &&
	    len <= WIRE_FRAME_MAX) {
		p = arena_alloc(a, (size_t)len + 1);
		if (receive_all(socket, p, len)) {
			*text = (struct str){ p, len };
			return true;
		}
	}
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return false;
}
