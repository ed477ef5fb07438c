#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include <millrace/arena.h>
#include <millrace/log.h>

#include "net.h"

void
files_raise(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

struct records
records_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct records r = { 0 };
	struct stat st;
	char *bytes;
	size_t n;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
		die("cannot read %s", path);
	n = (size_t)st.st_size;
	bytes = xmalloc(n + 1);
	bytes[n] = '\0';
	if (read(fd, bytes, n) != (ssize_t)n)
		die("cannot read %s", path);
	close(fd);
	r.text = xmalloc((n + 1) * sizeof(char *));
	for (char *p = bytes; p < bytes + n; p += strlen(p) + 1)
		r.text[r.n++] = p;
	return r;
}

SSL_CTX *
tls_client(const char *cert)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (SSL_CTX_load_verify_locations(tls, cert, NULL) != 1)
		die("cannot read the certificate %s", cert);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	/* one small read buffer a connection is enough, and a token does not wait for another */
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	return tls;
}

static int
dial_unix(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(to.sun_path))
		die("the path is too long: %s", path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("cannot connect to %s: %s", path, strerror(errno));
	return fd;
}

/* All servers here are on this host: 127.0.0.1 and the port of HOST:PORT. */
static int
dial_tcp(const char *address)
{
	const char *colon = strrchr(address, ':');
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (!colon)
		die("not HOST:PORT: %s", address);
	to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("cannot connect to %s: %s", address, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

void
wire_open(struct wire *w, const char *to, SSL_CTX *tls)
{
	w->fd = strncmp(to, "unix:", 5) == 0 ? dial_unix(to + 5) : dial_tcp(to);
	w->ssl = NULL;
	if (tls) {
		w->ssl = SSL_new(tls);
		SSL_set_fd(w->ssl, w->fd);
		if (SSL_connect(w->ssl) != 1)
			die("TLS: %s", ERR_reason_error_string(ERR_get_error()));
	}
	fcntl(w->fd, F_SETFL, O_NONBLOCK);
}

void
wire_close(struct wire *w)
{
	if (w->ssl)
		SSL_free(w->ssl);
	w->ssl = NULL;
	close(w->fd);
	w->fd = -1;
}

ssize_t
wire_read(struct wire *w, char *to, size_t room)
{
	ssize_t n;

	if (w->ssl) {
		int got = SSL_read(w->ssl, to, (int)room);

		if (got > 0)
			return got;
		return SSL_get_error(w->ssl, got) == SSL_ERROR_WANT_READ ? -1 : 0;
	}
	n = recv(w->fd, to, room, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -1 : 0;
	return n;
}

bool
wire_write(struct wire *w, const char *p, size_t n)
{
	return w->ssl ? SSL_write(w->ssl, p, (int)n) == (int)n
		      : send(w->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}
