/*
 * millrace-extract [--rows] [--jq] [--page] [--name NAME] [--charset LABEL] <FILE
 *
 * Standard input is the file (seekable), NAME the client's name for it, LABEL the encoding of its
 * text, where its sender has said one. --page: it is a page of the web, of whose HTML the main text
 * is wanted. On success the text goes to
 * standard output and the exit status is 0; otherwise it is 1, with one sentence for the user on
 * standard error and nothing on standard output.
 *
 * --rows prints the rows of a table instead, as rows.h describes, while they are read: some may be
 * printed before it fails.
 *
 * --jq evaluates an expression instead, as jq.h describes.
 *
 * This process never reads the file: it starts the worker, relays the worker's reply, and kills it
 * with all of its children after 30 s, or half an hour where it is rows that are read, which wait
 * for who takes them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/jq.h"
#include "extract/out.h"
#include "extract/sheet/rows.h"
#include "extract/sandbox.h"

#define NICE 10

static volatile sig_atomic_t worker; /* its process group; 0: none yet */
static char too_late[128]; /* for the signal handler; written before that can run */

/* Kills and reaps all children, also those that the worker left behind. */
static void
end_all(void)
{
	if (worker > 0)
		kill(-worker, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

/* Ends the supervisor with an error of its own: one sentence. */
static _Noreturn void
die(const char *sentence)
{
	end_all();
	fprintf(stderr, "%s\n", sentence);
	exit(1);
}

static void
on_alarm(int sig)
{
	(void)sig;
	end_all();
	if (write(STDERR_FILENO, too_late, strlen(too_late)) < 0)
		_exit(2);
	_exit(1);
}

/*
 * The environment may hold the caller's secrets, and the worker gets a copy of this process's
 * memory: overwrite it, since clearenv alone only drops the pointers.
 */
static void
forget_environment(void)
{
	char **e;

	for (e = environ; *e != NULL; e++)
		explicit_bzero(*e, strlen(*e));
	/* clearenv() leaves no list at all, which jq's `env` does not look for. */
	*environ = NULL;
}

/* The n bytes of the file from a place on. */
static struct bytes
load(size_t from, size_t n)
{
	unsigned char *p = grow(NULL, n + 1);
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		got = pread(STDIN_FILENO, p + have, n - have, (off_t)(from + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			fail("The file cannot be read.");
		have += (size_t)got;
	}
	return (struct bytes){ p, n };
}

struct options {
	const char *name, *charset; /* NULL: not given */
	bool rows, page, jq;
};

/* The file's size. Ends the worker unless the file is regular, so that it can be read anew. */
static size_t
input_size(void)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) != 0 || !S_ISREG(st.st_mode))
		fail("millrace-extract reads a regular file on its standard input.");
	if (st.st_size == 0)
		fail("The file is empty.");
	if ((size_t)st.st_size > EXTRACT_INPUT_MAX)
		fail("The file is larger than %zu MiB, which is refused.", EXTRACT_INPUT_MAX / MIB);
	return (size_t)st.st_size;
}

static bool
is_pdf(size_t size, enum kind claimed)
{
	size_t n = size < SNIFF_PDF_MAX ? size : SNIFF_PDF_MAX;

	return sniff_pdf(load(0, n), load(size - n, n), claimed);
}

/* The worker. Before the sandbox is complete it checks of the content only whether it is a PDF. */
static _Noreturn void
work(const struct options *opt, pid_t parent)
{
	enum kind k, claimed = kind_claimed(opt->name);
	struct bytes all;
	struct out o;
	struct pdf pdf;
	size_t size;
	int again;

	/* In the sandbox no file is opened; where /proc is missing, a PDF takes longer. */
	again = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC);
	sandbox_limits(parent);
	size = input_size();
	if (opt->jq) {
		sandbox_seconds(JQ_SECONDS_MAX);
		sandbox_memory(JQ_MEMORY_MAX);
		sandbox_parser();
		jq_reply(load(0, size), STDOUT_FILENO);
	}
	if (is_pdf(size, claimed)) {
		out_begin(&o, kind_check(opt->name, KIND_PDF));
		if (opt->rows)
			fail("No rows can be read from %s.", kind_title(KIND_PDF));
		pdf = pdf_start(again);
		sandbox_parser();
		pdf_read(&pdf, &o);
		out_finish(&o, STDOUT_FILENO);
	}
	if (again >= 0)
		close(again);
	sandbox_seconds(EXTRACT_PARSER_SECONDS_MAX);
	sandbox_parser();
	all = load(0, size);
	k = kind_check(opt->name, sniff(all, claimed));
	out_begin(&o, k);
	o.page = opt->page;
	o.charset = opt->charset;
	if (opt->rows && rows_reader_of(k, all) == NULL)
		fail("No rows can be read from %s.", kind_title(k));
	if (opt->rows)
		rows_json(all, rows_reader_of(k, all), &o, STDOUT_FILENO);
	kind_reader(k)(all, &o);
	out_finish(&o, STDOUT_FILENO);
}

static void
write_all(int fd, const char *p, size_t n)
{
	ssize_t done;

	for (; n > 0; p += done, n -= (size_t)done) {
		done = write(fd, p, n);
		if (done < 0 && errno != EINTR)
			die("The text could not be written.");
		if (done < 0)
			done = 0;
	}
}

