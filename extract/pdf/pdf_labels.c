/*
 * Page labels (ISO 32000-1, 12.4.2), by libqpdf: pdftotext does not tell them. They are read in a
 * process of their own in the sandbox, so that a file which breaks that reader has no labels and is
 * read all the same. The library is loaded there, since it and what it needs would take longer to
 * load than most other files to be read.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <qpdf/qpdf-c.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extract/extract.h"
#include "extract/pdf/pdf.h"
#include "extract/sandbox.h"

#define LIBRARY "libqpdf.so.29"
#define SECONDS_MAX 5
#define NODES_MAX 1000 /* of the tree that holds the labels */

/* What is called of the library. */
struct qpdf {
	__typeof__(qpdf_init) *init;
	__typeof__(qpdf_silence_errors) *silence_errors;
	__typeof__(qpdf_set_suppress_warnings) *set_suppress_warnings;
	__typeof__(qpdf_read_memory) *read_memory;
	__typeof__(qpdf_get_root) *get_root;
	__typeof__(qpdf_oh_get_key) *get_key;
	__typeof__(qpdf_oh_get_array_n_items) *get_array_n_items;
	__typeof__(qpdf_oh_get_array_item) *get_array_item;
	__typeof__(qpdf_oh_get_value_as_int) *get_value_as_int;
	__typeof__(qpdf_oh_get_value_as_name) *get_value_as_name;
	__typeof__(qpdf_oh_get_value_as_utf8) *get_value_as_utf8;
	qpdf_data data;
};

static bool
load(struct qpdf *q)
{
	const struct {
		const char *name;
		void *to;
	} functions[] = { { "qpdf_init", &q->init }, { "qpdf_silence_errors", &q->silence_errors },
		{ "qpdf_set_suppress_warnings", &q->set_suppress_warnings },
		{ "qpdf_read_memory", &q->read_memory }, { "qpdf_get_root", &q->get_root },
		{ "qpdf_oh_get_key", &q->get_key },
		{ "qpdf_oh_get_array_n_items", &q->get_array_n_items },
		{ "qpdf_oh_get_array_item", &q->get_array_item },
		{ "qpdf_oh_get_value_as_int", &q->get_value_as_int },
		{ "qpdf_oh_get_value_as_name", &q->get_value_as_name },
		{ "qpdf_oh_get_value_as_utf8", &q->get_value_as_utf8 } };
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL), *f;
	size_t i;

	for (i = 0; library != NULL && i < sizeof(functions) / sizeof(functions[0]); i++) {
		if ((f = dlsym(library, functions[i].name)) == NULL)
			return false;
		memcpy(functions[i].to, &f, sizeof(f));
	}
	return library != NULL;
}

/* One label dictionary, for the pages from `first` on. */
static void
write_range(const struct qpdf *q, int first, qpdf_oh dict)
{
	struct pdf_range r = { .first = first, .start = 1 };
	const char *text;
	size_t n;

	if (q->get_value_as_name(q->data, q->get_key(q->data, dict, "/S"), &text, &n) && n == 2)
		r.style = text[1];
	if (!q->get_value_as_int(q->data, q->get_key(q->data, dict, "/St"), &r.start))
		r.start = 1;
	if (q->get_value_as_utf8(q->data, q->get_key(q->data, dict, "/P"), &text, &n))
		memcpy(r.prefix, text, n < sizeof(r.prefix) ? n : sizeof(r.prefix) - 1);
	if (write(STDOUT_FILENO, &r, sizeof(r)) != (ssize_t)sizeof(r))
		_exit(1);
}

/* The tree's leaves, in its order; its depth and width are bounded by the nodes looked at. */
static void
write_ranges(const struct qpdf *q)
{
	static qpdf_oh waiting[2 * NODES_MAX];
	size_t n_waiting = 0, n_nodes;
	qpdf_oh node, list;
	int i, n, first;

	waiting[n_waiting++] = q->get_key(q->data, q->get_root(q->data), "/PageLabels");
	for (n_nodes = 0; n_waiting > 0 && n_nodes < NODES_MAX; n_nodes++) {
		node = waiting[--n_waiting];
		list = q->get_key(q->data, node, "/Kids");
		n = q->get_array_n_items(q->data, list);
		for (i = n - 1; i >= 0 && n < NODES_MAX && n_waiting < 2 * NODES_MAX; i--)
			waiting[n_waiting++] = q->get_array_item(q->data, list, i);
		list = q->get_key(q->data, node, "/Nums");
		n = q->get_array_n_items(q->data, list);
		for (i = 0; i + 1 < n && i < 2 * PDF_RANGES_MAX; i += 2)
			if (q->get_value_as_int(
				q->data, q->get_array_item(q->data, list, i), &first))
				write_range(q, first, q->get_array_item(q->data, list, i + 1));
	}
}

