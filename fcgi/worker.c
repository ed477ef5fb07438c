/*
 * The accept loop: many kept connections from nginx in one epoll set, each a struct req with an
 * FCGX_Request of its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "fcgi/metrics.h"
#include "fcgi/pieces.h"
#include "fcgi/rate.h"
#include "fcgi/upload.h"
#include "fcgi/worker.h"

#define DRAIN_MS 30000
#define FIRST_LOOK_MS 1000
#define ACCEPTS_A_TURN 16
#define PAUSE_MS 100

static void worker_accept(struct worker *w);

static void
connection_free(struct req *r)
{
	struct worker *w = r->worker;

	w->n_connections--;
	arena_free(r->a);
	free(r);
	if (w->stopping && w->n_connections == 0)
		metrics_withdraw(w);
	worker_accept(w);
}

/* nginx has closed the connection: closes our end. */
static void
connection_close(struct req *r)
{
	if (r->fd.events)
		loop_watch(r->worker->loop, &r->fd, 0);
	FCGX_Free(&r->fcgx, 1);
	connection_free(r);
}

static void
connection_ready(struct loop_fd *self, uint32_t events)
{
	struct req *r = container_of(self, struct req, fd);

	if (r->busy) {
		/* More input is the rest of an upload, which upload.c reads at its own pace. When
		   nginx closes, the work goes on. */
		r->gone = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
		if (r->writing) {
			pieces_ready(r, r->gone);
			return;
		}
		loop_watch(r->worker->loop, &r->fd, r->gone ? 0 : EPOLLRDHUP);
		return;
	}
	/* At its end libfcgi closes it, and fails, since it has no listening socket. */
	if (FCGX_Accept_r(&r->fcgx) != 0) {
		loop_forget(r->worker->loop, &r->fd);
		FCGX_Free(&r->fcgx, 1);
		connection_free(r);
		return;
	}
	r->busy = true;
	request_begin(r);
}

/* The line by which X-Request-Id finds a request. Neither query nor body: they hold secrets. */
static void
log_request(struct req *r, int status, int64_t took_us)
{
	enum log_level level = config()->request_log ? LOG_INFO : LOG_DEBUG;

	if (status >= 500)
		level = LOG_WARN;
	if (!log_wants(level))
		return;
	log_line(level, "request", "request_id", arena_cstr(r->a, r->request_id), "method",
	    arena_cstr(r->a, r->method), "path", arena_cstr(r->a, r->path), "status",
	    arena_printf(r->a, "%d", status).p, "us",
	    arena_printf(r->a, "%lld", (long long)took_us).p, (char *)NULL);
}

static void
connection_end_request(struct req *r, int status)
{
	struct worker *w = r->worker;
	int64_t took = clock_us() - r->arrived_us;

	if (r->upload)
		upload_ended(r, status);
	metrics.by_status[status / 100]++;
	histogram_add(&metrics.request_seconds, took);
	log_request(r, status, took);
	FCGX_Finish_r(&r->fcgx);
	if (r->fcgx.ipcFd < 0 || r->gone) {
		/* libfcgi has closed it, or nginx will not come back. */
		if (r->fcgx.ipcFd < 0)
			loop_forget(w->loop, &r->fd);
		connection_close(r);
		return;
	}
	arena_reset(r->a);
	*r = (struct req){ .fd = r->fd, .worker = w, .fcgx = r->fcgx, .a = r->a };
	loop_watch(w->loop, &r->fd, EPOLLIN | EPOLLRDHUP);
}

/*
 * Out of descriptors or memory: stops watching the socket for a while, whose queue would otherwise
 * make it ready again at once.
 */
static void
accept_later(struct worker *w, int error)
{
	if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
		return;
	log_error("listener: no more connections can be accepted", "error", strerror(error));
	loop_watch(w->loop, &w->listener, 0);
	loop_arm(w->loop, &w->pause, PAUSE_MS);
}

/*
 * Accepts one connection; false where there is none, or another worker was faster. Not by libfcgi:
 * that would wait for the peer's first bytes, with everybody else, and close the connection where
 * they are late, which nginx answers with 502. On a busy host it may not come to its turn between
 * connecting and sending. To libfcgi the connection is a kept one, between two requests.
 */
