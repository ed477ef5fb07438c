/*
 * runner/queue/outbox.c, with the committer's thread played by the test: one write is under way at
 * a time, whatever wakes and timers come meanwhile, the same one is tried again, and the events of
 * a run keep their order.
 */
#include <stdatomic.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/queue/commit.h"
#include "runner/queue/outbox.h"
#include "runner/thread.h"
#include "test.h"

/* -- what stands in for the clock, the loop and the committer -- */

static _Atomic int64_t now_ms = 100000;
static struct loop_timer *timer; /* the outboxes' only one */
static atomic_int n_wakes;
static int n_posts;
static bool is_down; /* the connection: what is posted is refused at once */
static pipe_done *under_way; /* the write that waits for its answer */
static bool is_doubled; /* two were under way at once */
static char posted[1024]; /* the last one: "run+after: type data, type data; run+after: …" */

int64_t
clock_ms(void)
{
	return atomic_load(&now_ms);
}

int64_t
clock_us(void)
{
	return clock_ms() * 1000;
}

int64_t
clock_unix_ms(void)
{
	return clock_ms();
}

int64_t
clock_unix_us(void)
{
	return clock_us();
}

void
loop_arm(struct loop *l, struct loop_timer *t, int64_t ms)
{
	(void)l;
	timer = t;
	t->due_ms = clock_ms() + ms;
}

void
loop_disarm(struct loop *l, struct loop_timer *t)
{
	(void)l;
	t->due_ms = 0;
}

struct loop *
commit_loop(void)
{
	return NULL;
}

void
commit_turn(void)
{
	atomic_fetch_add(&n_wakes, 1);
}

enum err
commit_post(const struct query *q, const struct sql_arg *args, pipe_done *done, void *done_arg)
{
	size_t n = 0, event = 0;

	(void)q, (void)done_arg;
	if (is_down)
		return ERR_OVERLOADED;
	is_doubled = is_doubled || under_way;
	under_way = done;
	n_posts++;
	posted[0] = '\0';
	if (args[1].type == SQL_UUID) {
		snprintf(posted, sizeof(posted), "%.1s+%lld: %.*s %.30s", args[1].u.text,
		    (long long)args[3].i, S_ARG(args[4].s), args[5].s.p);
		return ERR_OK;
	}
	for (size_t i = 0; i < args[1].list.n; i++) {
		n += (size_t)snprintf(posted + n, sizeof(posted) - n, "%s%.1s+%.*s:", i ? "; " : "",
		    args[1].list.p[i].p, S_ARG(args[3].list.p[i]));
		for (long k = strtol(args[4].list.p[i].p, NULL, 10); k > 0; k--, event++)
			n += (size_t)snprintf(posted + n, sizeof(posted) - n, " %.*s %.30s",
			    S_ARG(args[6].list.p[event]), args[7].list.p[event].p);
	}
	return ERR_OK;
}

/* Lets time pass; a timer that is due by then fires. */
static void
pass(int64_t ms)
{
	atomic_fetch_add(&now_ms, ms);
	if (timer && timer->due_ms != 0 && timer->due_ms <= clock_ms()) {
		timer->due_ms = 0;
		timer->fire(timer);
	}
}

/* The server's answer to the write: e, or a row with a seq (NULL: the lease is lost) for each. */
static void
answer(enum err e, int n, const char *const *seqs)
{
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[2];
	char name[] = "x";
	pipe_done *done = under_way;

	memset(columns, 0, sizeof(columns));
	columns[0].name = columns[1].name = name;
	if (PQsetResultAttrs(res, 2, columns) == 0)
		abort();
	for (int i = 0; i < n; i++) {
		char seq[32];

		snprintf(seq, sizeof(seq), "%s", seqs[i] ? seqs[i] : "");
		if (PQsetvalue(res, i, 1, seq, seqs[i] ? (int)strlen(seq) : -1) == 0)
			abort();
	}
	under_way = NULL;
	done(NULL, &(struct pipe_reply){ .e = e, .res = &res, .n = 1 });
	PQclear(res);
}

static void
written(const char *seq)
{
	answer(ERR_OK, 1, (const char *const[]){ seq });
}

/* -- the cases -- */

static struct stop stop_a, stop_b;

static struct outbox *
box(struct stop *stop, const char *run)
{
	struct uuid id;

	snprintf(id.text, sizeof(id.text), "%s", run);
	stop_init(stop);
	return outbox_open(stop, id, 1, 0);
}

static void
events(void)
{
	struct outbox *a = box(&stop_a, "a");
	int64_t seq = -1;

	outbox_token(a, S("one"));
	outbox_token(a, S(" two"));
	CHECK("the first event wakes the writer, once", n_wakes == 1 && n_posts == 0);
	outbox_turn();
	CHECK("which writes at once, tokens as one event",
	    n_posts == 1 && strcmp(posted, "a+0: token {\"content\":\"one two\"}") == 0);
	outbox_token(a, S("three"));
	outbox_event(a, "usage", S("{}"));
	outbox_turn();
	pass(1000);
	CHECK("what comes meanwhile waits, and wakes nobody", n_posts == 1 && n_wakes == 1);
	written("1");
	CHECK("for its end",
	    n_posts == 2 && strcmp(posted, "a+1: token {\"content\":\"three\"} usage {}") == 0);
	written("3");
	CHECK("then all is in the log", outbox_drain(a, &seq) && seq == 3);
	outbox_close(a);
	stop_destroy(&stop_a);
}

