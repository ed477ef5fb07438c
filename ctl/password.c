/* Reads a new password. */
#include "password.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <millrace/str.h>

#include "ctl.h"

static volatile sig_atomic_t interrupted;

static void
note_signal(int signo)
{
	interrupted = signo;
}

/* Reads to the end of the input, or of the line on a terminal. False: not readable. */
static bool
read_bytes(struct password *p, bool terminal)
{
	ssize_t got;

	p->n = 0;
	while (p->n < sizeof(p->bytes)) {
		got = read(STDIN_FILENO, p->bytes + p->n, sizeof(p->bytes) - p->n);
		if (got == -1 && errno == EINTR && !interrupted)
			continue;
		if (got == -1)
			return false;
		if (got == 0)
			break;
		p->n += (size_t)got;
		if (terminal && p->bytes[p->n - 1] == '\n')
			break;
	}
	if (p->n > 0 && p->bytes[p->n - 1] == '\n')
		p->n--;
	if (p->n > 0 && p->bytes[p->n - 1] == '\r')
		p->n--;
	return true;
}

/* Prompts with the echo off, and turns it on again, even where a signal interrupts. */
static bool
prompt(const char *text, struct password *p)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	struct sigaction note = { .sa_handler = note_signal }, old[5];
	struct termios before, silent;
	size_t i;
	bool ok;

	if (tcgetattr(STDIN_FILENO, &before) == -1)
		return false;
	interrupted = 0;
	for (i = 0; i < 5; i++)
		(void)sigaction(signals[i], &note, &old[i]);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	(void)fputs(text, stderr);
	ok = read_bytes(p, true);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	(void)fputc('\n', stderr);
	for (i = 0; i < 5; i++)
		(void)sigaction(signals[i], &old[i], NULL);
	if (interrupted)
		(void)raise(interrupted == SIGTSTP ? SIGINT : interrupted);
	return ok;
}

static bool
fits(const struct password *p)
{
	struct str s = { p->bytes, p->n };

	if (p->n < PASSWORD_MIN || p->n > PASSWORD_MAX)
		(void)ctl_fail(
		    "the password must have %d to %d bytes.", PASSWORD_MIN, PASSWORD_MAX);
	else if (memchr(s.p, '\0', s.n) != NULL || !str_utf8(s))
		(void)ctl_fail("the password must be UTF-8 text: nobody could type this one in.");
	else if (memchr(s.p, '\n', s.n) != NULL)
		(void)ctl_fail("the password holds a line break; give it as one line.");
	else
		return true;
	return false;
}

bool
password_read(struct password *p)
{
	struct password again;
	bool same;

	if (!isatty(STDIN_FILENO)) {
		if (read_bytes(p, false))
			return fits(p);
		(void)ctl_fail("the password cannot be read: %s", strerror(errno));
		return false;
	}
	if (!prompt("Password: ", p)) {
		(void)ctl_fail("the password cannot be read from the terminal.");
		return false;
	}
	if (!fits(p))
		return false;
	same = prompt("The same again: ", &again) && again.n == p->n &&
	       memcmp(again.bytes, p->bytes, p->n) == 0;
	explicit_bzero(&again, sizeof(again));
	if (!same)
		(void)ctl_fail("the two passwords differ.");
	return same;
}
