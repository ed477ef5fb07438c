/* The command line and the pid file. */
#include "spawn.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <millrace/version.h>

#define EXIT_USAGE 2

static const char usage_text[] =
    "usage: millrace-spawn [options] -- command [argument ...]\n"
    "\n"
    "Keeps copies of a program running. Where a socket is asked for, each gets it\n"
    "as systemd would give it: descriptor 3, LISTEN_FDS=1, LISTEN_PID.\n"
    "\n"
    "  --socket PATH         listen on this UNIX socket (default: none)\n"
    "  --mode OCTAL          the socket's permissions (default 0660)\n"
    "  --group NAME          the socket's group, for example nginx's (default: ours);\n"
    "                        a name, or its number\n"
    "  --user NAME           whom the copies run as (default: as we do); a name, or\n"
    "                        UID:GID, which has no further groups\n"
    "  --processes N         how many copies, 1 to 256 (default 1)\n"
    "  --env-file FILE       add its NAME=value lines to each copy's environment, where\n"
    "                        ours has no such name; read anew whenever a copy starts\n"
    "  --pidfile FILE        write our pid there, and refuse to run twice with it\n"
    "  --name NAME           how log lines call it (default: the command's name)\n"
    "  --stop-timeout SECS   from SIGTERM to SIGKILL (default 35)\n"
    "  --no-overlap          on SIGHUP end a process before its successor starts\n"
    "  --help, --version\n"
    "\n"
    "SIGHUP replaces all processes, new ones first; the socket stays open.\n"
    "SIGTERM and SIGINT end them and then us. A process that ends is restarted, at\n"
    "once the first time, then after growing waits of up to 10 seconds.\n";

static void __attribute__((noreturn)) usage_error(const char *what, const char *problem)
{
	(void)fprintf(stderr, "millrace-spawn: %s%s\nTry millrace-spawn --help.\n", what, problem);
	exit(EXIT_USAGE);
}

/* A whole number in [min, max] written in base, or the usage error. */
static long
number(const char *option, const char *text, int base, long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, base);
	if (errno != 0 || end == text || *end != '\0' || n < min || n > max)
		usage_error(option, ": not a number in its range");
	return n;
}

static bool
is_number(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static void
group_option(struct spawn_opts *o, const char *name)
{
	const struct group *g;

	if (is_number(name))
		o->socket_gid = (gid_t)number("--group", name, 10, 0, INT32_MAX);
	else if ((g = getgrnam(name)) != NULL)
		o->socket_gid = g->gr_gid;
	else
		usage_error(name, ": there is no such group");
}

/* NAME, or UID:GID: numbers spare each supervisor the name service's modules, some 20 KiB. */
static void
user_option(struct spawn_opts *o, const char *name)
{
	const char *gid = strchr(name, ':');
	const struct passwd *u;

	if (gid != NULL) {
		/* A copy: our arguments are what `ps` shows. */
		char *uid = strndup(name, (size_t)(gid - name));

		o->uid = (uid_t)number("--user", uid != NULL ? uid : "", 10, 0, INT32_MAX);
		o->gid = (gid_t)number("--user", gid + 1, 10, 0, INT32_MAX);
		free(uid);
	} else if ((u = getpwnam(name)) != NULL) {
		o->uid = u->pw_uid;
		o->gid = u->pw_gid;
		o->user = name;
	} else
		usage_error(name, ": there is no such user");
	o->change_user = true;
}

static const struct option longs[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "group", required_argument, NULL, 'g' },
	{ "user", required_argument, NULL, 'u' },
	{ "mode", required_argument, NULL, 'm' },
	{ "processes", required_argument, NULL, 'n' },
	{ "env-file", required_argument, NULL, 'e' },
	{ "pidfile", required_argument, NULL, 'p' },
	{ "name", required_argument, NULL, 'N' },
	{ "stop-timeout", required_argument, NULL, 't' },
	{ "no-overlap", no_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

static void
parse(int argc, char **argv, struct spawn_opts *o)
{
	const char *slash;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->socket = optarg;
			break;
		case 'g':
			group_option(o, optarg);
			break;
		case 'u':
			user_option(o, optarg);
			break;
		case 'm':
			o->mode = (mode_t)number("--mode", optarg, 8, 0, 0777);
			break;
		case 'n':
			o->nprocesses =
			    (size_t)number("--processes", optarg, 10, 1, SPAWN_PROCESSES_MAX);
			break;
		case 'e':
			o->env_file = optarg;
			break;
		case 'p':
			o->pidfile = optarg;
			break;
		case 'N':
			o->name = optarg;
			break;
		case 't':
			o->stop_timeout_s = (int)number("--stop-timeout", optarg, 10, 1, 3600);
			break;
		case 'o':
			o->no_overlap = true;
			break;
		case 'h':
			(void)fputs(usage_text, stdout);
			exit(EXIT_SUCCESS);
		case 'v':
			(void)puts("millrace-spawn " MILLRACE_VERSION);
			exit(EXIT_SUCCESS);
		default:
			usage_error(argv[optind - 1], ": not known, or lacks its value");
		}
	}
	if (optind >= argc)
		usage_error("", "no command given");
	o->command = argv + optind;
	if (o->name == NULL) {
		slash = strrchr(o->command[0], '/');
		o->name = slash != NULL ? slash + 1 : o->command[0];
	}
	if (strspn(o->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
	    strlen(o->name))
		usage_error(o->name, ": a name has letters, digits, dots and dashes");
}

/*
 * Writes our pid, and holds a lock on the file for as long as we live. Returns
 * the descriptor or -1 after a log line.
 */
static int
pidfile_lock(const char *path)
{
	char text[24];
	ssize_t n;
	int fd;

	if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644)) == -1) {
		log_line("error", "cannot open the pid file %s: %s", path, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		n = read(fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
		log_line("error", "already running as process %s (%s)", text, path);
		(void)close(fd);
		return -1;
	}
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) == -1 || write(fd, text, (size_t)n) != n) {
		log_line("error", "cannot write the pid file %s: %s", path, strerror(errno));
		(void)close(fd);
		return -1;
	}
	return fd;
}

/*
 * 0, 1 and 2 must be taken before anything else is opened, or a log line could
 * go into the socket. Signals are blocked before the first process starts, so
 * that none is missed; children unblock them again.
 */
static void
prepare(void)
{
	sigset_t set;
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	/* inherited as ignored, SIGCHLD would make waitpid useless */
	(void)signal(SIGCHLD, SIG_DFL);
}

int
main(int argc, char **argv)
{
	struct spawn_opts o = {
		.mode = 0660, .socket_gid = (gid_t)-1, .nprocesses = 1, .stop_timeout_s = 35
	};
	int pidfile = -1, fd = -1, status = EXIT_FAILURE;

	parse(argc, argv, &o);
	prepare();
	log_name(o.name);
	if (o.pidfile != NULL && (pidfile = pidfile_lock(o.pidfile)) == -1)
		return EXIT_FAILURE;
	if (o.socket == NULL || (fd = listen_unix(o.socket, o.mode, o.socket_gid)) != -1)
		status = supervise(&o, fd);
	if (fd != -1) {
		(void)unlink(o.socket);
		(void)close(fd);
	}
	if (pidfile != -1) {
		(void)unlink(o.pidfile);
		(void)close(pidfile);
	}
	return status;
}
