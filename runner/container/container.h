/*
 * Users' containers, at the runner's engine: one for each user, made at the first command, stopped
 * when it is idle; only its workspace stays. The rows of `container` say what is meant to be.
 * Without MILLRACE_CONTAINER_SOCKET there are none.
 */
#ifndef RUNNER_CONTAINER_CONTAINER_H
#define RUNNER_CONTAINER_CONTAINER_H

#include "runner/outside/engine.h"
#include "runner/queue/job.h"
#include "runner/queue/periodic.h"

/* -- commands, of a job's thread -- */

enum command_end {
	COMMAND_DONE = 1, /* it has ended by itself; `status` is its exit status */
	COMMAND_TIME, /* it was ended, since it took too long */
	COMMAND_OUTPUT, /* since it wrote too much */
	COMMAND_DISK, /* since the workspace grew too large */
	COMMAND_LOST, /* since the engine was lost sight of */
	COMMAND_AGAIN, /* an earlier attempt of the run began it, which is all that is known */
	COMMAND_BUSY, /* it did not begin: another one of the user's has not ended */
	COMMAND_FULL, /* it did not begin: as many containers run as may */
	COMMAND_NOT_RUN /* it did not begin: the engine could not */
};

struct command {
	struct str call; /* what a later attempt knows it by */
	struct str text; /* for a shell */
	int64_t seconds;

	enum command_end end;
	int64_t status;
	int64_t took_ms;
	struct str output; /* the job's arena's, as output.h says */
	bool is_partial; /* it ran on when its output was closed already, by it or by the engine */
	bool is_full; /* the workspace was too large before: nothing could be written */
};

/*
 * Runs a command in the job's owner's container, at most once whatever is killed meanwhile, and
 * ends whatever it leaves running. An enum err only for what ends the job.
 */
MUST_CHECK enum err command_run(struct job *j, struct command *c);

/* -- below it -- */

enum clear_end {
	CLEAR_DONE = 1, /* nothing runs in it */
	CLEAR_GONE, /* nor does it run itself any more */
	CLEAR_UNKNOWN /* the engine does not say */
};

/*
 * Ends all that runs in a container but its first process; where that cannot be, the container.
 * *kib is what the workspace takes up, or SQL_NULL_INT.
 */
enum clear_end container_clear(struct engine *e, const struct uuid *owner, int64_t *kib);

/* Starts the owner's. *status is what its row is to say then. */
enum engine_end container_start(struct engine *e, const struct uuid *owner, struct str *status);

/* KiB that the workspace of a container that runs takes up; SQL_NULL_INT: it is not known. */
int64_t container_usage(struct engine *e, const struct uuid *owner);

/* Periodic work: starts, stops, idle ones, crashes, and what is nobody's. */
int64_t containers_run(struct db *db, struct arena *a, struct stop *stop);

#endif
