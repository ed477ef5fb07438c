/*
 * The load client for real-time fan-out: subscribers of one topic or many over WebSocket, and the
 * publisher of their messages.
 *
 *   fanout --to HOST:PORT|unix:PATH [--tls CERT] --publish HOW [--connections N] [--length BYTES]
 * TOPICS-FILE SCRIPTS-FILE
 *
 * TOPICS-FILE: names, each ended by a NUL. SCRIPTS-FILE: how a connection is opened, see
 * subscriber.h. HOW: see publisher.h. It says "ready" when all connections are open, and then for
 * each line on standard input
 *
 *   WINDOW RATE COUNT SECONDS BATCH_MS
 *
 * publishes COUNT messages, or for SECONDS (the first of both that is not 0): at RATE a second
 * whatever became of those before, or as fast as it goes where it is 0; at most WINDOW that have
 * not reached everybody, or any number where it is 0; with BATCH_MS those that came due in each so
 * many milliseconds together. Then it waits for what is on its way, and prints one line of JSON.
 * Times are in milliseconds. It ends with its standard input.
 */
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <millrace/arena.h>
#include <millrace/log.h>

#include "net.h"
#include "publisher.h"
#include "subscriber.h"

/* With nothing delivered for so long, what has not come is lost. */
#define STALL_SECONDS 5

static struct {
	const char *to, *cert, *publish;
	size_t connections, length;
} option = { .connections = 1, .length = 200 };

/* One command's course; the publisher's thread owns `published` while it goes, the other reads it.
 */
static struct {
	uint64_t window, count;
	double rate, seconds, batch_ms;
	int64_t begun;
	_Atomic uint64_t published; /* since the beginning */
	_Atomic uint64_t whole;
	_Atomic bool done;
	_Atomic bool over; /* nothing comes any more: the publisher shall end */
	int progress; /* eventfd: messages became whole */
} course;

static struct publisher *publisher;
static struct records topics;

/* -- the publisher's thread -- */

/* Microseconds from one time at which messages come due to the next. */
static double
turn_us(void)
{
	return course.batch_ms > 0 ? course.batch_ms * 1000 : 1e6 / course.rate;
}

/* How many messages of this course are due now; and when the next one will be. */
static uint64_t
due_by(int64_t now, int64_t *next)
{
	double each = turn_us(), turns;

	if (course.rate <= 0)
		return UINT64_MAX;
	turns = (double)(uint64_t)((double)(now - course.begun) / each) + 1;
	*next = course.begun + (int64_t)(turns * each) + 1;
	return (uint64_t)(turns * each * course.rate / 1e6 + 0.5);
}

/* When message i of this course is due. */
static int64_t
due_at(uint64_t i, int64_t now)
{
	double each = turn_us();

	if (course.rate <= 0)
		return now;
	return course.begun +
	       (int64_t)((double)(uint64_t)((double)i * 1e6 / course.rate / each + 1e-6) * each);
}

static void
wait_until(int64_t when)
{
	int64_t left = when - clock_unix_us();

	if (left > 0)
		nanosleep(&(struct timespec){ left / 1000000, left % 1000000 * 1000 }, NULL);
}

static void
wait_for_room(void)
{
	struct pollfd p = { .fd = course.progress, .events = POLLIN };
	uint64_t n;

	if (poll(&p, 1, 100) > 0 && read(course.progress, &n, sizeof(n)) < 0)
		die("the eventfd is gone");
}

static void
send_some(uint64_t first, uint64_t n, uint64_t done, int64_t now)
{
	struct message *batch[PUBLISHER_BATCH_MAX];

	for (uint64_t i = 0; i < n; i++) {
		struct message *m = message_at(first + i);

		m->number = first + i;
		m->due = due_at(done + i, now);
		m->left = (uint32_t)(option.connections / topics.n);
		batch[i] = m;
	}
	publisher_send(publisher, batch, n);
}

static void *
publish(void *unused)
{
	uint64_t first = course.published, done = 0;
	int64_t last = course.begun + (int64_t)(course.seconds * 1e6), now, next = 0;

	(void)unused;
	prctl(PR_SET_TIMERSLACK, 1);
	while (!course.over && (course.count ? done < course.count : clock_unix_us() < last)) {
		uint64_t n, room = UINT64_MAX;

		now = clock_unix_us();
		n = due_by(now, &next) - done;
		if (course.window)
			room = course.window - (first + done - course.whole);
		if (n == 0) {
			wait_until(next);
			continue;
		}
		if (room == 0) {
			wait_for_room();
			continue;
		}
		n = n < room ? n : room;
		if (course.count && n > course.count - done)
			n = course.count - done;
		if (n > PUBLISHER_BATCH_MAX)
			n = PUBLISHER_BATCH_MAX;
		send_some(first + done, n, done, now);
		done += n;
		course.published = first + done;
	}
	course.done = true;
	return NULL;
}

