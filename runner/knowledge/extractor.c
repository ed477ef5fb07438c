#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <millrace/arena.h>
#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/knowledge/extractor.h"

#define DEADLINE_MS 35000
#define ROWS_DEADLINE_MS (1805 * 1000)
#define TEXT_MAX ((size_t)8 * 1024 * 1024)

/*
 * The child: descriptors 0 to 2 and no other, an empty environment, a process group and default
 * signals of its own.
 */
static pid_t
spawn(int file, int out, int err, const struct extract_how *how)
{
	char path[4096], name_option[] = "--name", page_option[] = "--page";
	char charset_option[] = "--charset", *name = xstrdup(how->name ? how->name : "");
	char rows_option[] = "--rows", *charset = xstrdup(how->charset ? how->charset : "");
	char jq_option[] = "--jq", *argv[9] = { path }, *env[] = { NULL };
	size_t n = 1;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid = -1;
	int e;

	if (how->jq)
		argv[n++] = jq_option;
	if (*name) {
		argv[n++] = name_option;
		argv[n++] = name;
	}
	if (how->page)
		argv[n++] = page_option;
	if (how->line)
		argv[n++] = rows_option;
	if (*charset) {
		argv[n++] = charset_option;
		argv[n++] = charset;
	}
	snprintf(path, sizeof(path), "%s/%s", config()->libexec_dir,
	    how->program ? how->program : "millrace-extract");
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, file, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, err, 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	e = posix_spawn(&pid, path, &files, &attr, argv, env);
	if (e != 0)
		log_error("extractor: cannot be started", "path", path, "error", strerror(e));
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	free(name);
	free(charset);
	return e == 0 ? pid : -1;
}

/* Hands the whole lines over, and keeps what is left. False where no more are wanted. */
static bool
hand_over(const struct extract_how *how, struct extracted *x)
{
	struct str line, rest = { x->text, x->n };
	bool wanted = true;

	while (wanted && memchr(rest.p, '\n', rest.n)) {
		rest = str_cut(rest, '\n', &line);
		wanted = how->line(how->arg, line);
	}
	memmove(x->text, rest.p, rest.n);
	x->n = rest.n;
	return wanted;
}

/* Takes what is there. False at the end, or where there is too much. */
static bool
read_text(int fd, struct extracted *x, size_t *room)
{
	ssize_t n;

	if (x->n == *room) {
		*room = *room * 2 + 65536;
		x->text = xrealloc(x->text, *room);
	}
	n = read(fd, x->text + x->n, *room - x->n);
	if (n > 0)
		x->n += (size_t)n;
	return (n > 0 || (n < 0 && errno == EINTR)) && x->n <= TEXT_MAX;
}

static bool
read_why(int fd, struct extracted *x)
{
	size_t have = strlen(x->why), room = sizeof(x->why) - 1 - have;
	char more[256];
	ssize_t n = read(fd, more, sizeof(more));

	if (n <= 0)
		return n < 0 && errno == EINTR;
	memcpy(x->why + have, more, (size_t)n < room ? (size_t)n : room);
	return true;
}

/*
 * Reads both pipes until both end. False where the child is to be killed: too late, too much, a
 * stop, or nobody wants more.
 */
static bool
listen_to(struct stop *stop, int out, int err, const struct extract_how *how, struct extracted *x)
{
	struct pollfd fds[] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
	int64_t until = clock_ms() + (how->within_ms > 0 ? how->within_ms
					 : how->line	 ? ROWS_DEADLINE_MS
							 : DEADLINE_MS);
	size_t room = 0;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (stop_why(stop) != STOP_NOT || clock_ms() > until)
			return false;
		if (poll(fds, 2, 100) <= 0)
			continue;
		if (fds[0].revents && !read_text(out, x, &room)) {
			if (x->n > TEXT_MAX)
				return false;
			fds[0].fd = -1;
		}
		if (fds[0].revents && how->line && x->n > 0 && !hand_over(how, x)) {
			x->unwanted = true;
			return false;
		}
		if (fds[1].revents && !read_why(err, x))
			fds[1].fd = -1;
	}
	return true;
}

/* The sentence on standard error: its first line, as UTF-8. */
static bool
is_sentence(char *why)
{
	why[strcspn(why, "\r\n")] = '\0';
	return why[0] && str_utf8(str_from(why));
}

static enum extract_end
supervise(struct stop *stop, pid_t pid, int out, int err, const struct extract_how *how,
    struct extracted *x)
{
	bool heard = listen_to(stop, out, err, how, x);
	int status = 0;

	if (!heard)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (stop_why(stop) != STOP_NOT || x->unwanted)
		return EXTRACT_STOPPED;
	if (!heard) {
		snprintf(x->why, sizeof(x->why), "%s",
		    x->n > TEXT_MAX ? "The document holds more text than can be searched."
		    : how->jq	    ? "The expression took too long."
				    : "Reading the document took too long.");
		return EXTRACT_UNREADABLE;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return EXTRACT_TEXT;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && is_sentence(x->why))
		return EXTRACT_UNREADABLE;
	return EXTRACT_BROKEN;
}

enum extract_end
extract(struct stop *stop, int file, const struct extract_how *how, struct extracted *x)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	enum extract_end end = EXTRACT_BROKEN;
	pid_t pid = -1;

	*x = (struct extracted){ .text = NULL };
	if (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0)
		pid = spawn(file, out[1], err[1], how);
	if (out[1] >= 0)
		close(out[1]);
	if (err[1] >= 0)
		close(err[1]);
	if (pid > 0)
		end = supervise(stop, pid, out[0], err[0], how, x);
	if (out[0] >= 0)
		close(out[0]);
	if (err[0] >= 0)
		close(err[0]);
	return end;
}
