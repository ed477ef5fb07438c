/*
 * What the test build's millrace-streamd can do beside its work: --conformance serves the behaviour
 * that public protocol suites expect, over plain HTTP on a TCP port, without a database and without
 * grants. Nothing of it is in the program that is installed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <millrace/config.h>
#include <millrace/log.h>

#include "streamd/events/hub.h"
#include "streamd/http/dispatch.h"
#include "streamd/http/response.h"
#include "streamd/main.h"
#include "streamd/server.h"
#include "streamd/socketio/engine.h"
#include "tests/conformance/conformance.h"

struct conformance conformance = { .ping_interval_ms = 300,
	.ping_timeout_ms = 200,
	.max_payload = 1000000,
	.connect_timeout_ms = 1000 };

/* ------------------------------------------------------------------- echo */

static void
echo_message(struct ws *w, bool binary, struct str bytes)
{
	ws_send(w, binary, bytes);
}

static void
echo_stop(struct ws *w)
{
	ws_close(w, WS_GOING_AWAY, "");
}

static void
echo_gone(struct ws *w)
{
	(void)w;
}

static const struct ws_app echo_app = { .message = echo_message,
	.stop = echo_stop,
	.gone = echo_gone,
	.message_max = (size_t)32 * 1024 * 1024 };

static void
echo(struct conn *c, struct http_head *h)
{
	struct ws *w = ws_accept(c, h, S(""), &echo_app, NULL);

	if (w)
		ws_begin(w, h);
}

/* ----------------------------------------------------------------- routes */

static struct engine *engine_io, *socket_io;

static void
conformance_request(struct conn *c, struct http_head *h)
{
	const struct grant nobody = { .topic = S("") };
	struct buffer *b;

	if (str_eq(h->path, S("/echo"))) {
		echo(c, h);
		return;
	}
	if (str_eq(h->path, S("/engine.io/")) || str_eq(h->path, S("/socket.io/"))) {
		engine_serve(h->path.p[1] == 'e' ? engine_io : socket_io, c, h, &nobody);
		return;
	}
	b = response_error(h->arena, ERR_NOT_FOUND, NULL, h->request_id, S(""), false);
	conn_put(c, b);
	buffer_drop(b);
	conn_finish(c);
}

/* ---------------------------------------------------------------- serving */

static int
listen_on(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		die("127.0.0.1:%u cannot be listened on: %s.", (unsigned)port, strerror(errno));
	printf("listening on 127.0.0.1:%u\n", (unsigned)ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static void
on_term(int signo, void *server)
{
	(void)signo;
	server_stop(server);
}

static void
serve(uint16_t port)
{
	struct server s = { .loop = loop_new(),
		.hub = hub_new(),
		.accepted = dispatch_start,
		.request = conformance_request };

	loop_signal(s.loop, SIGTERM, on_term, &s);
	loop_signal(s.loop, SIGINT, on_term, &s);
	loop_each_turn(s.loop, server_turn, &s);
	server_open(&s);
	engine_io = engine_new(&s, &conformance_engine, NULL);
	socket_io = engine_new(&s, &socketio_app, &conformance_socketio);
	server_start(&s, listen_on(port));
	loop_run(s.loop);
	server_end(&s);
	engine_free(engine_io);
	engine_free(socket_io);
	hub_free(s.hub);
	loop_free(s.loop);
}

/* --name number */
static bool
option(char **argv, int64_t *port)
{
	const struct {
		const char *name;
		int64_t *into;
		int64_t max;
	} options[] = {
		{ "--port", port, 65535 },
		{ "--ping-interval", &conformance.ping_interval_ms, 3600000 },
		{ "--ping-timeout", &conformance.ping_timeout_ms, 3600000 },
		{ "--max-payload", &conformance.max_payload, 1000000 },
		{ "--connect-timeout", &conformance.connect_timeout_ms, 3600000 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (strcmp(argv[0], options[i].name) == 0)
			return argv[1] && str_int(str_from(argv[1]), options[i].into) &&
			       *options[i].into >= 0 && *options[i].into <= options[i].max;
	return false;
}

static void
set(const char *name, int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	setenv(name, text, 1);
}

bool
streamd_test_mode(int argc, char **argv)
{
	int64_t port = 0;

	if (argc < 2 || strcmp(argv[1], "--conformance") != 0)
		return false;
	for (int i = 2; i < argc; i += 2)
		if (!option(argv + i, &port))
			die("usage: millrace-streamd --conformance [--port N] [--ping-interval MS] "
			    "[--ping-timeout MS] [--max-payload BYTES] [--connect-timeout MS]");
	setenv("API_JWT_SECRET", "the conformance mode signs nothing with this", 1);
	set("MILLRACE_SOCKETIO_PING_MS", conformance.ping_interval_ms);
	set("MILLRACE_SOCKETIO_PING_TIMEOUT_MS", conformance.ping_timeout_ms);
	set("MILLRACE_SOCKETIO_CONNECT_MS", conformance.connect_timeout_ms);
	set("MILLRACE_SOCKETIO_PAYLOAD_MAX", conformance.max_payload);
	setenv("MILLRACE_SOCKETIO_NAMESPACES", "/custom", 1);
	config_load(CONFIG_STREAMD);
	log_open("conformance", LOG_WARN);
	signal(SIGPIPE, SIG_IGN);
	serve((uint16_t)port);
	return true;
}
