/*
 * The container engine: Docker Engine API over its UNIX socket, as Docker and Podman both serve it.
 * A user's container and the volume of its workspace have one name, engine_name(). Each function
 * blocks until the engine has answered; a struct engine is one thread's.
 */
#ifndef RUNNER_OUTSIDE_ENGINE_H
#define RUNNER_OUTSIDE_ENGINE_H

#include <millrace/arena.h>
#include <millrace/err.h>

#include "runner/outside/frames.h"
#include "runner/queue/stop.h"

struct engine {
	struct stop *stop; /* ends each call */
	struct arena *a;
	struct str installation; /* whose containers these are, among others' at the engine */
	int64_t brief_ms; /* 0, or how long a call may take, which is not repeated then */
	char why[320]; /* what went wrong, for the log */
};

enum engine_end {
	ENGINE_DONE = 1,
	ENGINE_MISSING, /* there is no such container, or it does not run */
	ENGINE_REFUSED, /* the engine says no */
	ENGINE_AWAY, /* the engine does not answer, or not as it should */
	ENGINE_ENDED, /* engine_attach: no more was wanted */
	ENGINE_STOPPED /* the stop is set */
};

/* The name of what is `owner`'s. */
#define ENGINE_NAME_MAX 64
void engine_name(const struct uuid *owner, char name[ENGINE_NAME_MAX]);

/*
 * Makes a user's container, by the settings, and starts it; what was there of it before goes, but
 * for the workspace.
 */
MUST_CHECK enum engine_end engine_run(struct engine *e, const struct uuid *owner);
/* Ends it, by SIGKILL after some seconds, or at once with `force`, and removes it. */
MUST_CHECK enum engine_end engine_remove(struct engine *e, const struct uuid *owner, bool force);
/* Removes its workspace. */
MUST_CHECK enum engine_end engine_forget(struct engine *e, const struct uuid *owner);

/* Has it the image of MILLRACE_CONTAINER_IMAGE? ENGINE_MISSING: no. */
MUST_CHECK enum engine_end engine_image(struct engine *e);

/* Owners of the installation's containers and volumes: canonical uuids. */
struct engine_list {
	struct str_list running, containers, volumes;
};
MUST_CHECK enum engine_end engine_look(struct engine *e, struct engine_list *out);

/* A command in a container, which begins with engine_attach. */
struct engine_exec {
	char id[80];
	/* What is wanted of it; each may say false: no more */
	bool (*on_bytes)(void *arg, unsigned int stream, struct str bytes);
	bool (*on_tick)(void *arg); /* each tick_ms; may ask the engine; NULL: none */
	int64_t tick_ms;
	void *arg;
};
enum engine_as {
	ENGINE_AS_USER = 1, /* a stranger's */
	ENGINE_AS_ROOT /* ours: no command of a stranger's can end it, or write what it writes */
};
/* Prepares `command`, for a shell. */
MUST_CHECK enum engine_end engine_exec(struct engine *e, const struct uuid *owner,
    enum engine_as as, struct str command, struct engine_exec *out);
/*
 * Begins it and takes what it writes, until its streams are closed or `within_ms` are over
 * (ENGINE_AWAY). However it comes back, the command may still run.
 */
MUST_CHECK enum engine_end engine_attach(
    struct engine *e, struct engine_exec *x, int64_t within_ms);
/* Does it run? Where it does not, *status is its exit status. */
MUST_CHECK enum engine_end engine_inspect(
    struct engine *e, const struct engine_exec *x, bool *runs, int64_t *status);

#endif
