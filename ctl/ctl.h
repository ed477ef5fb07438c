/*
 * millracectl, the administrator's tool: one declarative table of commands (commands.c), a parser
 * of command lines (main.c), and a file for each subject. A command's function prints to standard
 * output and returns the process's exit status; errors are plain sentences on standard error.
 *
 * One thread, blocking. Everything that is allocated is the arena's, which lives as long as the
 * command.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <millrace/arena.h>
#include <millrace/db.h>

#define ROLE "millrace_owner"

/* The process's exit status. */
enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

enum ctl_option {
	OPT_ALL_DEAD,
	OPT_CHECKPOINT,
	OPT_DAYS,
	OPT_END,
	OPT_FORCE,
	OPT_JSON,
	OPT_KEY_FILE,
	OPT_LIMIT,
	OPT_NAME,
	OPT_NAMES,
	OPT_PROGRAM,
	OPT_PUBLIC_KEY,
	OPT_ROLE,
	OPT_SCOPE,
	OPT_SECRETS,
	OPT_SERVICE,
	OPT_STATE,
	OPT_STATUS,
	OPT_YES,
	OPT_COUNT
};

/* One option, for every command that takes it. */
struct option_info {
	const char *name; /* without its dashes */
	const char *value; /* what its value is called in the help; NULL: it takes none */
	const char *const *names; /* the values it may have, NULL-terminated; NULL: any */
	int64_t min, max; /* a number's bounds, where max > 0 */
	const char *help;
};
extern const struct option_info option_infos[OPT_COUNT];

/* What a command requires; checked before it runs. */
enum needs {
	NEEDS_NOTHING = 1, /* the command reads the settings by itself */
	NEEDS_SERVER, /* settings: the command connects by itself */
	NEEDS_SCHEMA, /* a database that has been migrated once */
	NEEDS_CURRENT /* a database at this program's migration */
};

#define CTL_SCOPES_MAX 16
#define JWT_SECRET "API_JWT_SECRET"

/* A command as it was called. */
struct ctl {
	struct arena *a;
	struct db *db; /* NULL where the command connects by itself */
	const struct command *command;
	const char *const *operands;
	int n_operands;
	const char *options[OPT_COUNT]; /* its value, or "" where it takes none; NULL: not given */
	struct str scopes[CTL_SCOPES_MAX]; /* of OPT_SCOPE, which may come several times */
	size_t n_scopes;
};

struct command {
	const char *noun;
	const char *verb; /* the second word; NULL: there is none */
	const char *operands; /* as the help shows them */
	int least, most; /* number of operands */
	unsigned int options; /* 1u << OPT_X of those that it takes */
	enum needs needs;
	const char *settings; /* that it reads, separated by spaces: no others are in its way */
	int (*run)(struct ctl *c);
	const char *summary; /* one line */
	const char *more; /* lines for its own help, or NULL */
};
extern const struct command commands[];
extern const size_t n_commands;

/* The command whose name begins the `n` words, and in *words the length of that name; or NULL. */
const struct command *command_find(int n, char *const *words_given, int *words);

/* Prints the help about everything. */
void help_all(FILE *out);

/* Prints the help about a noun's commands; false, and nothing, where there is no such noun. */
bool help_noun(FILE *out, const char *noun);

/* Prints the help about one command. */
void help_command(FILE *out, const struct command *c);

/* Prints "millracectl: …" on standard error; always CTL_FAILED. */
int ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a wrong command line, with a hint at the help; always CTL_USAGE. c may be NULL. */
int ctl_usage(const struct command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* For a query that failed: prints `what` could not be done, and where the reason is. CTL_FAILED. */
int ctl_fail_db(enum err e, const char *what);
/* A number option's value, checked when it was parsed; `fallback` where it is not given. */
int64_t ctl_number(const struct ctl *c, enum ctl_option o, int64_t fallback);

/* A duration for people: "42 s", "5 min", "3 h", "12 d"; the arena's. */
struct str ctl_age(struct arena *a, int64_t seconds);

/*
 * The commands, by noun and verb, as commands.c has them with their summaries; each is called with
 * what it needs, and returns the process's exit status.
 */
int migrate_run(struct ctl *c);
int user_create_run(struct ctl *c);
int user_list_run(struct ctl *c);
int user_role_run(struct ctl *c);
int user_password_run(struct ctl *c);
int user_disable_run(struct ctl *c);
int user_enable_run(struct ctl *c);
int user_delete_run(struct ctl *c);
int user_sessions_run(struct ctl *c);
int user_invite_run(struct ctl *c);
int user_invitations_run(struct ctl *c);
int user_uninvite_run(struct ctl *c);
int token_mint_run(struct ctl *c);
int key_create_run(struct ctl *c);
int key_list_run(struct ctl *c);
int key_revoke_run(struct ctl *c);
int vault_init_run(struct ctl *c);
int vault_status_run(struct ctl *c);
int vault_rotate_run(struct ctl *c);
int jobs_list_run(struct ctl *c);
int jobs_retry_run(struct ctl *c);
int container_image_run(struct ctl *c);
int status_run(struct ctl *c);
int streamd_handover_run(struct ctl *c);
int queries_run(struct ctl *c);
int ledger_verify_run(struct ctl *c);
int stripe_reconcile_run(struct ctl *c);
int payments_key_run(struct ctl *c);
int payments_accounts_run(struct ctl *c);
int audit_verify_run(struct ctl *c);
int audit_init_run(struct ctl *c);
int audit_rotate_run(struct ctl *c);
int audit_key_run(struct ctl *c);
int config_run(struct ctl *c);
int config_check_run(struct ctl *c);

#endif
