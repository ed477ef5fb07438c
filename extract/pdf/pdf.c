/*
 * PDF, by poppler's pdftotext: it is GPL and reads hostile input, so it is not linked but run, in a
 * sandbox of its own. Of its modes it is -raw -bbox: words with their boxes, in the order in which
 * the file draws them. All others take columns apart or tables together, drop a true hyphen at a
 * line's end, or let a font's control characters pass for the ends of pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/out.h"
#include "extract/pdf/pdf.h"
#include "extract/sandbox.h"

#define PDFTOTEXT "/usr/bin/pdftotext"

/* Of the package poppler-data: without it poppler reads no text in the usual fonts of East Asia. */
#define LANGUAGES "/usr/share/poppler/cidToUnicode"

static const char damaged[] = "The PDF is damaged or incomplete and cannot be read.";

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
		fail("%s", damaged);
	if (lseek(STDIN_FILENO, 0, SEEK_SET) != 0)
		fail("The file cannot be read.");
}

struct pdf
pdf_start(void)
{
	static char *argv[] = { "pdftotext", "-enc", "UTF-8", "-raw", "-bbox", "-", "-", NULL };
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
	/* Words with boxes are many bytes: both processes run on where the pipe holds a few pages.
	 */
	(void)fcntl(out[0], F_SETPIPE_SZ, (int)MIB);
	return (struct pdf){ .pid = pid,
		.out = out[0],
		.err = err[0],
		.labels = pdf_labels_start(),
		.has_languages = access(LANGUAGES, R_OK | X_OK) == 0 };
}

/* The document while its pages come. */
struct reading {
	char *p; /* what pdftotext has written of the next page: cap bytes, len used */
	size_t len;
	size_t cap;
	size_t seen; /* of these, where no page ends */
	char msg[8192]; /* the beginning of its messages, and always the last ones */
	size_t msg_len;
	bool no_language; /* one of them was about a missing language pack */
	struct pdf_page page;
	struct pdf_text text; /* of all pages, each with a form feed behind it */
	bool unreadable; /* some page is */
};

/* Reads the pages of which all is there, and leaves the beginning of the next. */
static void
read_pages(struct reading *r)
{
	static const char close[] = "</page>";
	char *from = r->p, *at = r->p + r->seen, *end;
	size_t start;

	while ((end = memmem(at, r->len - (size_t)(at - r->p), close, sizeof(close) - 1)) != NULL) {
		*end = '\0';
		pdf_words(&r->page, from, (size_t)(end - from));
		r->unreadable |= r->page.unreadable;
		start = r->text.len;
		pdf_layout(&r->page, &r->text);
		pdf_letters(&r->text, start);
		pdf_put(&r->text, "\f", 1);
		from = at = end + sizeof(close) - 1;
	}
	r->len -= (size_t)(from - r->p);
	memmove(r->p, from, r->len);
	r->seen = r->len < sizeof(close) ? 0 : r->len - sizeof(close);
	/* What a page's words and their boxes may take; the text itself is bounded by the output.
	 */
	if (r->len > 4 * EXTRACT_OUTPUT_MAX || r->text.len > EXTRACT_OUTPUT_MAX)
		fail("The PDF holds more than %zu MiB of text, which is refused.",
		    EXTRACT_OUTPUT_MAX / MIB);
}

static void
read_text(struct reading *r, struct pollfd *fd)
{
	ssize_t n;

	if (r->cap - r->len < 65536) {
		r->cap = r->cap * 2 + 262144;
		r->p = grow(r->p, r->cap);
	}
	n = read(fd->fd, r->p + r->len, r->cap - r->len);
	if (n > 0) {
		r->len += (size_t)n;
		read_pages(r);
	} else if (n == 0 || errno != EINTR)
		fd->fd = -1;
}

/* Keeps the beginning; what comes later is looked through and forgotten. */
static void
read_message(struct reading *r, struct pollfd *fd)
{
	const size_t kept = sizeof(r->msg) / 2;
	ssize_t n;

	if (r->msg_len == sizeof(r->msg) - 1) {
		/* The end of it stays too, since a message may lie across. */
		memmove(r->msg + kept, r->msg + sizeof(r->msg) - 65, 64);
		r->msg_len = kept + 64;
	}
	n = read(fd->fd, r->msg + r->msg_len, sizeof(r->msg) - 1 - r->msg_len);
	if (n > 0) {
		r->msg_len += (size_t)n;
		r->msg[r->msg_len] = '\0';
		r->no_language |= strstr(r->msg, "Missing language pack") != NULL;
	} else if (n == 0 || errno != EINTR)
		fd->fd = -1;
}

