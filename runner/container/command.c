#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/container/container.h"
#include "runner/container/output.h"
#include "runner/runner.h"
#include "runner/thread.h"
#include "sql_job.h"

#define LOOK_MS 300 /* between looks at what others are at */
#define START_MS 150000 /* how long a container may take to run */
#define TICK_MS 2000 /* between looks at a command that takes long */
#define BRIEF_MS 2000 /* for each question of such a look: an engine that hangs gives no time */
#define DISK_MS 5000 /* between looks at its workspace: each costs the engine a process */
#define UNMEASURED_MAX 2 /* a workspace that cannot be measured counts as too large */
#define ENDED_MS 10000 /* for the engine to say that what has ended has ended */
#define KILLED 137 /* 128 and SIGKILL */
#define SOON_MS 1000 /* so soon after its output a command ends */
#define OUTPUT_MOST ((size_t)8 * 1024 * 1024)

/* A command under way. */
struct work {
	struct job *j;
	struct command *c;
	struct engine engine;
	struct engine_exec exec;
	struct output output;
	int64_t began, until; /* by clock_ms() */
	int64_t kib_max, measured;
	int unmeasured; /* looks at the disk in a row that said nothing */
	bool has_ended; /* its main process has */
};

/* -- whose turn it is -- */

/* Ends what nobody is at any more. False: it is not known to have ended. */
static bool
end_left(struct job *j, struct engine *e)
{
	int64_t kib;
	enum clear_end end = container_clear(e, &j->owner, &kib);

	if (end == CLEAR_UNKNOWN)
		return false;
	if (end == CLEAR_GONE && job_runner_container_is(j, NULL, j->owner, S("stopped")) != ERR_OK)
		return false;
	return job_runner_command_clear(j, NULL, j->owner, j->run) == ERR_OK;
}

/* Waits for the command's turn; c->end is set where it does not come. */
static enum err
begin(struct work *w)
{
	struct command *c = w->c;
	int64_t until = clock_ms() + c->seconds * 1000;

	for (;;) {
		PGresult *res = NULL;
		enum err e = job_runner_command_begin(
		    w->j, &res, c->call, config()->container_disk_mib * 1024);

		if (e != ERR_OK)
			return e;
		if (PQntuples(res) == 0) {
			stop_set(&w->j->stop, STOP_LOST);
			return ERR_CONFLICT;
		}
		c->is_full = sql_bool(res, 0, 1);
		if (str_eq(sql_get(res, 0, 0), S("begun")))
			return ERR_OK;
		if (str_eq(sql_get(res, 0, 0), S("again")))
			c->end = COMMAND_AGAIN;
		else if (str_eq(sql_get(res, 0, 0), S("left"))) {
			if (end_left(w->j, &w->engine))
				continue;
			c->end = COMMAND_NOT_RUN;
		} else if (clock_ms() > until)
			c->end = COMMAND_BUSY;
		if (c->end != 0)
			return ERR_OK;
		if (!stop_sleep(&w->j->stop, LOOK_MS + jitter(LOOK_MS)))
			return ERR_CONFLICT;
	}
}

/* -- the container -- */

static enum engine_end
start(struct work *w)
{
	struct job *j = w->j;
	struct str status;
	enum engine_end end = container_start(&w->engine, &j->owner, &status);

	if (job_runner_container_is(j, NULL, j->owner, status) != ERR_OK)
		return ENGINE_AWAY;
	return end;
}