/* A write of which the timer is still armed when a wake begins it. */
static void
timers(void)
{
	struct outbox *a = box(&stop_a, "a");
	int before;

	pass(1000);
	outbox_token(a, S("1"));
	outbox_turn();
	atomic_fetch_add(&now_ms, 5); /* so long it takes, and so long the next one waits */
	written("1");
	before = n_posts;
	outbox_token(a, S("2"));
	outbox_turn();
	CHECK("a write soon after another waits for its time",
	    n_posts == before && timer->due_ms > clock_ms());
	atomic_fetch_add(&now_ms, 1000); /* the wake comes before the timer in its turn */
	outbox_turn();
	CHECK("which a wake may see first", n_posts == before + 1);
	pass(0);
	pass(1000);
	CHECK("nothing is written twice at once", !is_doubled && n_posts == before + 1);
	written("2");
	pass(1000);
	outbox_turn();
	CHECK("or again", n_posts == before + 1);
	outbox_close(a);
	stop_destroy(&stop_a);
}

static void
retries(void)
{
	struct outbox *a = box(&stop_a, "a");
	int before = n_posts;
	int64_t seq;

	pass(1000);
	outbox_token(a, S("1"));
	outbox_turn();
	answer(ERR_OVERLOADED, 0, NULL);
	outbox_token(a, S("2"));
	outbox_turn();
	CHECK("a write without an answer is not begun anew by a wake", n_posts == before + 1);
	is_down = true;
	pass(1000);
	is_down = false;
	outbox_turn();
	pass(1000);
	CHECK("but tried again in its time, as it was",
	    n_posts == before + 2 && strcmp(posted, "a+0: token {\"content\":\"1\"}") == 0);
	pass(5000);
	CHECK("and once", !is_doubled && n_posts == before + 2);
	written("1");
	CHECK("what came meanwhile follows it",
	    n_posts == before + 3 && strcmp(posted, "a+1: token {\"content\":\"2\"}") == 0);
	written(NULL);
	CHECK("where the lease is lost the job has to stop",
	    stop_why(&stop_a) == STOP_LOST && !outbox_drain(a, &seq));
	outbox_close(a);
	stop_destroy(&stop_a);
}

/* One run's events that the server refuses take no other's along. */
static void
refused(void)
{
	struct outbox *a = box(&stop_a, "a"), *b = box(&stop_b, "b");
	int64_t seq = 0;

	pass(1000);
	outbox_event(a, "x", S("{"));
	outbox_event(b, "x", S("{}"));
	outbox_turn();
	CHECK("many are written together", strcmp(posted, "a+0: x {; b+0: x {}") == 0);
	answer(ERR_BAD_REQUEST, 0, NULL);
	pass(1000);
	CHECK("after a refusal one by one", strcmp(posted, "a+0: x {") == 0);
	answer(ERR_BAD_REQUEST, 0, NULL);
	pass(1000);
	CHECK("so that only one is given up",
	    strcmp(posted, "b+0: x {}") == 0 && stop_why(&stop_a) == STOP_LOST);
	written("1");
	CHECK("and the other written", outbox_drain(b, &seq) && seq == 1);
	outbox_close(a);
	outbox_close(b);
	stop_destroy(&stop_a);
	stop_destroy(&stop_b);
}

/* -- a job's thread, which waits -- */

static struct outbox *shared;
static atomic_int steps;

static void *
much(void *arg)
{
	char text[4096];

	(void)arg;
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 40; i++) {
		outbox_event(shared, "x", (struct str){ text, sizeof(text) });
		atomic_fetch_add(&steps, 1);
	}
	return NULL;
}

static void *
closing(void *arg)
{
	(void)arg;
	outbox_close(shared);
	atomic_store(&steps, 1);
	return NULL;
}

/* Real time, since threads take some. */
static void
a_moment(void)
{
	sleep_ms(50);
}

static void
waits(void)
{
	pthread_t t;

	pass(1000);
	shared = box(&stop_a, "a");
	atomic_store(&steps, 0);
	(void)thread_start(&t, much, NULL, true);
	while (atomic_load(&steps) < 17)
		sleep_ms(1);
	a_moment();
	CHECK("a job that puts too much waits", steps == 17);
	outbox_turn();
	written("17");
	while (atomic_load(&steps) < 34)
		sleep_ms(1);
	a_moment();
	CHECK("until that is written", steps == 34);
	pass(1000);
	outbox_turn();
	stop_set(&stop_a, STOP_LOST);
	answer(ERR_OVERLOADED, 0, NULL);
	pthread_join(t, NULL);
	CHECK("or nobody wants it", steps == 40);
	atomic_store(&steps, 0);
	(void)thread_start(&t, closing, NULL, true);
	a_moment();
	CHECK("an outbox stays while a write may point into it", steps == 0);
	pass(1000);
	written(NULL);
	pthread_join(t, NULL);
	CHECK("and no longer", steps == 1);
	stop_destroy(&stop_a);
}

int
main(void)
{
	setenv("MILLRACE_DB", "host=/nowhere dbname=none", 1);
	log_open("unit", LOG_ERROR + 1);
	config_load(CONFIG_RUNNER);
	events();
	timers();
	retries();
	refused();
	waits();
	return test_end();
}
