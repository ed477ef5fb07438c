/*
 * PDF, by poppler's pdftotext (pdf_start.c): its pages are laid out while they come, and written
 * when all are there.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/out.h"
#include "extract/pdf/pdf.h"
#include "extract/sandbox.h"

/* A part of the document while its pages come. */
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
	bool is_rest; /* the document may end before it */
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

/*
 * Exit codes are those of pdftotext(1); the messages are from poppler's SecurityHandler.cc, and
 * that about pages from pdftotext.cc.
 */
static void
check_end(const struct reading *r, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (r->is_rest && strstr(r->msg, "Wrong page range") != NULL)
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
	fail("%s", PDF_DAMAGED);
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

/* Reads both outputs of each process to their ends. */
static void
read_parts(const struct pdf *pdf, struct reading *r)
{
	struct pollfd fds[2 * PDF_PARTS];
	size_t i, n = pdf->n_parts, n_open = 2 * n;

	for (i = 0; i < n; i++) {
		fds[2 * i] = (struct pollfd){ .fd = pdf->parts[i].out, .events = POLLIN };
		fds[2 * i + 1] = (struct pollfd){ .fd = pdf->parts[i].err, .events = POLLIN };
	}
	for (; n_open > 0;) {
		if (poll(fds, 2 * n, -1) < 0 && errno != EINTR)
			fail("The PDF cannot be read.");
		for (i = n_open = 0; i < 2 * n; i++) {
			if (fds[i].fd >= 0 && fds[i].revents != 0)
				(i % 2 == 0 ? read_text : read_message)(&r[i / 2], &fds[i]);
			n_open += fds[i].fd >= 0;
		}
	}
}

/* Appends what has been read of the rest of a document to what has been of its beginning. */
static void
join_parts(struct reading *r, struct reading *rest)
{
	if (rest->text.len > 0)
		pdf_put(&r->text, rest->text.p, rest->text.len);
	free(rest->text.p);
	r->unreadable |= rest->unreadable;
	r->no_language |= rest->no_language;
}

void
pdf_read(const struct pdf *pdf, struct out *o)
{
	static struct reading parts[PDF_PARTS];
	struct reading *r = &parts[0];
	size_t i;
	int status;

	read_parts(pdf, parts);
	for (i = 0; i < pdf->n_parts; i++) {
		while (waitpid(pdf->parts[i].pid, &status, 0) < 0)
			if (errno != EINTR)
				fail("The PDF cannot be read.");
		parts[i].is_rest = i > 0;
		check_end(&parts[i], status);
		if (i > 0)
			join_parts(r, &parts[i]);
	}
	if (r->no_language && !pdf->has_languages)
		fail("The PDF has text that cannot be read on this host: the package poppler-data "
		     "is missing.");
	if (r->unreadable || r->no_language)
		out_notice(o, "Some letters are missing or wrong, since a font of the PDF does not "
			      "say which characters it shows.");
	if (pdf_lam_alef(&r->text))
		out_notice(o, "In Arabic words the letters lam and alef may stand the wrong way "
			      "round, since the PDF does not tell their order.");
	pdf_hyphens(&r->text);
	write_pages(r, pdf->labels, o);
}
