/* millrace-streamd: start, readiness, signals, signs of life, end. */
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

#include "streamd/events/topics.h"
#include "streamd/socketio/engine.h"
#include "streamd/handover/handover.h"
#include "streamd/main.h"
#include "streamd/events/feed.h"
#include "streamd/socketio/rooms.h"
#include "streamd/server.h"
#include "sql_stream.h"
#include "streamd/metrics.h"

#define SEEN_MS 5000

struct streamd {
	struct loop_timer seen; /* first: the loop gives it back */
	struct loop *loop;
	struct hub *hub;
	struct reader *reader;
	struct access *access;
	struct arena *scratch;
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
	       "handover starts one. SIGTERM ends all streams resumably, and then us, within 5\n"
	       "seconds.\n"
	       "\n");
	config_help(stdout);
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
	fputs("millrace-streamd: unknown arguments. Try millrace-streamd --help.\n", stderr);
	exit(2);
}

/* As many descriptors as the system lets us have: each stream holds one. */
static void
raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		log_warn("the limit of open files cannot be raised", "error", strerror(errno));
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
seen_done(void *arg, const struct pipe_reply *reply)
{
	(void)arg;
	(void)reply;
}

/* Our row in `process`; where the database is away, the next one will do. */
static void
seen_fires(struct loop_timer *t)
{
	struct streamd *d = container_of(t, struct streamd, seen);
	enum err e;

	stats.user_most = access_most(d->access);
	e = pipe_stream_seen(reader_pipe(d->reader), d->scratch, seen_done, d,
	    str_from(process_host()), getpid(), S(MILLRACE_VERSION), str_from(process_started()),
	    stats_json(d->scratch));

	if (e != ERR_OK)
		log_debug("no sign of life could be given");
	arena_reset(d->scratch);
	loop_arm(d->loop, t, SEEN_MS);
}

/* Waits for a database of our version. False: we are to stop. */
static bool
wait_for_database(void)
{
	struct db *db = db_open("millrace_stream", "streamd start");
	bool current = db_wait_current(db, term_is_pending);

	db_close(db);
	return current;
}

static void
serve(struct streamd *d, int fd)
{
	d->hub = hub_new();
	d->reader = reader_open(d->loop, d->hub);
	d->scratch = arena_new();
	d->access = access_open(d->loop, d->hub, d->reader);
	d->server = (struct server){
		.loop = d->loop, .hub = d->hub, .reader = d->reader, .access = d->access
	};
	d->server.engine = engine_new(&d->server, &socketio_app, &rooms_app);
	d->seen.fire = seen_fires;
	loop_arm(d->loop, &d->seen, 200);
	loop_each_turn(d->loop, server_turn, &d->server);
	server_open(&d->server);
	(void)takeover(&d->server, &fd);
	server_start(&d->server, fd >= 0 ? fd : process_listener());
	handover_open(&d->server);
	log_info("ready");
	loop_run(d->loop);
	handover_close(&d->server);
	loop_disarm(d->loop, &d->seen);
	server_end(&d->server);
	engine_free(d->server.engine);
	reader_close(d->reader);
	access_close(d->access);
	hub_free(d->hub);
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
	/* Where none is passed, a predecessor may have one. */
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