/* Has the container run; `is_down`: it is meant to, and does not. */
static enum engine_end
up(struct work *w, bool is_down)
{
	int64_t began = clock_ms(), until = began + START_MS;
	bool is_full = false;
	PGresult *res = NULL;

	do {
		if (job_runner_container_want(w->j, &res, w->j->owner, is_down) != ERR_OK)
			return ENGINE_AWAY;
		if (str_eq(sql_get(res, 0, 0), S("running")))
			return ENGINE_DONE;
		if (str_eq(sql_get(res, 0, 0), S("yours")))
			return start(w);
		is_full = str_eq(sql_get(res, 0, 0), S("full"));
		if (is_full)
			until = began + w->c->seconds * 1000;
	} while (clock_ms() < until && stop_sleep(&w->j->stop, LOOK_MS + jitter(LOOK_MS)));
	if (is_full)
		w->c->end = COMMAND_FULL;
	snprintf(w->engine.why, sizeof(w->engine.why), "%s",
	    is_full ? "as many containers run as MILLRACE_CONTAINERS says"
		    : "another runner starts it, or stops it");
	return stop_why(&w->j->stop) != STOP_NOT ? ENGINE_STOPPED : ENGINE_AWAY;
}

/*
 * Where the workspace is too large a command may remove files, and write none. It is measured anew:
 * after the end of the last command it may not have been possible.
 */
static enum engine_end
make_exec(struct work *w)
{
	struct str text = w->c->text;

	if (w->c->is_full) {
		int64_t kib = container_usage(&w->engine, &w->j->owner);

		w->c->is_full = kib == SQL_NULL_INT || kib > w->kib_max;
	}
	if (w->c->is_full)
		text = arena_printf(w->j->a, "ulimit -f 0\n%.*s", S_ARG(text));
	return engine_exec(&w->engine, &w->j->owner, ENGINE_AS_USER, text, &w->exec);
}

/* Once more where the container was thought to run, and does not. */
static enum engine_end
prepare(struct work *w)
{
	bool was_full = w->c->is_full;
	enum engine_end end = up(w, false);

	if (end == ENGINE_DONE)
		end = make_exec(w);
	if (end != ENGINE_MISSING || (end = up(w, true)) != ENGINE_DONE)
		return end;
	w->c->is_full = was_full;
	return make_exec(w);
}

/* -- the command -- */

static bool
command_on_bytes(void *arg, unsigned int stream, struct str bytes)
{
	struct work *w = arg;

	output_add(&w->output, stream, bytes);
	if (w->output.n > OUTPUT_MOST)
		w->c->end = COMMAND_OUTPUT;
	return w->c->end == 0;
}

/*
 * What it has begun in the background may hold its output open; and its disk fills while it runs.
 */
static bool
command_on_tick(void *arg)
{
	struct work *w = arg;
	bool runs = true;

	w->engine.brief_ms = BRIEF_MS;
	if (engine_inspect(&w->engine, &w->exec, &runs, &w->c->status) == ENGINE_DONE && !runs)
		w->has_ended = true;
	else if (!w->c->is_full && clock_ms() - w->measured >= DISK_MS) {
		int64_t kib = container_usage(&w->engine, &w->j->owner);

		w->unmeasured = kib == SQL_NULL_INT ? w->unmeasured + 1 : 0;
		if (kib > w->kib_max || w->unmeasured == UNMEASURED_MAX)
			w->c->end = COMMAND_DISK;
		w->measured = clock_ms();
	}
	w->engine.brief_ms = 0;
	return w->c->end == 0 && !w->has_ended;
}

/* Waits until the engine says that it has ended: some close their output long before. */
static void
wait_for_status(struct work *w, bool was_cut)
{
	int64_t closed = clock_ms(), until = was_cut ? closed + ENDED_MS : w->until;
	bool runs = true;

	w->engine.brief_ms = BRIEF_MS;
	while (!w->has_ended && w->c->end == 0) {
		enum engine_end end = engine_inspect(&w->engine, &w->exec, &runs, &w->c->status);

		if (end == ENGINE_DONE && !runs)
			w->has_ended = true;
		else if (clock_ms() >= w->until)
			w->c->end = COMMAND_TIME;
		else if (clock_ms() >= until || (end != ENGINE_DONE && end != ENGINE_AWAY))
			w->c->end = COMMAND_LOST;
		else if (!stop_sleep(&w->j->stop, LOOK_MS / 3))
			break;
	}
	w->engine.brief_ms = 0;
	w->c->is_partial = was_cut || clock_ms() - closed > SOON_MS;
	if (w->c->end == 0 && stop_why(&w->j->stop) == STOP_NOT)
		w->c->end = COMMAND_DONE;
}

