/*
 * PDF, by poppler's pdftotext: it is GPL and reads hostile input, so it is not
 * linked but run, in a sandbox of its own; its text comes through a pipe, with a
 * form feed after each page.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "out.h"
#include "sandbox.h"

#define PDFTOTEXT "/usr/bin/pdftotext"

static const char damaged[] = "The PDF is damaged or incomplete and cannot be read.";

/*
 * A PDF ends in %%EOF (ISO 32000-1, 7.5.5). poppler reads what it can of a
 * truncated one, and nobody would notice the missing pages.
 */
static void
check_tail(void)
{
	char tail[4096];
	off_t size = lseek(STDIN_FILENO, 0, SEEK_END);
	off_t at = size > (off_t)sizeof(tail) ? size - (off_t)sizeof(tail) : 0;
	ssize_t n = pread(STDIN_FILENO, tail, sizeof(tail), at);

	if (n <= 0 || memmem(tail, (size_t)n, "%%EOF", 5) == NULL)
		fail("%s", damaged);
	if (lseek(STDIN_FILENO, 0, SEEK_SET) != 0)
		fail("The file cannot be read.");
}

struct pdf
pdf_start(void)
{
	static char *argv[] = { "pdftotext", "-enc", "UTF-8", "-eol", "unix", "-", "-", NULL };
	int out[2], err[2];
	pid_t worker = getpid(), pid;

	check_tail();
	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		fail("The host is out of processes or descriptors; try again later.");
	if (pid == 0) {
		if (dup2(out[1], STDOUT_FILENO) < 0 || dup2(err[1], STDERR_FILENO) < 0)
			_exit(SANDBOX_EXEC_FAILED);
		sandbox_program(PDFTOTEXT, argv, worker);
	}
	close(out[1]);
	close(err[1]);
	return (struct pdf){ .pid = pid, .out = out[0], .err = err[0] };
}

/* The output of pdftotext: its text, and the beginning of its messages. */
struct pdf_output {
	char *p; /* cap bytes, len used */
	size_t len;
	size_t cap;
	char msg[4096];
	size_t msg_len;
};

static void
read_text(struct pdf_output *s, struct pollfd *fd)
{
	ssize_t n;

	if (s->cap - s->len < 65536) {
		s->cap = s->cap * 2 + 262144;
		s->p = grow(s->p, s->cap);
	}
	n = read(fd->fd, s->p + s->len, s->cap - s->len);
	if (n > 0)
		s->len += (size_t)n;
	else if (n == 0 || errno != EINTR)
		fd->fd = -1;
	if (s->len > EXTRACT_OUTPUT_MAX)
		fail("The PDF holds more than %zu MiB of text, which is refused.",
		    EXTRACT_OUTPUT_MAX / MIB);
}

static void
read_message(struct pdf_output *s, struct pollfd *fd)
{
	char rest[4096];
	size_t room = sizeof(s->msg) - 1 - s->msg_len;
	ssize_t n =
	    read(fd->fd, room > 0 ? s->msg + s->msg_len : rest, room > 0 ? room : sizeof(rest));

	if (n > 0 && room > 0)
		s->msg_len += (size_t)n;
	else if (n == 0 || (n < 0 && errno != EINTR))
		fd->fd = -1;
}

/* Exit codes are those of pdftotext(1); the messages are from poppler's SecurityHandler.cc. */
static void
check_end(const struct pdf_output *s, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (strstr(s->msg, "Incorrect password") != NULL)
		fail("The PDF is encrypted; remove its password and upload it again.");
	if (strstr(s->msg, "security handler") != NULL)
		fail("The PDF is protected by a method that cannot be read; upload an unprotected "
		     "copy.");
	if (WIFEXITED(status) && WEXITSTATUS(status) == SANDBOX_EXEC_FAILED)
		fail("PDF files cannot be read on this host: %s (package poppler-utils) does not "
		     "run.",
		    PDFTOTEXT);
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
		fail("The PDF took more than %d seconds to read, which is refused.",
		    EXTRACT_SECONDS_MAX);
	if (WIFSIGNALED(status))
		fail("The PDF cannot be read: it is damaged or takes more than %zu MiB of memory.",
		    EXTRACT_MEMORY_MAX / MIB);
	fail("%s", damaged);
}

void
pdf_read(const struct pdf *pdf, struct out *o)
{
	static struct pdf_output s;
	struct pollfd fds[2] = { { .fd = pdf->out, .events = POLLIN },
		{ .fd = pdf->err, .events = POLLIN } };
	unsigned long page = 0;
	const char *p, *ff;
	int status;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			fail("The PDF cannot be read.");
		if (fds[0].fd >= 0 && fds[0].revents != 0)
			read_text(&s, &fds[0]);
		if (fds[1].fd >= 0 && fds[1].revents != 0)
			read_message(&s, &fds[1]);
	}
	while (waitpid(pdf->pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("The PDF cannot be read.");
	check_end(&s, status);
	for (p = s.p; p != NULL && p < s.p + s.len; p = ff + 1) {
		ff = memchr(p, '\f', (size_t)(s.p + s.len - p));
		if (ff == NULL)
			ff = s.p + s.len;
		out_page(o, ++page, NULL, p, (size_t)(ff - p));
	}
	out_pages(o, page);
}
