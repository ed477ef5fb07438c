#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utlist.h>

#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "streamd/conn.h"
#include "streamd/handover/handover.h"
#include "streamd/handover/wire.h"
#include "streamd/socketio/engine.h"

#define LISTEN_FD 3
#define SUCCESSOR_MS 20000
#define WATCH_MS 100
#define PAUSE_MS 1000
/* For each frame of a handover, which blocks the process. */
#define STEP_TIMEOUT_S 5

/* The socket for successors, and the request for a handover that may be under way. */
static struct handover {
	struct loop_fd io;
	struct loop_timer watch; /* armed: a successor was started and has not connected */
	struct loop_timer pause; /* armed: accept failed for want of a descriptor */
	struct server *server;
	int requester; /* millracectl's connection, which waits for the outcome; -1: none */
	pid_t child;
	int64_t until_ms; /* how long the child is waited for */
} handover = { .io.fd = -1, .requester = -1 };

/* ----------------------------------------------------------- handing over */

/* One connection's frame; false where it cannot be handed over. */
static bool
handover_save(const struct conn *c, struct buf *out)
{
	if (c->dead || c->closing || !c->kind->save)
		return false;
	buf_put(out, S("{"));
	if (!c->kind->save(c, out))
		return false;
	conn_save(c, out);
	buf_put(out, S("}"));
	return true;
}

static bool
send_session(void *socket, struct str state)
{
	return wire_send(*(int *)socket, state, -1);
}

/* Sends everything that can be handed over, and marks those connections. */
static bool
handover_send(struct server *s, int socket)
{
	struct arena *a = arena_new();
	bool good;
	struct conn *c;

	good = wire_send(socket,
	    arena_printf(a, "{\"version\":%d,\"pid\":%d}", WIRE_VERSION, (int)getpid()),
	    s->listener.fd);
	DL_FOREACH (s->conns, c) {
		struct buf b = { .a = a };

		c->handed_over = good && handover_save(c, &b);
		if (c->handed_over)
			good = wire_send(socket, buf_str(&b), c->io.fd);
		arena_reset(a);
	}
	good = good && engine_save_sessions(s->engine, a, send_session, &socket);
	good = good && wire_send(socket, S("{\"end\":true}"), -1);
	arena_free(a);
	return good;
}

/* Closes what was handed over, of which the successor holds the descriptors; drains the rest. */
static void
release(struct server *s)
{
	struct conn *c, *next;
	size_t n = 0;

	DL_FOREACH (s->conns, c)
		n += c->handed_over;
	for (c = s->conns; c; c = server_next_conn(s, next)) {
		next = c->next;
		if (c->handed_over)
			conn_close(c);
	}
	wire_log("handover: handed over", n);
	handover_close(s);
	server_stop(s);
}

static void
reply_to_requester(const char *text)
{
	if (handover.requester < 0)
		return;
	(void)wire_send(handover.requester, str_from(text), -1);
	close(handover.requester);
	handover.requester = -1;
}

/* Hands over to the successor on `socket`. Blocks the process. */
static void
handover_to(struct server *s, int socket)
{
	struct arena *a = arena_new();
	struct str request = { NULL, 0 };
	int fd;
	bool confirmed;

	server_flush(s);
	confirmed = handover_send(s, socket) && wire_receive(socket, a, &request, &fd) &&
		    str_eq(request, S("{\"taken\":true}"));
	loop_disarm(s->loop, &handover.watch);
	if (confirmed) {
		/* A successor that systemd started is its main process already. */
		if (handover.child > 0)
			process_notify(arena_printf(a, "MAINPID=%d", (int)handover.child).p);
		reply_to_requester("{\"ok\":true}");
		release(s);
	} else {
		log_error("handover: successor did not take over; this process goes on");
		reply_to_requester(
		    "{\"error\":\"The successor did not take over; its log says why.\"}");
	}
	arena_free(a);
}

/* --------------------------------------------------- starting a successor */

/* Executes the program anew, with the listening socket as systemd would pass it. */
static void __attribute__((noreturn)) exec_successor(const struct server *s)
{
	struct arena *a = arena_new();
	char *path = arena_cstr(a, arena_printf(a, "%s/millrace-streamd", config()->libexec_dir));
	char *argv[] = { path, NULL };
	sigset_t none;

	/* dup2 of a descriptor onto itself leaves close-on-exec set */
	if (s->listener.fd == LISTEN_FD ? fcntl(LISTEN_FD, F_SETFD, 0) < 0
					: dup2(s->listener.fd, LISTEN_FD) < 0)
		_exit(126);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", arena_printf(a, "%d", (int)getpid()).p, 1);
	config_reveal();
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	execv(path, argv);
	fprintf(stderr, "%s cannot be run: %s\n", path, strerror(errno));
	_exit(127);
}

