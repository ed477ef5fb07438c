/*
 * millrace-extract: reads an untrusted file and writes plain text with marks.
 *
 * A supervisor (main.c) starts one worker process, which alone touches the file's content, in the
 * sandbox of sandbox.c. The worker lives for one file, so it frees nothing, and fail() ends it
 * wherever it cannot go on. It replies to the supervisor through descriptor 1: 'T' and the text, or
 * 'E' and one sentence for the user.
 */
#ifndef MILLRACE_EXTRACT_H
#define MILLRACE_EXTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB ((size_t)1024 * 1024)

#define EXTRACT_INPUT_MAX (100 * MIB) /* the file itself */
#define EXTRACT_OUTPUT_MAX (32 * MIB) /* all text with its marks */
#define EXTRACT_UNPACK_MAX (64 * MIB) /* what a zip archive's parts may expand to */
#define EXTRACT_MEMORY_MAX (512 * MIB) /* address space of each process */
#ifndef EXTRACT_SECONDS_MAX
#define EXTRACT_SECONDS_MAX 30 /* processor and wall time; the tests' build has less */
#endif
/*
 * Wall time where rows are read: whoever stores them may be slower than the file is read. The
 * processor time stays.
 */
#define EXTRACT_ROWS_SECONDS_MAX 1800
/* Processor time for what is parsed here: all but PDF, whose pages may be drawings of any length.
 */
#define EXTRACT_PARSER_SECONDS_MAX ((EXTRACT_SECONDS_MAX + 2) / 3)

/* Bytes from outside, not NUL-terminated. */
struct bytes {
	const unsigned char *p;
	size_t n;
};

enum kind {
	KIND_UNKNOWN, /* binary data of an unknown format */
	KIND_PDF,
	KIND_DOCX,
	KIND_XLSX,
	KIND_PPTX,
	KIND_ODT,
	KIND_ODS,
	KIND_ODP,
	KIND_CSV, /* also tab-separated */
	KIND_HTML,
	KIND_TXT,
	KIND_MD,
	KIND_N,
};

/*
 * Ends the worker with a sentence for the user who uploaded the file: plain words, a capital first,
 * a full stop last.
 */
_Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* realloc() that ends the worker when there is no memory. */
void *grow(void *p, size_t n);

/*
 * The name of a kind in messages, with its article ("a PDF", "plain text") and without ("PDF",
 * "text"), and in the output ("pdf").
 */
const char *kind_title(enum kind k);
const char *kind_name(enum kind k);
const char *kind_word(enum kind k);

/* Parses all of a file and appends its paragraphs to o. */
struct out;
typedef void reader(struct bytes file, struct out *o);
reader docx_read, xlsx_read, pptx_read, odt_read, ods_read, odp_read, csv_read, html_read,
    text_read, markdown_read;

/* The reader of a kind; NULL: there is none (KIND_PDF has one of its own). */
reader *kind_reader(enum kind k);

/* The kind that a client's file name (may be NULL) stands for; KIND_UNKNOWN: none that is known. */
enum kind kind_claimed(const char *name);

/*
 * The kind of a file by its content; KIND_TXT also stands for Markdown and CSV, which cannot be
 * told apart. Ends the worker, with a sentence that names the format, for a known format that is
 * not read (an image, an old .doc). KIND_UNKNOWN is binary data of an unknown format. `claimed`
 * names the document where it is damaged or encrypted, and makes text out of what could be an
 * e-mail message or a piece of HTML. A PDF has been told before.
 */
enum kind sniff(struct bytes all, enum kind claimed);

/* The same of a zip archive, and of an OLE compound file, which holds no document that is read. */
enum kind container_zip(struct bytes b, enum kind claimed);
_Noreturn void container_ole(struct bytes b, enum kind claimed);

/*
 * True when these are the first and the last SNIFF_PDF_MAX bytes of a PDF: they have its header and
 * an object. A text about PDF may show both, so its name counts too.
 */
#define SNIFF_PDF_MAX ((size_t)64 * 1024)
bool sniff_pdf(struct bytes head, struct bytes tail, enum kind claimed);

/*
 * Compares the content's kind with the client's file name (may be NULL) and returns the kind to
 * read it as: plain text is KIND_MD, KIND_HTML or KIND_CSV where the name's ending is theirs. Ends
 * the worker where the ending belongs to one known kind and the content is another, or is of none
 * that is known. Unknown endings are ignored.
 */
enum kind kind_check(const char *name, enum kind k);

/* pdftotext, as it reads a part of a document. */
struct pdf_part {
	int pid;
	int out; /* its standard output */
	int err; /* and error */
};
#define PDF_PARTS 2

/*
 * Starts pdftotext on descriptor 0 in a sandbox of its own, before the worker enters its own: for a
 * long document twice, for its beginning and for the rest, which may be nothing. The second reads
 * `again`, the same file opened anew with an offset of its own, and closes it; -1: there is none,
 * and one reads all. pdf_read() then reads what they write, page by page, and appends it to o. Both
 * end the worker where the file cannot be read.
 */
struct pdf {
	struct pdf_part parts[PDF_PARTS]; /* n_parts of them */
	size_t n_parts;
	int labels; /* where its pages' labels come from; -1: none do */
	bool has_languages; /* the package poppler-data is there */
};
struct pdf pdf_start(int again);
void pdf_read(const struct pdf *pdf, struct out *o);

#ifdef MILLRACE_TEST
/* Tests the sandbox from inside; see probe.c. Not installed. */
int probe_main(int argc, char **argv);
#endif

#endif