/* Exit codes are those of pdftotext(1); the messages are from poppler's SecurityHandler.cc. */
static void
check_end(const struct reading *r, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (strstr(r->msg, "Incorrect password") != NULL)
		fail("The PDF is encrypted; remove its password and upload it again.");
	if (strstr(r->msg, "security handler") != NULL)
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

/* Appends to a list of page numbers: "2", " to 4", ", 7", " and 9". */
static void
list_add(char *list, size_t size, const char *between, unsigned long number)
{
	size_t n = strlen(list);

	(void)snprintf(list + n, size - n, "%s%lu", between, number);
}

/* Pages without text, as a reader is told of them: "pages 2 to 4, 7 and 9". */
struct blanks {
	unsigned long n; /* so far */
	unsigned long first, last; /* the run of pages that is not in the list yet; 0: none */
	unsigned n_runs; /* in the list */
	char list[160];
};

#define RUNS_MAX 12

/* Puts the run into the list, which it may end. */
static void
blanks_end_run(struct blanks *b, bool ends)
{
	const char *between = b->n_runs == 0 ? "" : ends ? " and " : ", ";

	if (b->first == 0)
		return;
	if (b->n_runs < RUNS_MAX) {
		list_add(b->list, sizeof(b->list), between, b->first);
		if (b->last > b->first)
			list_add(b->list, sizeof(b->list),
			    b->last > b->first + 1 ? " to "
			    : ends		   ? " and "
						   : ", ",
			    b->last);
	}
	b->n_runs++;
	b->first = 0;
}

static void
blanks_add(struct blanks *b, unsigned long page)
{
	b->n++;
	if (b->first != 0 && page != b->last + 1)
		blanks_end_run(b, false);
	if (b->first == 0)
		b->first = page;
	b->last = page;
}

/* Tells of pages without text in a document that has some. */
static void
tell_blanks(struct out *o, struct blanks *b, unsigned long pages)
{
	blanks_end_run(b, true);
	if (b->n == 0 || b->n == pages)
		return;
	if (b->n == 1)
		out_notice(o,
		    "1 of %lu pages has no text; it seems to be scanned, or empty: page "
		    "%s.",
		    pages, b->list);
	else
		out_notice(o,
		    "%lu of %lu pages have no text; they seem to be scanned, or empty: "
		    "pages %s%s.",
		    b->n, pages, b->list, b->n_runs > RUNS_MAX ? " and others" : "");
}

/* Writes the pages, each of which ends in a form feed. */
static void
write_pages(struct reading *r, int labels, struct out *o)
{
	static struct pdf_range ranges[PDF_RANGES_MAX];
	size_t n_ranges = pdf_labels_read(labels, ranges);
	char label[64];
	struct blanks blanks = { 0 };
	const char *p = r->text.p, *end = p + r->text.len, *ff;
	unsigned long page = 0;

	for (; p < end && (ff = memchr(p, '\f', (size_t)(end - p))) != NULL; p = ff + 1) {
		page++;
		out_page(o, page, pdf_label(ranges, n_ranges, page, label, sizeof(label)), p,
		    (size_t)(ff - p));
		if (out_is_blank(p, (size_t)(ff - p)))
			blanks_add(&blanks, page);
	}
	out_pages(o, page);
	tell_blanks(o, &blanks, page);
}

void
pdf_read(const struct pdf *pdf, struct out *o)
{
	static struct reading r;
	struct pollfd fds[2] = { { .fd = pdf->out, .events = POLLIN },
		{ .fd = pdf->err, .events = POLLIN } };
	int status;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			fail("The PDF cannot be read.");
		if (fds[0].fd >= 0 && fds[0].revents != 0)
			read_text(&r, &fds[0]);
		if (fds[1].fd >= 0 && fds[1].revents != 0)
			read_message(&r, &fds[1]);
	}
	while (waitpid(pdf->pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("The PDF cannot be read.");
	check_end(&r, status);
	if (r.no_language && !pdf->has_languages)
		fail("The PDF has text that cannot be read on this host: the package poppler-data "
		     "is missing.");
	if (r.unreadable || r.no_language)
		out_notice(o, "Some letters are missing or wrong, since a font of the PDF does not "
			      "say which characters it shows.");
	if (pdf_lam_alef(&r.text))
		out_notice(o, "In Arabic words the letters lam and alef may stand the wrong way "
			      "round, since the PDF does not tell their order.");
	pdf_hyphens(&r.text);
	write_pages(&r, pdf->labels, o);
}
