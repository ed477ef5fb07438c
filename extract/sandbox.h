/*
 * The sandbox for whatever reads an untrusted file. It needs no privileges: it works for root
 * (which first becomes nobody), for a service's own user, and in a container without CAP_SYS_ADMIN.
 *
 * Four layers, each of which holds without the others:
 *  - limits on memory, processor time, descriptors, and file writes (none);
 *  - no_new_privs, not dumpable, dies with its parent;
 *  - a seccomp allow-list of system calls; what is not on it fails with EPERM;
 *  - Landlock, where the kernel has it (5.13, enabled): no path for the parser, only shared
 *    libraries, fonts and poppler's tables for the program; no TCP (from 6.7); no signals and
 *    abstract sockets to the outside (from 6.12).
 *
 * Without Landlock: the parser still cannot open anything, since its seccomp list has no open().
 * The program has a read-only openat(), which seccomp cannot restrict to paths: one that an
 * attacker controls could read any file that its user may read, and put it into its text. Root has
 * become nobody by then; under systemd the unit's own ProtectSystem, ProtectProc and
 * InaccessiblePaths remain. It can still reach no network, write nothing and start nothing. stat()
 * of any path is possible for the program either way.
 */
#ifndef MILLRACE_EXTRACT_SANDBOX_H
#define MILLRACE_EXTRACT_SANDBOX_H

#include <sys/types.h>

/* A program's exit status when it was not started. */
#define SANDBOX_EXEC_FAILED 127

/*
 * For a new child of `parent`: drops root, sets the limits, and has the kernel kill it when the
 * parent ends. Calls fail() where a layer cannot be set up.
 */
void sandbox_limits(pid_t parent);

/* Limits the process to so much address space; less than before, and before sandbox_parser. */
void sandbox_memory(size_t most);

/* Limits the process to so much processor time; fewer than before, and before sandbox_parser. */
void sandbox_seconds(unsigned most);

/*
 * Completes the sandbox of a process that parses in its own memory: from here on it can only use
 * memory, the descriptors that it has, and wait for a child that it already has. Calls fail() where
 * a layer cannot be set up.
 */
void sandbox_parser(void);

/*
 * For a new child of `parent`: enters the sandbox and executes the program, with an
 * environment of its own and the descriptors 0 to 2 that it has. Never returns; exits with
 * SANDBOX_EXEC_FAILED where that fails.
 */
_Noreturn void sandbox_program(const char *path, char *const argv[], pid_t parent);

#endif
