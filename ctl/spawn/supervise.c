/*
 * Starting, watching, replacing and ending the processes.
 *
 * A slot is one of the N processes that should run; it has the current pid and
 * when to try again after an early exit. A replaced process leaves its slot and
 * joins the draining ones, where it only has to end before its deadline.
 */
#include "spawn.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <millrace/clock.h>
#include <millrace/environment.h>

#define LISTEN_FD 3

/* A process that ran for so long is restarted without a delay. */
#define SETTLED_MS 10000
#define DELAY_FIRST_MS 250
#define DELAY_MAX_MS 10000
/* New processes that still run after this time are taken to work: the old ones are ended. */
#define REPLACE_MS 1000

#define DRAINING_MAX ((size_t)SPAWN_PROCESSES_MAX * 4)

struct slot {
	pid_t pid; /* 0 where none runs */
	pid_t old; /* the one it replaces, until it has proved itself */
	int64_t started_ms; /* of pid */
	int64_t next_start_ms; /* where pid is 0 */
	int64_t delay_ms; /* the next wait after an early death */
};

struct draining {
	pid_t pid;
	int64_t deadline_ms;
};

struct supervisor {
	const struct spawn_opts *o;
	int fd;
	bool stopping;
	bool replacing;
	int64_t replace_at_ms; /* when to look whether the new ones live */
	struct slot slots[SPAWN_PROCESSES_MAX];
	struct draining draining[DRAINING_MAX];
	size_t ndraining;
};

/* In the child, before it gives up its user: adds the file's settings to the environment. */
static bool
settings_load(const char *path)
{
	struct environment e;
	char why[200];
	bool good = environment_read(path, &e, why, sizeof(why));

	if (good)
		environment_apply(&e);
	else
		log_line("error", "%s: %s", path, why);
	environment_free(&e);
	return good;
}

/* In the child: hand the socket over and become the program. Does not return. */
static void __attribute__((noreturn)) child_exec(const struct supervisor *s, pid_t parent)
{
	const struct spawn_opts *o = s->o;
	sigset_t none;
	char pid[16];

	if (o->env_file != NULL && !settings_load(o->env_file))
		_exit(1);
	if (o->change_user &&
	    ((o->user != NULL ? initgroups(o->user, o->gid) : setgroups(0, NULL)) == -1 ||
		setgid(o->gid) == -1 || setuid(o->uid) == -1)) {
		log_line("error", "cannot become user %u: %s", (unsigned)o->uid, strerror(errno));
		_exit(1);
	}
	/* Die with the supervisor: set after setuid(2), which resets it. The supervisor may have
	   died before prctl took effect. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDNAMES");
	if (s->fd != -1) {
		/* dup2 of a descriptor onto itself would leave close-on-exec set */
		if (s->fd == LISTEN_FD ? fcntl(LISTEN_FD, F_SETFD, 0) == -1
				       : dup2(s->fd, LISTEN_FD) == -1)
			_exit(1);
		(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
		(void)setenv("LISTEN_FDS", "1", 1);
		(void)setenv("LISTEN_PID", pid, 1);
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execvp(o->command[0], o->command);
	log_line("error", "cannot run %s: %s", o->command[0], strerror(errno));
	_exit(127);
}

/* Starts a process. Returns its pid, or 0 where fork failed. */
static pid_t
start(const struct supervisor *s)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		child_exec(s, parent);
	if (pid == -1) {
		log_line("error", "fork: %s", strerror(errno));
		return 0;
	}
	log_line("info", "started process %ld", (long)pid);
	return pid;
}

static void
start_in(const struct supervisor *s, struct slot *p)
{
	p->started_ms = clock_ms();
	if ((p->pid = start(s)) == 0)
		p->next_start_ms = p->started_ms + DELAY_FIRST_MS;
}

/* Tells a process to end and remembers until when it has to. */
static void
dismiss(struct supervisor *s, pid_t pid)
{
	if (pid == 0)
		return;
	(void)kill(pid, SIGTERM);
	if (s->ndraining == DRAINING_MAX) {
		/* only reached by hundreds of replacements within one stop timeout */
		(void)kill(s->draining[0].pid, SIGKILL);
		s->draining[0] = s->draining[--s->ndraining];
	}
	s->draining[s->ndraining].pid = pid;
	s->draining[s->ndraining].deadline_ms = clock_ms() + s->o->stop_timeout_s * 1000L;
	s->ndraining++;
}

/* SIGHUP without overlap: all are told to end; tick starts their successors when they have. */
static void
restart_begin(struct supervisor *s)
{
	log_line("info", "restarting %zu processes", s->o->nprocesses);
	for (size_t i = 0; i < s->o->nprocesses; i++) {
		struct slot *p = &s->slots[i];

		dismiss(s, p->pid);
		p->pid = 0;
		p->delay_ms = 0;
		p->next_start_ms = 0;
	}
}

