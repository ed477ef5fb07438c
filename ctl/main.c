/* The command line: finds the command, checks its options and the database, runs it. */
#include "ctl.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "server.h"
#include "settings.h"

int
ctl_fail(const char *format, ...)
{
	va_list ap;

	(void)fflush(stdout);
	(void)fputs("millracectl: ", stderr);
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return CTL_FAILED;
}

int
ctl_usage(const struct command *c, const char *format, ...)
{
	va_list ap;

	(void)fputs("millracectl: ", stderr);
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	if (c == NULL)
		(void)fputs("\nTry: millracectl help\n", stderr);
	else
		(void)fprintf(stderr, "\nTry: millracectl help %s%s%s\n", c->noun,
		    c->verb != NULL ? " " : "", c->verb != NULL ? c->verb : "");
	return CTL_USAGE;
}

int
ctl_fail_db(enum err e, const char *what)
{
	if (e == ERR_OVERLOADED)
		return ctl_fail("%s: the database went away meanwhile. Try again.", what);
	return ctl_fail("%s: the database refused it; the line above says why.", what);
}

int64_t
ctl_number(const struct ctl *c, enum ctl_option o, int64_t fallback)
{
	int64_t n;

	if (c->options[o] == NULL || !str_int(str_from(c->options[o]), &n))
		return fallback;
	return n;
}

/* Checks the value of an option. CTL_USAGE: it has printed what the option takes. */
static int
option_check(
    struct arena *a, const struct command *c, const struct option_info *o, const char *value)
{
	int64_t n;
	size_t i;

	if (o->names != NULL) {
		struct buf b = { .a = a };

		for (i = 0; o->names[i] != NULL; i++) {
			if (strcmp(o->names[i], value) == 0)
				return CTL_OK;
			buf_printf(&b, "%s%s", i > 0 ? ", " : "", o->names[i]);
		}
		return ctl_usage(
		    c, "--%s cannot be `%s`; it takes one of: %s.", o->name, value, b.p);
	}
	if (o->max > 0 && (!str_int(str_from(value), &n) || n < o->min || n > o->max))
		return ctl_usage(c, "--%s is a whole number from %lld to %lld, not `%s`.", o->name,
		    (long long)o->min, (long long)o->max, value);
	return CTL_OK;
}

/* What getopt does not take: no option of ours, or one that was given a value and has none. */
static int
option_unknown(const struct command *c, const struct option *longs, const char *word)
{
	size_t n = strcspn(word, "=");

	for (; longs->name != NULL; longs++)
		if (word[n] == '=' && n == strlen(longs->name) + 2 &&
		    strncmp(word + 2, longs->name, n - 2) == 0)
			return ctl_usage(c, "--%s takes no value.", longs->name);
	return ctl_usage(c, "there is no option %s.", word);
}

/* Parses options and operands; argv[0] is the command's last word. -1: run it; else the status. */
static int
parse(struct ctl *c, int argc, char **argv)
{
	struct option longs[OPT_COUNT + 2] = { 0 };
	int i, status;

	for (i = 0; i < OPT_COUNT; i++)
		longs[i] = (struct option){ option_infos[i].name,
			option_infos[i].value != NULL ? required_argument : no_argument, NULL, i };
	longs[OPT_COUNT] = (struct option){ "help", no_argument, NULL, 'h' };
	opterr = 0;
	while ((i = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (i == 'h') {
			help_command(stdout, c->command);
			return CTL_OK;
		}
		if (i == ':')
			return ctl_usage(c->command, "%s lacks its value.", argv[optind - 1]);
		if (i == '?')
			return option_unknown(c->command, longs, argv[optind - 1]);
		if ((c->command->options & (1u << i)) == 0)
			return ctl_usage(c->command, "this command takes no --%s.", longs[i].name);
		c->options[i] = longs[i].has_arg == no_argument ? "" : optarg;
		if ((status = option_check(c->a, c->command, &option_infos[i], c->options[i])) !=
		    CTL_OK)
			return status;
		if (i == OPT_SCOPE && c->n_scopes == CTL_SCOPES_MAX)
			return ctl_usage(
			    c->command, "--scope comes %d times at most.", CTL_SCOPES_MAX);
		if (i == OPT_SCOPE)
			c->scopes[c->n_scopes++] = str_from(optarg);
	}
	c->operands = (const char *const *)(argv + optind);
	c->n_operands = argc - optind;
	if (c->n_operands < c->command->least) {
		const char *missing = c->command->operands;

		for (i = 0; i < c->n_operands; i++)
			missing += strcspn(missing, " ") + 1;
		return ctl_usage(c->command, "%s is missing.", missing);
	}
	if (c->n_operands > c->command->most)
		return ctl_usage(
		    c->command, "`%s` is one word too many.", c->operands[c->command->most]);
	return -1;
}

static int
help(int n, char **words)
{
	const struct command *c;
	int used;

	if (n == 0) {
		help_all(stdout);
		return CTL_OK;
	}
	if ((c = command_find(n, words, &used)) != NULL) {
		help_command(stdout, c);
		return CTL_OK;
	}
	if (help_noun(stdout, words[0]))
		return CTL_OK;
	return ctl_usage(NULL, "there is no command `%s`.", words[0]);
}

/* Reports a noun alone, or one with a word that is not one of its verbs. */
static int
not_found(int n, char **words)
{
	if (n > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0))
		return help(1, words);
	if (n > 1 && *words[1] != '-')
		return ctl_usage(NULL, "there is no command `%s %s`.", words[0], words[1]);
	if (help_noun(stderr, words[0]))
		return CTL_USAGE;
	return ctl_usage(NULL, "there is no command `%s`.", words[0]);
}

static int
run(struct ctl *c)
{
	int status;

	log_open("millracectl", LOG_WARN);
	log_set_plain();
	if (c->command->needs != NEEDS_NOTHING) {
		const char *settings = c->command->settings;
		enum config_role role =
		    strstr(settings, JWT_SECRET) != NULL ? CONFIG_CTL : CONFIG_NO_SECRETS;

		if (!settings_read())
			return CTL_FAILED;
		(void)settings_find_secrets(c->a, role);
		config_load_only(role, settings);
	}
	if (c->command->needs == NEEDS_SCHEMA || c->command->needs == NEEDS_CURRENT) {
		if (!server_check(c->a, c->command->needs == NEEDS_CURRENT))
			return CTL_FAILED;
		c->db = db_open(ROLE, "millracectl");
	}
	status = c->command->run(c);
	if (c->db != NULL)
		db_close(c->db);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == CTL_OK)
		status = ctl_fail("could not write everything to standard output.");
	return status;
}

int
main(int argc, char **argv)
{
	struct ctl c = { 0 };
	int words, status;

	if (argc < 2) {
		help_all(stderr);
		return CTL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0)
		return help(argc - 2, argv + 2);
	if (strcmp(argv[1], "--version") == 0) {
		(void)puts("millracectl " MILLRACE_VERSION);
		return CTL_OK;
	}
	if ((c.command = command_find(argc - 1, argv + 1, &words)) == NULL)
		return not_found(argc - 1, argv + 1);
	c.a = arena_new();
	if ((status = parse(&c, argc - words, argv + words)) == -1)
		status = run(&c);
	arena_free(c.a);
	return status;
}