static void
attach(struct work *w)
{
	enum engine_end end = prepare(w);

	if (end != ENGINE_DONE) {
		if (end != ENGINE_STOPPED)
			log_warn("container: a command could not begin", "run", w->j->run.text,
			    "error", w->engine.why);
		if (w->c->end == 0)
			w->c->end = COMMAND_NOT_RUN;
		return;
	}
	w->exec.on_bytes = command_on_bytes;
	w->exec.on_tick = command_on_tick;
	w->exec.tick_ms = TICK_MS;
	w->exec.arg = w;
	w->began = clock_ms();
	w->until = w->began + w->c->seconds * 1000;
	end = engine_attach(&w->engine, &w->exec, w->c->seconds * 1000);
	if (end == ENGINE_AWAY && clock_ms() >= w->until)
		w->c->end = COMMAND_TIME;
	else if (end == ENGINE_REFUSED || end == ENGINE_MISSING)
		w->c->end = COMMAND_NOT_RUN;
	wait_for_status(w, end == ENGINE_AWAY && w->c->end == 0);
	w->c->took_ms = clock_ms() - w->began;
	w->c->output = output_text(&w->output, w->j->a);
}

/*
 * Ends what it has left running, if it began, also where the job is to stop; but not where the run
 * is another's, who does so.
 */
static enum err
finish(struct work *w)
{
	struct job *j = w->j;
	int64_t kib = SQL_NULL_INT;
	enum clear_end end;
	struct stop own;
	enum err e = ERR_OK;

	if (stop_why(&j->stop) == STOP_LOST)
		return ERR_CONFLICT;
	if (w->began == 0)
		return job_runner_command_end(j, NULL, w->c->call, kib);
	stop_init(&own);
	w->engine.stop = &own;
	end = container_clear(&w->engine, &j->owner, &kib);
	stop_destroy(&own);
	if (end == CLEAR_UNKNOWN) {
		log_warn("container: a command may still run", "run", j->run.text, "error",
		    w->engine.why);
		return ERR_OK;
	}
	/* What cannot be measured is full until it can. */
	if (kib == SQL_NULL_INT)
		kib = w->kib_max + 1;
	/* It was killed with the container, whoever did that. */
	if (end == CLEAR_GONE && w->c->end == COMMAND_DONE && w->c->status == KILLED)
		w->c->end = COMMAND_LOST;
	if (end == CLEAR_GONE)
		e = job_runner_container_ended(j, NULL, j->owner);
	return e == ERR_OK ? job_runner_command_end(j, NULL, w->c->call, kib) : e;
}

static void
count(const struct work *w)
{
	enum command_end end = w->c->end;

	if (w->began > 0)
		atomic_fetch_add(&counters.commands, 1);
	if (end != COMMAND_DONE && end != COMMAND_AGAIN && stop_why(&w->j->stop) == STOP_NOT)
		atomic_fetch_add(&counters.command_errors, 1);
}

enum err
command_run(struct job *j, struct command *c)
{
	struct work *w = arena_alloc(j->a, sizeof(*w));
	PGresult *res = NULL;
	bool is_mine; /* its row says that we begin it */
	enum err e;

	c->end = 0;
	*w = (struct work){ .j = j,
		.c = c,
		.engine = { .stop = &j->stop, .a = j->a },
		.kib_max = config()->container_disk_mib * 1024 };
	if ((e = job_runner_container_engine(j, &res, true, config()->containers)) != ERR_OK)
		return e;
	w->engine.installation = sql_get(res, 0, 0);
	if ((e = begin(w)) != ERR_OK)
		return e;
	is_mine = c->end == 0;
	if (is_mine) {
		attach(w);
		e = finish(w);
	}
	count(w);
	if (!is_mine || e != ERR_OK)
		return e;
	return stop_why(&j->stop) == STOP_NOT ? ERR_OK : ERR_CONFLICT;
}