static void
handover_watch_fires(struct loop_timer *t)
{
	struct loop *l = handover.server->loop;

	if (waitpid(handover.child, NULL, WNOHANG) == 0 && loop_now(l) < handover.until_ms) {
		loop_arm(l, t, WATCH_MS);
		return;
	}
	reply_to_requester("{\"error\":\"The successor did not connect; its log says why.\"}");
}

static void
start_watch(struct loop *l)
{
	handover.until_ms = loop_now(l) + SUCCESSOR_MS;
	loop_arm(l, &handover.watch, WATCH_MS);
}

static void
start_successor(struct server *s, int requester)
{
	if (handover.requester >= 0) {
		(void)wire_send(
		    requester, S("{\"error\":\"A handover is under way already.\"}"), -1);
		close(requester);
		return;
	}
	handover.requester = requester;
	handover.child = fork();
	if (handover.child == 0)
		exec_successor(s);
	if (handover.child < 0)
		reply_to_requester("{\"error\":\"No process can be started.\"}");
	else
		start_watch(s->loop);
}

/* ------------------------------------------------------------- the socket */

/* The same user and root, who could as well read this process's memory. */
static bool
peer_is_allowed(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
	       (who.uid == geteuid() || who.uid == 0);
}

static void
handover_pause_fires(struct loop_timer *t)
{
	(void)t;
	loop_watch(handover.server->loop, &handover.io, EPOLLIN);
}

static void
handover_accept(struct loop_fd *io, uint32_t events)
{
	struct arena *a = arena_new();
	struct str request = { NULL, 0 };
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC), passed;

	(void)events;
	if (fd < 0) {
		loop_watch(handover.server->loop, io, 0);
		loop_arm(handover.server->loop, &handover.pause, PAUSE_MS);
	} else {
		wire_set_timeout(fd, STEP_TIMEOUT_S);
	}
	if (fd >= 0 && peer_is_allowed(fd) && !handover.server->stopping &&
	    wire_receive(fd, a, &request, &passed)) {
		if (passed >= 0)
			close(passed);
		if (str_eq(request, S("{\"handover\":true}"))) {
			start_successor(handover.server, fd);
			fd = -1;
		} else if (str_eq(request, S("{\"takeover\":true}"))) {
			handover_to(handover.server, fd);
		}
	}
	if (fd >= 0)
		close(fd);
	arena_free(a);
}

/* Bound under another name and renamed, so that the path always names a live socket. */
static bool
listen_at(int fd, const char *path, struct arena *a)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct str aside = arena_printf(a, "%s.%d", path, (int)getpid() % 1000);

	if (aside.n >= sizeof(at.sun_path))
		return false;
	memcpy(at.sun_path, aside.p, aside.n);
	(void)unlink(aside.p);
	return bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && chmod(aside.p, 0600) == 0 &&
	       listen(fd, 4) == 0 && rename(aside.p, path) == 0;
}

void
handover_open(struct server *s)
{
	struct arena *a = arena_new();
	const char *path = wire_path(a);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* Where this process may not, systemd-tmpfiles has made it. */
	(void)mkdir(arena_printf(a, "%s/streamd", config()->runtime_dir).p, 0700);
	if (fd < 0 || !path || !listen_at(fd, path, a)) {
		log_warn("handover: socket cannot be made; a restart drains instead", "path", path,
		    "error", strerror(errno));
		if (fd >= 0)
			close(fd);
		arena_free(a);
		return;
	}
	/* No zombie remains of a successor that failed. */
	signal(SIGCHLD, SIG_IGN);
	handover.server = s;
	handover.watch.fire = handover_watch_fires;
	handover.pause.fire = handover_pause_fires;
	handover.io = (struct loop_fd){ .fd = fd, .ready = handover_accept };
	loop_watch(s->loop, &handover.io, EPOLLIN);
	arena_free(a);
}

void
handover_close(struct server *s)
{
	if (handover.io.fd < 0)
		return;
	loop_watch(s->loop, &handover.io, 0);
	loop_disarm(s->loop, &handover.watch);
	loop_disarm(s->loop, &handover.pause);
	close(handover.io.fd);
	handover.io.fd = -1;
}