/*
 * Where the worker's sentence begins in the n bytes of rows at p: rows are lines, none of which
 * begins with E, and each write but the sentence ends with a line. *line: p begins one.
 */
static size_t
find_sentence(const char *p, size_t n, bool *line)
{
	const char *at;

	if (*line && p[0] == 'E')
		return 0;
	*line = p[n - 1] == '\n';
	at = memmem(p, n, "\nE", 2);
	return at != NULL ? (size_t)(at - p) + 1 : n;
}

/*
 * Passes on what the worker writes to `from`: text at once, a sentence into `sentence`.
 * Returns the first byte, 'T' or 'E', or 0 when the worker wrote nothing.
 */
static char
relay(int from, bool rows, char *sentence, size_t size)
{
	static char buf[65536];
	size_t len = 0, i, skip;
	bool line = false;
	char what = 0;
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		skip = what == 0;
		if (what == 0)
			what = buf[0];
		if (what == 'T' && rows && (i = find_sentence(buf, (size_t)n, &line)) < (size_t)n) {
			write_all(STDOUT_FILENO, buf + skip, i - skip);
			what = 'E';
			skip = i + 1;
		} else if (what == 'T') {
			write_all(STDOUT_FILENO, buf + skip, (size_t)n - skip);
		}
		for (i = skip; what != 'T' && i < (size_t)n && len < size - 1; i++)
			if ((unsigned char)buf[i] >= ' ')
				sentence[len++] = buf[i];
	}
	sentence[len] = '\0';
	return what;
}

/* The sentence for a worker that ended without one. */
static const char *
reason(int status, bool jq)
{
	if (jq)
		return "The expression took too much time or memory.";
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
		return "The file took too much time or memory to read, which is refused.";
	return "The file cannot be read: it is damaged, or made to break the reader.";
}

static pid_t
start_worker(const struct options *opt, int *from)
{
	pid_t parent = getpid(), pid;
	int fds[2], null;

	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0 || pipe2(fds, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		die("The host is out of processes or descriptors; try again later.");
	if (pid == 0) {
		(void)setpgid(0, 0);
		(void)signal(SIGALRM, SIG_DFL);
		if (dup2(fds[1], STDOUT_FILENO) < 0)
			_exit(1);
#ifndef __SANITIZE_ADDRESS__
		/* Messages of the libraries on it could be chosen by the file. */
		if (dup2(null, STDERR_FILENO) < 0)
			_exit(1);
#endif
		(void)close_range(3, ~0U, 0);
		work(opt, parent);
	}
	(void)setpgid(pid, pid);
	close(fds[1]);
	close(null);
	*from = fds[0];
	return pid;
}

/* Ends the process on anything else than the options. */
static struct options
parse_options(int argc, char **argv)
{
	struct options opt = { 0 };
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--rows") == 0)
			opt.rows = true;
		else if (strcmp(argv[i], "--name") == 0 && i + 1 < argc)
			opt.name = argv[++i];
		else if (strcmp(argv[i], "--charset") == 0 && i + 1 < argc)
			opt.charset = argv[++i];
		else if (strcmp(argv[i], "--jq") == 0)
			opt.jq = true;
		else if (strcmp(argv[i], "--page") == 0)
			opt.page = true;
		else
			die("usage: millrace-extract [--rows] [--jq] [--page] [--name NAME] "
			    "[--charset LABEL] <FILE");
	}
	return opt;
}

int
main(int argc, char **argv)
{
	char sentence[512];
	struct options opt;
	char what;
	siginfo_t end;
	int from, status, seconds;

#ifdef MILLRACE_TEST
	if (argc > 1 && strncmp(argv[1], "--probe", 7) == 0)
		return probe_main(argc, argv);
#endif
	(void)close_range(3, ~0U, 0);
	forget_environment();
	/* Whoever waits for an answer goes before a file. */
	(void)!nice(NICE);
	opt = parse_options(argc, argv);
	seconds = opt.rows ? EXTRACT_ROWS_SECONDS_MAX : EXTRACT_SECONDS_MAX;
	(void)snprintf(too_late, sizeof(too_late),
	    "The file took more than %d seconds to read, which is refused.\n", seconds);
	if (signal(SIGALRM, on_alarm) == SIG_ERR)
		die("The host refuses a signal handler.");
	/* pdftotext is reparented to this process, and reaped, where the worker ends first. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	alarm((unsigned)seconds);
	worker = start_worker(&opt, &from);
	(void)signal(SIGPIPE, SIG_IGN);
	what = relay(from, opt.rows, sentence, sizeof(sentence));
	/* Kill its group before reaping it: after that the number may belong to another process. */
	while (waitid(P_PID, (id_t)worker, &end, WEXITED | WNOWAIT) != 0)
		if (errno != EINTR)
			die("The host lost the reading process.");
	kill(-worker, SIGKILL);
	if (waitpid(worker, &status, 0) != worker)
		die("The host lost the reading process.");
	worker = 0;
	end_all();
	if (what == 'T' && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	die(what == 'E' && sentence[0] != '\0' ? sentence : reason(status, opt.jq));
}
