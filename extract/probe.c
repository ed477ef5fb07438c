/*
 * The tests' look at the sandbox from inside, in a binary that is never installed
 * (-DMILLRACE_TEST). `--probe parser` walls itself in as the worker does, `--probe
 * program` starts itself as pdftotext is started; both then try what
 * an intruder would try and print, for each, a name and "refused" or "ALLOWED".
 * `--probe landlock` tells whether the kernel has it, by its exit status.
 */
#ifdef MILLRACE_TEST
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract.h"
#include "sandbox.h"

static void
say(const char *name, bool allowed)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s %s\n", name, allowed ? "ALLOWED" : "refused");

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(2);
}

/* Reading counts, not opening: a parser has no business with either. */
static bool
can_open(const char *path, int flags)
{
	return open(path, flags, 0600) >= 0;
}

static bool
can_exec(void)
{
	static char *argv[] = { "true", NULL };
	pid_t pid = fork();

	/* No new process is the first half of the answer; then try in this one's place. */
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		return true;
	execve("/usr/bin/true", argv, argv + 1);
	return syscall(SYS_execveat, AT_FDCWD, "/usr/bin/true", argv, argv + 1, 0) == 0;
}

static void
try_all(void)
{
	void *p;

	say("read-passwd", can_open("/etc/passwd", O_RDONLY));
	say("read-environ", can_open("/proc/self/environ", O_RDONLY));
	say("read-directory", can_open("/root", O_RDONLY | O_DIRECTORY));
	say("write-file", can_open("/tmp/millrace-probe", O_WRONLY | O_CREAT));
	say("write-temporary", can_open("/tmp", O_RDWR | O_TMPFILE));
	say("append-file", can_open("/dev/null", O_WRONLY | O_APPEND));
	say("make-directory", mkdir("/tmp/millrace-probe.d", 0700) == 0);
	say("unlink", unlink("/tmp/millrace-probe") == 0);
	say("memfd", memfd_create("x", 0) >= 0);
	say("socket-inet", socket(AF_INET, SOCK_STREAM, 0) >= 0);
	say("socket-unix", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	say("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0, 0 }) == 0);
	say("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	say("kill-parent", kill(getppid(), 0) == 0);
	say("namespace", unshare(CLONE_NEWUSER) == 0);
	say("io-uring", syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != EPERM);
	say("bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno != EPERM);
	p = mmap(NULL, 600 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("memory-600-mib", p != MAP_FAILED);
	say("exec", can_exec());
}

static int
probe_parser(void)
{
	pid_t parent = getpid(), pid = fork();
	void *p;
	int status;

	if (pid == 0) {
		sandbox_limits(parent);
		sandbox_parser();
		try_all();
		p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		say("executable-memory", p != MAP_FAILED);
		say("stat", access("/etc/passwd", F_OK) == 0);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

static int
probe_program(void)
{
	static char *argv[] = { "probe", "--probe", "inside", NULL };
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	pid_t parent = getpid(), pid;
	int status;

	if (n <= 0)
		return 1;
	path[n] = '\0';
	if ((pid = fork()) == 0)
		sandbox_program(path, argv, parent);
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

int
probe_main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[2], "parser") == 0)
		return probe_parser();
	if (argc == 3 && strcmp(argv[2], "program") == 0)
		return probe_program();
	if (argc == 3 && strcmp(argv[2], "landlock") == 0)
		return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0 ? 0 : 1;
	if (argc == 3 && strcmp(argv[2], "inside") == 0) {
		try_all();
		return 0;
	}
	return 2;
}
#else
typedef int probe_is_for_tests; /* a translation unit may not be empty */
#endif
