/* Limits, seccomp and Landlock; sandbox.h says what each protects against. */
#include "extract/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "extract/extract.h"

#define NOBODY 65534

/* Of the kernels after Debian 12's headers (landlock(7)). */
#define LANDLOCK_FS_TRUNCATE (1ULL << 14) /* ABI 3 */
#define LANDLOCK_FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define LANDLOCK_NET_TCP 3ULL /* ABI 4: bind, connect */
#define LANDLOCK_SCOPE_ALL 3ULL /* ABI 6: abstract sockets, signals */

/* AddressSanitizer maps terabytes of shadow memory. */
#if defined(__SANITIZE_ADDRESS__)
#define LIMIT_MEMORY RLIM_INFINITY
#else
#define LIMIT_MEMORY EXTRACT_MEMORY_MAX
#endif

/* What a parser needs: descriptors, memory, exit. mmap and mprotect are allowed conditionally. */
static const int parser_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(lseek),
	SCMP_SYS(close),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(wait4),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* What a program needs in addition, to be loaded. open and openat are allowed conditionally. */
static const int program_calls[] = {
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(statx),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(getcwd),
	SCMP_SYS(fadvise64),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_yield),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(time),
};

/* Where a program may read, and which files the kernel may execute (a dynamic loader is one). */
static const struct {
	const char *path;
	uint64_t rights;
} program_paths[] = {
	{ "/usr/lib", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
			  LANDLOCK_ACCESS_FS_EXECUTE },
	{ "/usr/lib64", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE },
	{ "/lib", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
		      LANDLOCK_ACCESS_FS_EXECUTE },
	{ "/lib64", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE },
	{ "/usr/share/poppler", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR },
	{ "/usr/share/fonts", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR },
	{ "/etc/fonts", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR },
	{ "/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE },
};

/* Set in a child that becomes a program: its standard output is not the worker's. */
static bool is_program;

static _Noreturn void
sandbox_fail(const char *what)
{
	if (is_program)
		_exit(SANDBOX_EXEC_FAILED);
	fail("The host cannot confine the reading of files (%s), so none are read.", what);
}

/* Sets soft and hard limit; lowering is always allowed, and a lower one is kept. */
static void
limit(__rlimit_resource_t what, rlim_t most)
{
	struct rlimit r;

	if (getrlimit(what, &r) != 0)
		sandbox_fail("rlimit");
	if (r.rlim_max == RLIM_INFINITY || most < r.rlim_max)
		r.rlim_max = most;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(what, &r) != 0)
		sandbox_fail("rlimit");
}

void
sandbox_seconds(unsigned most)
{
	limit(RLIMIT_CPU, most);
}

void
sandbox_memory(size_t most)
{
	limit(RLIMIT_AS, LIMIT_MEMORY == RLIM_INFINITY ? RLIM_INFINITY : most);
}

void
sandbox_limits(pid_t parent)
{
	/* The user nobody may be missing in a container's user namespace; the other layers hold. */
	if (geteuid() == 0 && setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	    setresuid(NOBODY, NOBODY, NOBODY) != 0)
		(void)setgroups(0, NULL);
	limit(RLIMIT_AS, LIMIT_MEMORY);
	sandbox_seconds(EXTRACT_SECONDS_MAX);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, 32);
	limit(RLIMIT_MEMLOCK, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		sandbox_fail("prctl");
	/* Changing the user clears it, so set it afterwards; the parent may have ended by now. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		sandbox_fail("prctl");
	if (getppid() != parent)
		_exit(1);
}

static void
landlock_allow(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights };

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return; /* not on this system: nothing to allow */
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
		sandbox_fail("Landlock");
	close(rule.parent_fd);
}

/* Forbids all paths but, where `program` is not NULL, its own and program_paths. */
static void
landlock(const char *program)
{
	struct {
		uint64_t fs, net, scope;
	} attr = { 0, 0, 0 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t i;
	int ruleset;

	if (abi < 1)
		return;
	attr.fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	if (abi >= 2)
		attr.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		attr.fs |= LANDLOCK_FS_TRUNCATE;
	if (abi >= 5)
		attr.fs |= LANDLOCK_FS_IOCTL_DEV;
	if (abi >= 4)
		attr.net = LANDLOCK_NET_TCP;
	if (abi >= 6)
		attr.scope = LANDLOCK_SCOPE_ALL;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
	    abi >= 6   ? sizeof(attr)
	    : abi >= 4 ? 16
		       : 8,
	    0);
	if (ruleset < 0)
		sandbox_fail("Landlock");
	if (program != NULL) {
		landlock_allow(
		    ruleset, program, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE);
		for (i = 0; i < sizeof(program_paths) / sizeof(program_paths[0]); i++)
			landlock_allow(ruleset, program_paths[i].path, program_paths[i].rights);
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		sandbox_fail("Landlock");
	close(ruleset);
}

static void
allow(scmp_filter_ctx f, const int *calls, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0) != 0)
			sandbox_fail("seccomp");
}

/* Allows a call when the given bits of the given argument are all clear. */
static void
allow_without(scmp_filter_ctx f, int call, unsigned arg, uint64_t bits)
{
	if (seccomp_rule_add(
		f, SCMP_ACT_ALLOW, call, 1, SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, bits, 0)) != 0)
		sandbox_fail("seccomp");
}

/* A filter that refuses all but parser_calls; a call of another architecture kills. */
static scmp_filter_ctx
filter_new(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (f == NULL || seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
		sandbox_fail("seccomp");
	allow(f, parser_calls, sizeof(parser_calls) / sizeof(parser_calls[0]));
	return f;
}

void
sandbox_parser(void)
{
	scmp_filter_ctx f = filter_new();

	landlock(NULL);
	allow_without(f, SCMP_SYS(mmap), 2, PROT_EXEC);
	allow_without(f, SCMP_SYS(mprotect), 2, PROT_EXEC);
	if (seccomp_load(f) != 0)
		sandbox_fail("seccomp");
	seccomp_release(f);
}

_Noreturn void
sandbox_program(const char *path, char *const argv[], pid_t parent)
{
	/* pdftotext frees and allocates for each word and operand: more of that stays at hand. */
	static char *env[] = { "LC_ALL=C", "GLIBC_TUNABLES=glibc.malloc.tcache_count=2000", NULL };
	const uint64_t writes =
	    O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
	scmp_filter_ctx f;

	is_program = true;
	sandbox_limits(parent);
	landlock(path);
	f = filter_new();
	allow(f, program_calls, sizeof(program_calls) / sizeof(program_calls[0]));
	allow_without(f, SCMP_SYS(openat), 2, writes);
	allow_without(f, SCMP_SYS(open), 1, writes);
	/* prlimit only to ask; execve only this very call, whose addresses are gone after it. */
	if (seccomp_rule_add(
		f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2(SCMP_CMP_EQ, 0, 0)) != 0 ||
	    seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(execve), 3,
		SCMP_A0(SCMP_CMP_EQ, (uintptr_t)path, 0), SCMP_A1(SCMP_CMP_EQ, (uintptr_t)argv, 0),
		SCMP_A2(SCMP_CMP_EQ, (uintptr_t)env, 0)) != 0 ||
	    seccomp_load(f) != 0)
		sandbox_fail("seccomp");
	execve(path, argv, env);
	_exit(SANDBOX_EXEC_FAILED);
}
