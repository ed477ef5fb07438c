/*
 * The walls around whatever reads a stranger's file. Nothing here needs
 * privileges: it works for root (who first becomes nobody), for a service's
 * own user, and inside a container without CAP_SYS_ADMIN.
 *
 * Four layers, each of which stands without the others:
 *  - limits on memory, processor time, descriptors, and file writes (none);
 *  - no_new_privs, not dumpable, dies with its parent;
 *  - a seccomp allow-list of system calls; what is not on it fails with EPERM;
 *  - Landlock, where the kernel has it (5.13, enabled): for the parser no path at
 *    all, for the program only shared libraries, fonts and poppler's tables, and (from 6.7) no
 *    TCP, (from 6.12) no signals or abstract sockets to the outside.
 *
 * Without Landlock: the parser still cannot open anything, since its seccomp list has no
 * open(). The program has a read-only openat(), which seccomp cannot bind to
 * paths: one that was taken over could then read, and put into its text, any file its
 * user may read. As root it is nobody by then; under systemd the
 * unit's own ProtectSystem, ProtectProc and InaccessiblePaths remain. It can still reach no
 * network, write nothing and start nothing. stat() of any path is possible
 * for the program either way.
 */
#ifndef MILLRACE_EXTRACT_SANDBOX_H
#define MILLRACE_EXTRACT_SANDBOX_H

#include <sys/types.h>

/* A program's exit status when it was not started. */
#define SANDBOX_EXEC_FAILED 127

/*
 * For a fresh child of `parent`: gives up root's identity, sets the limits, asks
 * to be killed when the parent ends. Calls fail() when a wall cannot be put up.
 */
void sandbox_limits(pid_t parent);

/*
 * Closes the last doors for a process that parses in its own memory: from
 * here on it can read and write the descriptors that it has, and use memory. It may
 * wait for a child that it already has. Calls fail() when seccomp is refused.
 */
void sandbox_parser(void);

/*
 * For a fresh child of `parent`: walls it in and becomes the program, with an empty
 * environment and the descriptors 0 to 2 that it has. Never returns; exits
 * with SANDBOX_EXEC_FAILED.
 */
_Noreturn void sandbox_program(const char *path, char *const argv[], pid_t parent);

#endif
