/* millrace-streamd: start, the wiring of its parts (server.h), signals, heartbeat, end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <millrace/config.h>
#include <millrace/container_of.h>
#include <millrace/db.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "streamd/events/countdown.h"
#include "streamd/events/feed.h"
#include "streamd/events/token_check.h"
#include "streamd/events/topics.h"
#include "streamd/events/usage.h"
#include "streamd/handover/handover.h"
#include "streamd/main.h"
#include "streamd/metrics.h"
#include "streamd/server.h"
#include "streamd/socketio/engine.h"
#include "streamd/socketio/rooms.h"
#include "streamd/targets.h"
#include "sql_stream.h"

#define HEARTBEAT_MS 5000

struct streamd {
	struct loop_timer heartbeat;
	struct loop *loop;
	struct arena *scratch;
	struct usage usage;
	struct server server;
};

static void
help(void)
{
	printf("usage: millrace-streamd [--help | --version]\n"
	       "\n"
	       "Millrace's streaming daemon: holds every connection that waits, that is event\n"
	       "streams, WebSockets, Socket.IO and replies that take long, and feeds them from\n"
	       "the event log in PostgreSQL. It takes its listening socket by systemd's protocol\n"
	       "(descriptor 3); only nginx may reach that socket, since who connects is believed.\n"
	       "A new process takes everything over from the one that runs: millracectl streamd\n"
	       "handover starts one. SIGTERM ends all streams so that clients resume them, and\n"
	       "the process within 5 seconds.\n"
	       "\n");
	config_help(stdout, CONFIG_STREAMD);
}

static void
options(int argc, char **argv)
{
	if (argc == 1)
		return;
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		help();
		exit(0);
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("millrace-streamd " MILLRACE_VERSION);
		exit(0);
	}
	process_misused("millrace-streamd");
}

/* To the hard limit: each stream holds a descriptor. */
static void
raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		log_warn("files: limit cannot be raised", "error", strerror(errno));
}

static void
on_term(int signo, void *arg)
{
	struct streamd *d = arg;

	(void)signo;
	log_info("stopping");
	server_stop(&d->server);
}

static bool
term_is_pending(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1);
}

static void
heartbeat_done(void *arg, const struct pipe_reply *reply)
{
	(void)arg;
	(void)reply;
}

/* Updates this process's row in `process`; where the database is away, the next one does. */
static void
heartbeat_fires(struct loop_timer *t)
{
	struct streamd *d = container_of(t, struct streamd, heartbeat);
	enum err e;

	metrics.user_most = usage_most_streams(&d->usage);
	e = pipe_stream_heartbeat(feed_pipe(d->server.feed), d->scratch, heartbeat_done, d,
	    str_from(process_host()), getpid(), S(MILLRACE_VERSION), str_from(process_started()),
	    metrics_report(d->scratch));

	if (e != ERR_OK)
		log_debug("heartbeat: database is away");
	arena_reset(d->scratch);
	loop_arm(d->loop, t, HEARTBEAT_MS);
}

static void
forgotten(void *arg, const struct pipe_reply *reply)
{
	struct streamd *d = arg;

	(void)reply;
	d->server.leaving = false;
}

/* Deletes this process's row, after the heartbeats that are under way. */
static void
forget(struct server *s)
{
	struct streamd *d = container_of(s, struct streamd, server);

	loop_disarm(d->loop, &d->heartbeat);
	s->leaving = pipe_stream_forget(feed_pipe(s->feed), d->scratch, forgotten, d,
			 str_from(process_host()), getpid()) == ERR_OK;
	arena_reset(d->scratch);
}

/* Waits for a database with this program's schema. False: SIGTERM came first. */
static bool
wait_for_database(void)
{
	struct db *db = db_open("millrace_stream", "streamd start");
	bool current = db_wait_current(db, term_is_pending);

	db_close(db);
	return current;
}

static bool
evict(struct server *s)
{
	return engine_evict(s->engine);
}

/* In this order for a new connection and for each notification: the cache is dropped before
   principals' streams query their topics again. */
#define LISTENERS 3

static void
wire_listeners(const struct server *s, struct feed_listener table[LISTENERS])
{
	table[0] = (struct feed_listener){ .channel = "millrace_access",
		.on_notify = topics_on_notify,
		.on_listen = topics_on_listen,
		.arg = s->topics };
	table[1] = (struct feed_listener){ .channel = "millrace_access",
		.on_notify = principals_on_notify,
		.on_listen = principals_on_listen,
		.on_ready = principals_on_ready,
		.arg = s->principals };
	table[2] = (struct feed_listener){ .channel = "millrace_jwks",
		.on_notify = tokens_on_notify,
		.on_listen = tokens_on_listen,
		.arg = s->tokens };
	feed_listen(s->feed, table, LISTENERS);
}

static void
serve(struct streamd *d, int fd)
{
	struct server *s = &d->server;
	struct feed_listener listeners[LISTENERS];

	d->scratch = arena_new();
	s->loop = d->loop;
	s->hub = hub_new();
	s->feed = feed_open(d->loop, s->hub);
	s->countdown = countdown_open(d->loop, s->hub, s->feed);
	s->usage = &d->usage;
	s->principals = principals_open(d->loop, s->feed, &d->usage);
	s->topics = topics_open(d->loop, s->hub, s->feed, &d->usage);
	s->tokens = tokens_open(d->loop, s->feed);
	wire_listeners(s, listeners);
	s->engine = engine_new(s, &socketio_app, &rooms_app);
	s->accepted = dispatch_start;
	s->request = dispatch_request;
	s->evict = evict;
	s->stops = forget;
	s->targets = targets;
	s->n_targets = TARGETS;
	d->heartbeat.fire = heartbeat_fires;
	loop_arm(d->loop, &d->heartbeat, 200);
	loop_each_turn(d->loop, server_turn, s);
	server_open(s);
	(void)takeover(s, &fd);
	server_start(s, fd >= 0 ? fd : process_listener());
	handover_open(s);
	log_info("ready");
	loop_run(d->loop);
	handover_close(s);
	server_end(s);
	engine_free(s->engine);
	feed_close(s->feed);
	tokens_close(s->tokens);
	topics_close(s->topics);
	principals_close(s->principals);
	countdown_close(s->countdown);
	hub_free(s->hub);
	arena_free(d->scratch);
}

int
main(int argc, char **argv)
{
	struct streamd d = { 0 };
	int fd;

	if (streamd_test_mode && streamd_test_mode(argc, argv))
		return 0;
	options(argc, argv);
	log_open("streamd", LOG_INFO);
	config_load(CONFIG_STREAMD);
	log_open("streamd", log_level_named(config()->log_level));
	/* Without a socket from systemd, the predecessor's is taken over. */
	fd = getenv("LISTEN_FDS") ? process_listener() : -1;
	raise_file_limit();
	signal(SIGPIPE, SIG_IGN);
	(void)process_started();
	d.loop = loop_new();
	loop_signal(d.loop, SIGTERM, on_term, &d);
	loop_signal(d.loop, SIGINT, on_term, &d);
	if (wait_for_database())
		serve(&d, fd);
	loop_free(d.loop);
	log_info("ended");
	return 0;
}