static _Noreturn void
read_labels(pid_t parent, int to)
{
	struct qpdf q = { 0 };
	struct stat st;
	void *file;

	/* Nothing of this process goes into the worker's reply. */
	if (dup2(to, STDOUT_FILENO) < 0)
		_exit(1);
	sandbox_limits(parent);
	sandbox_seconds(SECONDS_MAX);
	if (!load(&q) || fstat(STDIN_FILENO, &st) != 0)
		_exit(1);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
	if (file == MAP_FAILED)
		_exit(1);
	sandbox_parser();
	q.data = q.init();
	q.silence_errors(q.data);
	q.set_suppress_warnings(q.data, QPDF_TRUE);
	if (q.read_memory(q.data, "", file, (unsigned long long)st.st_size, NULL) & QPDF_ERRORS)
		_exit(1);
	write_ranges(&q);
	_exit(0);
}

int
pdf_labels_start(void)
{
	pid_t worker = getpid(), pid;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	if ((pid = fork()) == 0)
		read_labels(worker, fds[1]);
	close(fds[1]);
	if (pid > 0)
		return fds[0];
	close(fds[0]);
	return -1;
}

size_t
pdf_labels_read(int from, struct pdf_range *ranges)
{
	size_t len = 0, most = PDF_RANGES_MAX * sizeof(*ranges), n, i;
	ssize_t got;

	while (
	    from >= 0 && len < most && (got = read(from, (char *)ranges + len, most - len)) != 0) {
		if (got < 0 && errno != EINTR)
			break;
		len += got > 0 ? (size_t)got : 0;
	}
	n = len / sizeof(*ranges);
	for (i = 0; i < n; i++)
		ranges[i].prefix[sizeof(ranges[i].prefix) - 1] = '\0';
	return n;
}

/* Appends a number in letters (a to z, aa to zz) or Roman numerals, small ones. */
static void
put_number(char *to, size_t size, char style, int number)
{
	static const struct {
		int value;
		const char *letters;
	} roman[] = { { 1000, "m" }, { 900, "cm" }, { 500, "d" }, { 400, "cd" }, { 100, "c" },
		{ 90, "xc" }, { 50, "l" }, { 40, "xl" }, { 10, "x" }, { 9, "ix" }, { 5, "v" },
		{ 4, "iv" }, { 1, "i" } };
	size_t n = 0, i;

	if (style == 'a')
		for (i = 0; i <= (size_t)(number - 1) / 26 && n + 1 < size; i++)
			to[n++] = (char)('a' + (number - 1) % 26);
	for (i = 0; style == 'r' && number > 0 && i < sizeof(roman) / sizeof(roman[0]);) {
		size_t len = strlen(roman[i].letters);

		if (number < roman[i].value || n + len >= size) {
			i++;
			continue;
		}
		memcpy(to + n, roman[i].letters, len);
		n += len;
		number -= roman[i].value;
	}
	to[n] = '\0';
}

const char *
pdf_label(const struct pdf_range *ranges, size_t n, unsigned long page, char *to, size_t size)
{
	const struct pdf_range *r = NULL;
	char number[24] = "", *c;
	unsigned long value;
	size_t i;

	for (i = 0; i < n; i++)
		if (ranges[i].first >= 0 && (unsigned long)ranges[i].first < page &&
		    (r == NULL || ranges[i].first >= r->first))
			r = &ranges[i];
	if (r == NULL || r->start < 1)
		return NULL;
	value = (unsigned long)r->start + (page - 1 - (unsigned long)r->first);
	if (r->style == 'D' || value > 3999)
		(void)snprintf(number, sizeof(number), "%lu", value);
	else if (r->style != '\0')
		put_number(number, sizeof(number), (char)(r->style | 0x20), (int)value);
	for (c = number; r->style >= 'A' && r->style <= 'Z' && *c != '\0'; c++)
		if (*c >= 'a')
			*c = (char)(*c - 'a' + 'A');
	(void)snprintf(to, size, "%s%s", r->prefix, number);
	(void)snprintf(number, sizeof(number), "%lu", page);
	return *to == '\0' || strcmp(to, number) == 0 ? NULL : to;
}
