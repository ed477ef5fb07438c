/*
 * The start of pdftotext: it is GPL and reads hostile input, so it is not linked but run, in a
 * sandbox of its own. Of its modes it is -raw -bbox: words with their boxes, in the order in which
 * the file draws them. All others take columns apart or tables together, drop a true hyphen at a
 * line's end, or let a font's control characters pass for the ends of pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/extract.h"
#include "extract/pdf/pdf.h"
#include "extract/sandbox.h"

/* Of the package poppler-data: without it poppler reads no text in the usual fonts of East Asia. */
#define LANGUAGES "/usr/share/poppler/cidToUnicode"

/* A file of fewer streams is read by one process: a second would take longer to start. */
#define STREAMS_DIVIDED 100

/* Reads from `at`; fewer bytes than n only at the file's end. */
static size_t
read_at(char *to, size_t n, off_t at)
{
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		got = pread(STDIN_FILENO, to + have, n - have, at + (off_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	return have;
}

/* Where the last s of the n bytes ends that has a digit before it, if asked; 0: there is none. */
static size_t
last_end(const char *p, size_t n, const char *s, bool digit)
{
	const char *at = p, *next;
	size_t len = strlen(s), end = 0;

	for (; (next = memmem(at, n - (size_t)(at - p), s, len)) != NULL; at = next + len)
		if (!digit || (next > p && next[-1] >= '0' && next[-1] <= '9'))
			end = (size_t)(next - p) + len;
	return end;
}

/*
 * A PDF ends in %%EOF (ISO 32000-1, 7.5.5). poppler reads what it can of a truncated one, and
 * nobody would notice the missing pages. Behind the last %%EOF may stand padding or what somebody
 * appended, but no object of the file.
 */
static void
check_tail(void)
{
	static char part[65536 + 8];
	off_t at = lseek(STDIN_FILENO, 0, SEEK_END);
	size_t n, mark = 0, object = 0;

	while (mark == 0 && object == 0 && at > 0) {
		at = at > 65536 ? at - 65536 : 0;
		n = read_at(part, sizeof(part), at);
		mark = last_end(part, n, "%%EOF", false);
		object = last_end(part, n, " obj", true);
	}
	if (mark <= object)
		fail("%s", PDF_DAMAGED);
	if (lseek(STDIN_FILENO, 0, SEEK_SET) != 0)
		fail("The file cannot be read.");
}

/* What is looked for in the bytes of the file before it is read. */
struct survey {
	size_t n_streams;
	bool labels; /* it may have page labels */
};

/*
 * The names of a PDF are plain bytes but in object streams (ISO 32000-1, 7.5.7). One that is
 * written with escapes is not found, which nobody does to these.
 */
static struct survey
survey(void)
{
	off_t size = lseek(STDIN_FILENO, 0, SEEK_END);
	size_t n = size > 0 ? (size_t)size : 0;
	struct survey s = { 0 };
	const char *p, *at;
	void *file;

	file = mmap(NULL, n, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
	if (file == MAP_FAILED || lseek(STDIN_FILENO, 0, SEEK_SET) != 0)
		fail("The file cannot be read.");
	for (p = file; (at = memmem(p, n - (size_t)(p - (char *)file), "endstream", 9)) != NULL;
	     p = at + 9)
		s.n_streams++;
	s.labels =
	    memmem(file, n, "/PageLabels", 11) != NULL || memmem(file, n, "/ObjStm", 7) != NULL;
	(void)munmap(file, n);
	return s;
}

/*
 * Starts pdftotext on a descriptor of the file, for the pages from `first` to `last`; NULL: from
 * the first, to the last one.
 */
static struct pdf_part
part_start(int file, char *first, char *last)
{
	char *argv[12] = { "pdftotext", "-enc", "UTF-8", "-raw", "-bbox" };
	size_t n = 5;
	int out[2], err[2];
	pid_t worker = getpid(), pid;

	if (first != NULL) {
		argv[n++] = "-f";
		argv[n++] = first;
	}
	if (last != NULL) {
		argv[n++] = "-l";
		argv[n++] = last;
	}
	argv[n++] = "-";
	argv[n++] = "-";
	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		fail("The host is out of processes or descriptors; try again later.");
	if (pid == 0) {
		if (dup2(file, STDIN_FILENO) < 0 || dup2(out[1], STDOUT_FILENO) < 0 ||
		    dup2(err[1], STDERR_FILENO) < 0)
			_exit(SANDBOX_EXEC_FAILED);
		sandbox_program(PDFTOTEXT, argv, worker);
	}
	close(out[1]);
	close(err[1]);
	/* Words with boxes are many bytes: both processes run on where the pipe holds a few pages.
	 */
	(void)fcntl(out[0], F_SETPIPE_SZ, (int)MIB);
	return (struct pdf_part){ .pid = pid, .out = out[0], .err = err[0] };
}

/*
 * A page has a stream or more, so half of the streams are half of the pages or more: where they are
 * more than there are, the second process ends at once.
 */
struct pdf
pdf_start(int again)
{
	struct pdf pdf = { .n_parts = 1 };
	struct survey s;
	char first[24], last[24];

	check_tail();
	s = survey();
	if (again < 0 || s.n_streams < STREAMS_DIVIDED) {
		pdf.parts[0] = part_start(STDIN_FILENO, NULL, NULL);
	} else {
		(void)snprintf(last, sizeof(last), "%zu", s.n_streams / 2);
		(void)snprintf(first, sizeof(first), "%zu", s.n_streams / 2 + 1);
		pdf.parts[0] = part_start(STDIN_FILENO, NULL, last);
		pdf.parts[1] = part_start(again, first, NULL);
		pdf.n_parts = 2;
	}
	if (again >= 0)
		close(again);
	pdf.labels = s.labels ? pdf_labels_start() : -1;
	pdf.has_languages = access(LANGUAGES, R_OK | X_OK) == 0;
	return pdf;
}
