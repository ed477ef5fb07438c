/*
 * Tests the sandbox from inside, in a binary that is never installed (-DMILLRACE_TEST). `--probe
 * parser` enters the sandbox as the worker does, `--probe program` starts itself as pdftotext is
 * started; both then try what an attacker would try, and print a name and "refused" or "ALLOWED"
 * for each attempt. The exit status of `--probe landlock` tells whether the kernel has Landlock.
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

#include "extract/extract.h"
#include "extract/sandbox.h"

static void
report(const char *name, bool allowed)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s %s\n", name, allowed ? "ALLOWED" : "refused");

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(2);
}

/* The sandbox must refuse to open a file, not only to read it. */
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

	/* A child is one way to run a program; execve in place of this process is the other. */
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

	report("read-passwd", can_open("/etc/passwd", O_RDONLY));
	report("read-environ", can_open("/proc/self/environ", O_RDONLY));
	report("read-directory", can_open("/root", O_RDONLY | O_DIRECTORY));
	report("write-file", can_open("/tmp/millrace-probe", O_WRONLY | O_CREAT));
	report("write-temporary", can_open("/tmp", O_RDWR | O_TMPFILE));
	report("append-file", can_open("/dev/null", O_WRONLY | O_APPEND));
	report("make-directory", mkdir("/tmp/millrace-probe.d", 0700) == 0);
	report("unlink", unlink("/tmp/millrace-probe") == 0);
	report("memfd", memfd_create("x", 0) >= 0);
	report("socket-inet", socket(AF_INET, SOCK_STREAM, 0) >= 0);
	report("socket-unix", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	report("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0, 0 }) == 0);
	report("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	report("kill-parent", kill(getppid(), 0) == 0);
	report("namespace", unshare(CLONE_NEWUSER) == 0);
	report("io-uring", syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != EPERM);
	report("bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno != EPERM);
	p = mmap(NULL, 600 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	report("memory-600-mib", p != MAP_FAILED);
	report("exec", can_exec());
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
		report("executable-memory", p != MAP_FAILED);
		report("stat", access("/etc/passwd", F_OK) == 0);
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
