/* run_command: a command of a shell, in the user's container. */
#include <millrace/config.h>

#include "runner/container/container.h"
#include "runner/models/tools.h"

#define COMMAND_MAX ((size_t)64 * 1024)
#define KILLED 137 /* 128 and SIGKILL */

struct command_in {
	struct str command;
	int64_t seconds;
};

static const struct field command_fields[] = {
	F_STR(struct command_in, command, 1, COMMAND_MAX, REQUIRED),
	F_INT(struct command_in, seconds, 1, 3600, OPTIONAL),
};

static struct str
how_it_ended(struct arena *a, const struct command *c)
{
	switch (c->end) {
	case COMMAND_DONE:
		return arena_printf(a, "Exit status %lld, after %.1f s.%s", (long long)c->status,
		    (double)c->took_ms / 1000,
		    c->status == KILLED ? " It was killed, probably for the memory it took." : "");
	case COMMAND_TIME:
		return arena_printf(a, "It was ended after %lld s, which is all it may take.",
		    (long long)c->seconds);
	case COMMAND_OUTPUT:
		return S("It was ended, since it wrote too much. Write to a file, and read parts.");
	case COMMAND_DISK:
		return arena_printf(a,
		    "It was ended, since the workspace has more than %lld MiB. Delete files.",
		    (long long)config()->container_disk_mib);
	case COMMAND_LOST:
		return S("The container was lost sight of. The command was ended; how far it got "
			 "is not known.");
	case COMMAND_AGAIN:
		return S("The command was interrupted and ended. How far it got is not known.");
	case COMMAND_BUSY:
		return S("It was not begun: another command of the user's has not ended.");
	case COMMAND_FULL:
		return S("It was not begun: as many users' containers run as may at once. Try it "
			 "again later.");
	case COMMAND_NOT_RUN:
	default:
		return S("It was not begun: the container cannot be started now.");
	}
}

enum err
tool_run_command(struct job *j, struct tool_call *call, struct passages *found, bool *failed)
{
	struct command_in in = { .seconds = config()->container_seconds };
	struct command c = { .call = call->id };
	enum err e;

	(void)found;
	if ((*failed = !tool_bind(j, call, command_fields, 2, &in)))
		return ERR_OK;
	c.text = in.command;
	c.seconds =
	    in.seconds < config()->container_seconds ? in.seconds : config()->container_seconds;
	if ((e = command_run(j, &c)) != ERR_OK)
		return e;
	*failed = c.end != COMMAND_DONE;
	call->output = arena_printf(j->a, "%.*s%s%s\n\n%.*s", S_ARG(how_it_ended(j->a, &c)),
	    c.is_partial ? " What it wrote last is not known." : "",
	    c.is_full ? " The workspace was full: files could be deleted, and none written." : "",
	    S_ARG(c.output));
	return ERR_OK;
}