static bool
accept_one(struct worker *w)
{
	int fd = accept4(w->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	struct req *r;

	if (fd < 0) {
		accept_later(w, errno);
		return false;
	}
	r = xmalloc(sizeof(*r));
	*r = (struct req){
		.worker = w, .a = arena_new(), .fd = { .fd = fd, .ready = connection_ready }
	};
	FCGX_InitRequest(&r->fcgx, -1, 0);
	r->fcgx.ipcFd = fd;
	r->fcgx.keepConnection = 1;
	w->n_connections++;
	loop_watch(w->loop, &r->fd, EPOLLIN | EPOLLRDHUP);
	return true;
}

static void
listener_ready(struct loop_fd *self, uint32_t events)
{
	struct worker *w = container_of(self, struct worker, listener);

	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		if (w->n_connections >= w->connections_max) {
			loop_watch(w->loop, &w->listener, 0);
			return;
		}
		if (!accept_one(w))
			return;
	}
}

/*
 * Accepts from now on, where there is room. First called when the database's version is known, so
 * that a worker that has just started refuses nothing that another would serve; while the database
 * is away, after a second. Idempotent.
 */
static void
worker_accept(struct worker *w)
{
	if (!w->stopping && w->pause.due_ms == 0 && w->n_connections < w->connections_max)
		loop_watch(w->loop, &w->listener, EPOLLIN | EPOLLEXCLUSIVE);
}

static void
worker_pause_over(struct loop_timer *t)
{
	worker_accept(container_of(t, struct worker, pause));
}

/* The database does not answer yet: accept, and reply 503. */
static void
worker_first_look_over(struct loop_timer *t)
{
	worker_accept(container_of(t, struct worker, first_look));
}

static void
worker_drain_over(struct loop_timer *t)
{
	struct worker *w = container_of(t, struct worker, drain);

	log_warn("drain: connections are left at its end");
	loop_stop(w->loop);
}

/*
 * Stops accepting. Kept connections are served until nginx closes them: it would not repeat a POST
 * that ran into a connection closed here.
 */
static void
worker_terminate(int signo, void *arg)
{
	struct worker *w = arg;

	(void)signo;
	if (w->stopping)
		return;
	w->stopping = true;
	loop_watch(w->loop, &w->listener, 0);
	close(w->listener.fd);
	log_info("stopping");
	loop_arm(w->loop, &w->drain, DRAIN_MS);
	if (w->n_connections == 0)
		metrics_withdraw(w);
}

/*
 * Asks for the keys before the version, whose answer starts accepting: no good token is refused
 * then for want of its key.
 */
static void
worker_on_connect(void *arg)
{
	struct worker *w = arg;

	keys_on_connect(&w->keys);
	metrics_publish(w);
}

static void
worker_on_notify(void *arg, struct str channel, struct str payload)
{
	struct worker *w = arg;

	(void)payload;
	keys_on_notify(&w->keys, channel);
}

void
worker_run(const char *pool)
{
	struct worker w = {
		.pool = pool,
		.drain.fire = worker_drain_over,
		.first_look.fire = worker_first_look_over,
		.pause.fire = worker_pause_over,
		.connections_max = process_client_fds(),
		.fail = request_fail,
		.end = connection_end_request,
		.version_known = worker_accept,
	};

	w.listener = (struct loop_fd){ .fd = process_listener(), .ready = listener_ready };
	if (FCGX_Init() != 0)
		die("libfcgi cannot be set up.");
	/* After FCGX_Init, which installs a SIGTERM handler that races. */
	w.loop = loop_new();
	loop_signal(w.loop, SIGTERM, worker_terminate, &w);
	loop_signal(w.loop, SIGINT, worker_terminate, &w);
	signal(SIGPIPE, SIG_IGN);
	w.scratch = arena_new();
	rate_open();
	w.pipe = pipe_open(w.loop, "millrace_api", pool, worker_on_notify, worker_on_connect, &w);
	pipe_batch(w.pipe, false);
	w.keys = (struct keys){ .pipe = w.pipe, .scratch = w.scratch };
	loop_arm(w.loop, &w.first_look, FIRST_LOOK_MS);
	log_info("serving", "version", MILLRACE_VERSION);
	loop_run(w.loop);
	shares_close(&w.shares);
	pipe_close(w.pipe);
	shares_free(&w.shares);
	arena_free(w.scratch);
	loop_free(w.loop);
	log_info("stopped");
}