/* -- the other -- */

static int
by_due(const void *a, const void *b)
{
	const struct lateness *x = a, *y = b;

	return (x->due > y->due) - (x->due < y->due);
}

static int
by_sent(const void *a, const void *b)
{
	const struct lateness *x = a, *y = b;

	return (x->sent > y->sent) - (x->sent < y->sent);
}

static double
rank(size_t percent, bool due)
{
	size_t n = tally.deliveries, at = (n * percent + 99) / 100;
	const struct lateness *l = &tally.late[at ? at - 1 : 0];

	return n ? (due ? l->due : l->sent) / 1000.0 : 0;
}

static void
print_lateness(const char *name, bool due)
{
	qsort(tally.late, tally.deliveries, sizeof(*tally.late), due ? by_due : by_sent);
	printf(",\"%s\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, rank(50, due),
	    rank(99, due), rank(100, due));
}

static void
report(uint64_t n_messages, uint64_t expected)
{
	printf("{\"messages\":%llu,\"deliveries\":%llu,\"lost\":%llu,\"repeated\":%llu,"
	       "\"skipped\":%llu,\"ended\":%llu,\"took_s\":%.6f",
	    (unsigned long long)n_messages, (unsigned long long)tally.deliveries,
	    (unsigned long long)(expected - tally.deliveries), (unsigned long long)tally.repeated,
	    (unsigned long long)tally.skipped, (unsigned long long)tally.ended,
	    (double)(tally.last - course.begun) / 1e6);
	print_lateness("due", true);
	print_lateness("sent", false);
	puts("}");
	fflush(stdout);
}

static bool
read_command(void)
{
	char line[256], *p = line;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	course.window = strtoull(p, &p, 10);
	course.rate = strtod(p, &p);
	course.count = strtoull(p, &p, 10);
	course.seconds = strtod(p, &p);
	course.batch_ms = strtod(p, &p);
	return true;
}

static void
run(void)
{
	uint64_t first = course.published, each = option.connections / topics.n;
	pthread_t thread;

	subscribers_expect(first);
	course.whole = tally.whole = first;
	course.done = course.over = false;
	course.begun = tally.last = clock_unix_us();
	if (pthread_create(&thread, NULL, publish, NULL) != 0)
		die("there is no thread");
	for (;;) {
		subscribers_turn(10);
		if (course.whole != tally.whole) {
			course.whole = tally.whole;
			if (course.window && write(course.progress, &(uint64_t){ 1 }, 8) < 0)
				die("the eventfd is gone");
		}
		if (course.done && tally.deliveries >= (course.published - first) * each)
			break;
		if (clock_unix_us() - tally.last < STALL_SECONDS * 1000000LL)
			continue;
		course.over = course.published - first > tally.deliveries / each;
		if (course.done)
			break;
	}
	pthread_join(thread, NULL);
	report(course.published - first, (course.published - first) * each);
}

static void
options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "to", required_argument, NULL, 't' },
		{ "tls", required_argument, NULL, 'c' },
		{ "publish", required_argument, NULL, 'p' },
		{ "connections", required_argument, NULL, 'n' },
		{ "length", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (o == 't')
			option.to = optarg;
		else if (o == 'c')
			option.cert = optarg;
		else if (o == 'p')
			option.publish = optarg;
		else if (o == 'n')
			option.connections = strtoul(optarg, NULL, 10);
		else if (o == 'l')
			option.length = strtoul(optarg, NULL, 10);
		else
			exit(2);
	}
	if (!option.to || !option.publish || optind + 2 != argc)
		die("usage: fanout --to WHERE --publish HOW [options] TOPICS-FILE SCRIPTS-FILE");
}

int
main(int argc, char **argv)
{
	struct audience a;

	log_open("fanout", LOG_INFO);
	options(argc, argv);
	files_raise();
	topics = records_read(argv[optind]);
	if (option.connections == 0 || option.connections % topics.n != 0)
		die("the topics do not have equally many subscribers");
	a = (struct audience){ .to = option.to,
		.tls = option.cert ? tls_client(option.cert) : NULL,
		.scripts = records_read(argv[optind + 1]),
		.n_connections = option.connections,
		.n_topics = topics.n };
	setvbuf(stdin, NULL, _IONBF, 0); /* or poll would not tell of a line that is read already */
	course.progress = eventfd(0, EFD_CLOEXEC);
	subscribers_open(&a);
	publisher = publisher_open(option.publish, topics.text, topics.n, option.length);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd p[2] = { { .fd = 0, .events = POLLIN },
			{ .fd = subscribers_fd(), .events = POLLIN } };

		poll(p, 2, -1);
		if (p[1].revents)
			subscribers_turn(0);
		if (!p[0].revents)
			continue;
		if (!read_command())
			return 0;
		run();
	}
}