/* SIGHUP: a new process beside each; the old ones go when these have proved themselves. */
static void
replace_begin(struct supervisor *s)
{
	log_line("info", "replacing %zu processes", s->o->nprocesses);
	for (size_t i = 0; i < s->o->nprocesses; i++) {
		struct slot *p = &s->slots[i];

		if (p->old != 0)
			dismiss(s, p->old);
		p->old = p->pid;
		p->delay_ms = 0;
		start_in(s, p);
	}
	s->replacing = true;
	s->replace_at_ms = clock_ms() + REPLACE_MS;
}

/* A second later: old processes leave, unless the new one in their slot died. */
static void
replace_end(struct supervisor *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->o->nprocesses; i++) {
		struct slot *p = &s->slots[i];

		if (p->old == 0)
			continue;
		if (p->pid != 0) {
			dismiss(s, p->old);
		} else {
			p->pid = p->old;
			kept++;
		}
		p->old = 0;
	}
	s->replacing = false;
	if (kept > 0)
		log_line("error", "%zu new processes ended at once; the old ones stay", kept);
}

/* The process of a slot has ended: say when it is to start again. */
static void
slot_lost(struct slot *p)
{
	int64_t now = clock_ms();

	if (now - p->started_ms >= SETTLED_MS)
		p->delay_ms = 0;
	p->pid = 0;
	p->next_start_ms = now + p->delay_ms;
	p->delay_ms = p->delay_ms == 0 ? DELAY_FIRST_MS : p->delay_ms * 2;
	if (p->delay_ms > DELAY_MAX_MS)
		p->delay_ms = DELAY_MAX_MS;
}

static void
log_end(pid_t pid, int status, bool expected)
{
	if (WIFSIGNALED(status))
		log_line(expected ? "info" : "warn", "process %ld was ended by signal %d",
		    (long)pid, WTERMSIG(status));
	else
		log_line(expected ? "info" : "warn", "process %ld ended with status %d", (long)pid,
		    WEXITSTATUS(status));
}

static void
reap_one(struct supervisor *s, pid_t pid, int status)
{
	for (size_t i = 0; i < s->ndraining; i++) {
		if (s->draining[i].pid != pid)
			continue;
		s->draining[i] = s->draining[--s->ndraining];
		log_end(pid, status, true);
		return;
	}
	for (size_t i = 0; i < s->o->nprocesses; i++) {
		struct slot *p = &s->slots[i];

		if (p->old == pid)
			p->old = 0;
		else if (p->pid == pid)
			slot_lost(p);
		else
			continue;
		log_end(pid, status, s->stopping);
		return;
	}
}

/* What is due by the clock. Returns how long to wait for the next thing, in ms. */
static long
tick(struct supervisor *s)
{
	int64_t now = clock_ms();
	long next = now + 60000;

	for (size_t i = 0; i < s->ndraining; i++) {
		if (s->draining[i].deadline_ms <= now) {
			log_line(
			    "warn", "process %ld did not end in time", (long)s->draining[i].pid);
			(void)kill(s->draining[i].pid, SIGKILL);
			s->draining[i].deadline_ms = now + 60000;
		}
		if (s->draining[i].deadline_ms < next)
			next = s->draining[i].deadline_ms;
	}
	if (s->stopping)
		return next - now;
	if (s->replacing && s->replace_at_ms <= now)
		replace_end(s);
	else if (s->replacing && s->replace_at_ms < next)
		next = s->replace_at_ms;
	if (s->o->no_overlap && s->ndraining > 0)
		return next > now ? next - now : 0;
	for (size_t i = 0; i < s->o->nprocesses; i++) {
		struct slot *p = &s->slots[i];

		/* while replacing, an early death is an answer: no second try */
		if (p->pid != 0 || (s->replacing && p->old != 0))
			continue;
		if (p->next_start_ms <= now)
			start_in(s, p);
		else if (p->next_start_ms < next)
			next = p->next_start_ms;
	}
	return next > now ? next - now : 0;
}

static void
stop_all(struct supervisor *s)
{
	s->stopping = true;
	for (size_t i = 0; i < s->o->nprocesses; i++) {
		dismiss(s, s->slots[i].pid);
		dismiss(s, s->slots[i].old);
		s->slots[i].pid = s->slots[i].old = 0;
	}
}

int
supervise(const struct spawn_opts *o, int fd)
{
	static struct supervisor s; /* too large for the stack, and there is one */
	struct timespec wait;
	sigset_t set;
	int status, sig;
	long ms;
	pid_t pid;

	s.o = o;
	s.fd = fd;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	for (;;) {
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			reap_one(&s, pid, status);
		if (s.stopping && s.ndraining == 0)
			return 0;
		ms = tick(&s);
		wait.tv_sec = ms / 1000;
		wait.tv_nsec = ms % 1000 * 1000000;
		sig = sigtimedwait(&set, NULL, &wait);
		if ((sig == SIGTERM || sig == SIGINT) && !s.stopping)
			stop_all(&s);
		else if (sig == SIGHUP && !s.stopping && o->no_overlap)
			restart_begin(&s);
		else if (sig == SIGHUP && !s.stopping)
			replace_begin(&s);
	}
}
