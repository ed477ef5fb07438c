/* The whole surface of millracectl in one table, and the help that is made of it. */
#include "ctl.h"

#include <ctype.h>
#include <string.h>

#include <millrace/scope.h>

static const char *const program_names[] = { "worker", "streamd", "runner", "ctl", NULL };
static const char *const role_names[] = { "user", "admin", "service", NULL };
static const char *const state_names[] = { "dead", "queued", "running", "waiting", NULL };

const struct option_info option_infos[OPT_COUNT] = {
	[OPT_ALL_DEAD] = { .name = "all-dead", .help = "every dead job" },
	[OPT_CHECKPOINT] = { .name = "checkpoint",
	    .value = "TEXT",
	    .help = "a checkpoint that you kept elsewhere (N:ROW:HASH), to look for" },
	[OPT_DAYS] = { .name = "days",
	    .value = "N",
	    .min = 1,
	    .max = 3650,
	    .help = "days until it expires, 1 to 3650" },
	[OPT_END] = { .name = "end", .help = "end them all, at once" },
	[OPT_FORCE] = { .name = "force",
	    .help = "even if secrets are lost whose key no runner will hold any more" },
	[OPT_JSON] = { .name = "json", .help = "JSON instead of a table" },
	[OPT_KEY_FILE] = { .name = "key-file",
	    .value = "FILE",
	    .help = "a new file for the private key (default: standard output)" },
	[OPT_LIMIT] = { .name = "limit",
	    .value = "N",
	    .min = 1,
	    .max = 1000000,
	    .help = "list at most N jobs (default 100)" },
	[OPT_NAME] = { .name = "name", .value = "NAME", .help = "the name to show" },
	[OPT_NAMES] = { .name = "names", .help = "only the names, one a line" },
	[OPT_PROGRAM] = { .name = "program",
	    .value = "NAME",
	    .names = program_names,
	    .help = "only what this program reads: worker, streamd, runner or ctl" },
	[OPT_PUBLIC_KEY] = { .name = "public-key",
	    .value = "KEY",
	    .help = "accept only signatures of this key (or of several, with commas)" },
	[OPT_ROLE] = { .name = "role",
	    .value = "ROLE",
	    .names = role_names,
	    .help = "user (the default), admin or service" },
	[OPT_SCOPE] = { .name = "scope",
	    .value = "SCOPE",
	    .names = scope_names,
	    .help = "what it may do; may be repeated (default: read and write)" },
	[OPT_SECRETS] = { .name = "secrets", .help = "only the secrets" },
	[OPT_SERVICE] = { .name = "service", .help = "for a program, in an account of its own" },
	[OPT_STATE] = { .name = "state",
	    .value = "STATE",
	    .names = state_names,
	    .help = "only dead, queued, running or waiting jobs (default: all)" },
	[OPT_STATUS] = { .name = "status", .help = "change nothing, show what has been applied" },
	[OPT_YES] = { .name = "yes", .help = "do not ask" },
};

#define OPT(o) (1u << (o))

/* What commands read: with a space before each but the database. */
#define DB "MILLRACE_DB"
#define PASSWORDS " MILLRACE_ARGON2_OPS MILLRACE_ARGON2_KIB"
#define INVITATIONS " MILLRACE_INVITE_URL MILLRACE_REGISTRATION SMTP_URL SMTP_FROM"
#define CONTAINERS "MILLRACE_CONTAINER_SOCKET MILLRACE_CONTAINER_IMAGE MILLRACE_LIBEXEC_DIR"
#define PAYMENTS " MILLRACE_PAYMENT_NETWORKS"
#define TOKENS " " JWT_SECRET " MILLRACE_SESSION_SECONDS"

/* clang-format off */
const struct command commands[] = {
	{ "migrate", NULL, "", 0, 0, OPT(OPT_STATUS) | OPT(OPT_JSON), NEEDS_SERVER, DB,
	    migrate_run,
	    "bring the database to this program's version",
	    "Migrations, functions and grants go in as one transaction, or nothing is changed,\n"
	    "and one millracectl migrates at a time. Functions and grants are applied anew\n"
	    "where this program's are not those that were applied last. A migration that was\n"
	    "edited after it was applied, or a database that is newer than this program, is an\n"
	    "error, and nothing is changed. The database must be there, and belong to the role\n"
	    "millrace_owner. It waits 2 seconds at most for a table that is in use, so that\n"
	    "requests do not queue up behind it, and tries again for 5 minutes.\n\n"
	    "With --status it exits with 1 where the database is not at that version.\n" },
	{ "user", "create", "EMAIL", 1, 1, OPT(OPT_NAME) | OPT(OPT_ROLE), NEEDS_CURRENT,
	    DB PASSWORDS,
	    user_create_run,
	    "create a user who can log in",
	    "--name is the name to show (default: the address). The password, 8 to 1024 bytes,\n"
	    "is asked for twice, or read from standard input where that is not a terminal:\n\n"
	    "    millracectl user create ada@example.org --role admin <password-file\n" },
	{ "user", "list", "", 0, 0, OPT(OPT_JSON), NEEDS_CURRENT, DB, user_list_run,
	    "list the users, the oldest first", NULL },
	{ "user", "role", "USER user|admin|service", 2, 2, 0, NEEDS_CURRENT, DB, user_role_run,
	    "change a user's role",
	    "USER is the login, an address or a name, or the id. It takes effect with the\n"
	    "user's next request:\n\n"
	    "    millracectl user role ada@example.org admin\n" },
	{ "user", "password", "USER", 1, 1, 0, NEEDS_CURRENT, DB PASSWORDS, user_password_run,
	    "set a user's password",
	    "USER is the login, an address or a name, or the id. The password is asked for\n"
	    "twice, or read from standard input where that is not a terminal. It ends the\n"
	    "user's sessions, and lets those in again whom wrong passwords have locked out.\n" },
	{ "user", "disable", "USER", 1, 1, 0, NEEDS_CURRENT, DB, user_disable_run,
	    "shut a user out: sessions, API keys and sign-ins",
	    "At once, open streams included. Nothing is deleted; `user enable` undoes it, but\n"
	    "for the sessions.\n" },
	{ "user", "enable", "USER", 1, 1, 0, NEEDS_CURRENT, DB, user_enable_run,
	    "let a user in again who was disabled", NULL },
	{ "user", "delete", "USER", 1, 1, OPT(OPT_YES), NEEDS_CURRENT, DB, user_delete_run,
	    "erase a user with everything that is known about them",
	    "For good: conversations, documents, keys and the rest. Usage and the audit log stay,\n"
	    "under an id that names nobody. It asks on a terminal, and needs --yes elsewhere.\n"
	    "`user disable` shuts a user out and keeps everything.\n" },
	{ "user", "sessions", "USER", 1, 1, OPT(OPT_END) | OPT(OPT_JSON), NEEDS_CURRENT, DB,
	    user_sessions_run,
	    "list a user's open sessions, or end them",
	    "API keys are not sessions: `millracectl key list` shows those.\n" },
	{ "user", "invite", "[EMAIL]", 0, 1, OPT(OPT_DAYS), NEEDS_CURRENT,
	    DB INVITATIONS, user_invite_run,
	    "invite somebody: print a link that makes one account",
	    "For MILLRACE_REGISTRATION=invited. The link, the page of MILLRACE_INVITE_URL with\n"
	    "a token in it, goes to standard output, alone, this once: only the token's hash is\n"
	    "stored. It lasts for --days, otherwise for 7. With EMAIL, and where mail is set up,\n"
	    "the runner mails a link there, too. Whoever has a link may use it, with any\n"
	    "address, by a password or by GitHub, Google or Microsoft; the first who does uses\n"
	    "up all links of the invitation.\n" },
	{ "user", "invitations", "", 0, 0, OPT(OPT_JSON), NEEDS_CURRENT, DB,
	    user_invitations_run, "list the invitations, the oldest first",
	    "One that nobody used is forgotten 30 days after its end.\n" },
	{ "user", "uninvite", "ID", 1, 1, 0, NEEDS_CURRENT, DB, user_uninvite_run,
	    "withdraw an invitation: its links make no account any more",
	    "`millracectl user invitations` shows the ids.\n" },
	{ "token", "mint", "USER", 1, 1, OPT(OPT_DAYS), NEEDS_CURRENT, DB TOKENS, token_mint_run,
	    "open a session for a user and print its token",
	    "USER is the login, an address or a name. Without --days the session lasts\n"
	    "MILLRACE_SESSION_SECONDS, as after a login. The token goes to standard output,\n"
	    "alone:\n\n"
	    "    curl -H \"Authorization: Bearer $(millracectl token mint ada)\" ...\n\n"
	    "It needs API_JWT_SECRET, or the file that API_JWT_SECRET_FILE names, as workers\n"
	    "do.\n" },
	{ "key", "create", "USER", 1, 1,
	    OPT(OPT_SERVICE) | OPT(OPT_NAME) | OPT(OPT_SCOPE) | OPT(OPT_DAYS), NEEDS_CURRENT, DB,
	    key_create_run,
	    "make an API key for a user and print it",
	    "USER is the login, an address or a name. The key goes to standard output, alone,\n"
	    "this once: only its hash is stored. Without --days it does not expire. With\n"
	    "--service, USER is the address of an account with the role service, to which\n"
	    "nobody can log in; it is created where it does not exist:\n\n"
	    "    millracectl key create backup@example.org --service --scope read --days 90\n\n"
	    "Scopes: read (GET), write (whatever changes something), account (the account\n"
	    "itself: its address, its keys, its end; an administrator's key also makes, changes\n"
	    "and erases others' accounts by it), notifications:read (the user's notifications, listed\n"
	    "and by WebSocket), and analytics:read (figures of all users; only while the user is an\n"
	    "administrator or has the role service).\n" },
	{ "key", "list", "", 0, 0, OPT(OPT_JSON), NEEDS_CURRENT, DB, key_list_run,
	    "list the API keys, the oldest first", NULL },
	{ "key", "revoke", "ID", 1, 1, 0, NEEDS_CURRENT, DB, key_revoke_run,
	    "end an API key at once",
	    "`millracectl key list` shows the ids. It cannot be undone.\n" },
	{ "vault", "init", "", 0, 0, OPT(OPT_KEY_FILE), NEEDS_CURRENT, DB, vault_init_run,
	    "make the vault's first key pair",
	    "The public half goes into the database. The private half goes into a new file that\n"
	    "only its owner may read, or to standard output where that is not a terminal; it is\n"
	    "the setting MILLRACE_VAULT_KEY of every runner, and of no other program. Keep a\n"
	    "copy apart from the database's backups: without it the secrets are lost.\n" },
	{ "vault", "status", "", 0, 0, OPT(OPT_JSON), NEEDS_CURRENT, DB, vault_status_run,
	    "list the vault's keys, their secrets, and whether each runner's key fits", NULL },
	{ "vault", "rotate", "", 0, 0, OPT(OPT_KEY_FILE) | OPT(OPT_FORCE), NEEDS_CURRENT, DB,
	    vault_rotate_run,
	    "bring a new key pair into force",
	    "From then on secrets are sealed to the new key. Give it to the runners as\n"
	    "MILLRACE_VAULT_KEY, the previous one as MILLRACE_VAULT_KEY_OLD, and restart them:\n"
	    "they seal all secrets anew. When `millracectl vault status` shows none under the\n"
	    "previous key, remove that. Until then another rotation is refused: the runners\n"
	    "hold two keys, and secrets under a third would be lost.\n" },
	{ "jobs", "list", "", 0, 0, OPT(OPT_STATE) | OPT(OPT_LIMIT) | OPT(OPT_JSON), NEEDS_CURRENT,
	    DB, jobs_list_run,
	    "list the jobs that are dead, queued, running or waiting",
	    "A dead job has used up its attempts, or failed with a permanent error.\n" },
	{ "jobs", "retry", "ID | --all-dead", 0, 1, OPT(OPT_ALL_DEAD), NEEDS_CURRENT, DB,
	    jobs_retry_run,
	    "queue dead jobs again, each as a new run",
	    "The old run has reported its failure, so the work is done under a new run, whose\n"
	    "id is printed.\n" },
	{ "container", "image", "[PACKAGE]...", 0, 200, 0, NEEDS_SERVER, CONTAINERS,
	    container_image_run,
	    "build the image of users' containers, from Debian packages",
	    "For the engine of MILLRACE_CONTAINER_SOCKET, under the name MILLRACE_CONTAINER_IMAGE. It\n"
	    "is made of the packages named and what they depend on (default: a shell, the usual\n"
	    "tools for text and files, python3, sqlite3), which apt-get fetches from this host's\n"
	    "mirrors; nothing is installed here. One of them has to have /bin/sh. Containers that run\n"
	    "have the new image when they are next started. Run it again for updates.\n" },
	{ "status", NULL, "", 0, 0, OPT(OPT_JSON), NEEDS_SCHEMA, DB, status_run,
	    "one screen: database, processes, queue, streams",
	    "A process without a heartbeat for 15 seconds is stale: it hangs, or was killed.\n" },
	{ "streamd", "handover", "", 0, 0, 0, NEEDS_SERVER,
	    "MILLRACE_RUNTIME_DIR", streamd_handover_run,
	    "replace streamd by the program that is installed now",
	    "The running streamd starts its successor and hands it the listening socket and\n"
	    "every connection: no stream and no WebSocket ends. Where the successor fails, the\n"
	    "running one continues. Run it as root, or as the user that streamd runs as.\n" },
	{ "queries", NULL, "", 0, 0, 0, NEEDS_CURRENT, DB, queries_run,
	    "check every statement of Millrace against the database",
	    "Prepares them all and compares types; exits with 1 where one differs.\n" },
	{ "ledger", "verify", "", 0, 0, 0, NEEDS_CURRENT, DB, ledger_verify_run,
	    "verify that every balance is the sum of its entries",
	    "Names each transfer, balance, reservation, charge and budget that does not add up\n"
	    "(100 at most), and exits with 1 then. It may run at any time.\n" },
	{ "stripe", "reconcile", "", 0, 0, 0, NEEDS_CURRENT, DB, stripe_reconcile_run,
	    "compare subscriptions and payments with Stripe",
	    "A runner reads all of Stripe's subscriptions, and the payments of the last 35\n"
	    "days. What differs is named, and then stored as Stripe has it. The runners do it\n"
	    "once a day. It exits with 1 where something differed.\n" },
	{ "payments", "key", "NETWORK", 1, 1, 0, NEEDS_CURRENT, DB PAYMENTS,
	    payments_key_run,
	    "put the key of the account that pays on a network",
	    "Reads the private key, 64 hexadecimal digits, from standard input, seals it into the\n"
	    "vault, where the runner alone opens it, and prints its address:\n\n"
	    "    openssl rand -hex 32 >arc.key && millracectl payments key arc <arc.key\n\n"
	    "Keep the key elsewhere as well, away from backups of the database. A key that is\n"
	    "put later takes the place of the one before, which signs nothing new from then on.\n" },
	{ "payments", "accounts", "", 0, 0, OPT(OPT_JSON), NEEDS_CURRENT, DB,
	    payments_accounts_run,
	    "list the accounts that pay, their balances, and what is under way", NULL },
	{ "audit", "verify", "", 0, 0, OPT(OPT_PUBLIC_KEY) | OPT(OPT_CHECKPOINT), NEEDS_CURRENT,
	    DB, audit_verify_run,
	    "verify the audit log's hash chain and its signed checkpoints",
	    "Names the first row that was changed, removed, moved or cut off, or the first\n"
	    "checkpoint that does not fit the chain, and exits with 1 then. Checkpoints are\n"
	    "signed by the runners, so they do not fit a chain that was rewritten as a whole.\n\n"
	    "Whoever may write to the whole database could replace the key as well, or remove\n"
	    "the last checkpoints with their rows. Against that, keep elsewhere what\n"
	    "`millracectl audit key` prints, and from time to time a checkpoint (this command\n"
	    "and the runners' log show them), and pass them as --public-key and --checkpoint.\n" },
	{ "audit", "init", "", 0, 0, OPT(OPT_KEY_FILE), NEEDS_CURRENT, DB, audit_init_run,
	    "make the first key pair that signs the audit log",
	    "The public half goes into the database. The private half goes into a new file that\n"
	    "only its owner may read, or to standard output where that is not a terminal; it is\n"
	    "the setting MILLRACE_AUDIT_KEY of every runner, and of no other program.\n" },
	{ "audit", "rotate", "", 0, 0, OPT(OPT_KEY_FILE), NEEDS_CURRENT, DB, audit_rotate_run,
	    "bring a new key pair for the audit log into force",
	    "Earlier signatures stay valid. Give the new key to the runners as\n"
	    "MILLRACE_AUDIT_KEY and restart them; nothing is signed until then.\n" },
	{ "audit", "key", "", 0, 0, 0, NEEDS_CURRENT, DB, audit_key_run,
	    "print the public keys that the audit log is signed with",
	    "In base64, a line each, the one in force first.\n" },
	{ "config", "check", "", 0, 0, OPT(OPT_PROGRAM), NEEDS_NOTHING, "", config_check_run,
	    "check every setting before anything starts",
	    "Says each thing that is wrong in one sentence on standard error and exits with 1: a\n"
	    "program would not start with it. What is not wrong but keeps something from working\n"
	    "is a note. With --program, only that program's secrets are looked at. Run it as\n"
	    "root, since the secrets in /etc/credstore are for root alone.\n" },
	{ "config", NULL, "", 0, 0,
	    OPT(OPT_SECRETS) | OPT(OPT_PROGRAM) | OPT(OPT_NAMES) | OPT(OPT_JSON), NEEDS_NOTHING,
	    "", config_run,
	    "show every setting: what is in force, and from where",
	    "The settings are environment variables; under systemd they stand in\n"
	    "/etc/millrace/millrace.env, which this program reads by itself (MILLRACE_ENV_FILE);\n"
	    "what its environment has counts first. A secret NAME may also be a file that\n"
	    "NAME_FILE names, or a systemd credential; a program drops the secrets that it does\n"
	    "not read. See also `millracectl config check`.\n\n"
	    "Scripts take --names or --json:\n\n"
	    "    millracectl config --secrets --program runner --names\n" },
};
/* clang-format on */
const size_t n_commands = sizeof(commands) / sizeof(*commands);

const struct command *
command_find(int n, char *const *words_given, int *words)
{
	size_t i;

	for (i = 0; i < n_commands; i++) {
		if (n < 1 || strcmp(words_given[0], commands[i].noun) != 0)
			continue;
		*words = commands[i].verb != NULL ? 2 : 1;
		if (commands[i].verb == NULL ||
		    (n >= 2 && strcmp(words_given[1], commands[i].verb) == 0))
			return &commands[i];
	}
	return NULL;
}

static void
summary_line(FILE *out, const struct command *c)
{
	char name[80];

	(void)snprintf(name, sizeof(name), "%s%s%s %s", c->noun, c->verb != NULL ? " " : "",
	    c->verb != NULL ? c->verb : "", c->operands);
	(void)fprintf(out, "  %-34s %s\n", name, c->summary);
}

void
help_all(FILE *out)
{
	size_t i;

	(void)fputs("usage: millracectl COMMAND [OPTIONS]\n\n", out);
	for (i = 0; i < n_commands; i++)
		summary_line(out, &commands[i]);
	(void)fputs("  help [COMMAND]                     explain a command\n"
		    "  --version                          print the version\n\n"
		    "It works as the database role " ROLE
		    ": run it as the system user of that name, or as\n"
		    "anyone whom the database lets in as that role. The database is the one that "
		    "MILLRACE_DB\n"
		    "names. Exit status: 0 done, 1 failed, 2 wrong usage.\n",
	    out);
}

bool
help_noun(FILE *out, const char *noun)
{
	bool found = false;
	size_t i;

	for (i = 0; i < n_commands; i++) {
		if (strcmp(noun, commands[i].noun) != 0)
			continue;
		if (!found)
			(void)fprintf(out, "usage: millracectl %s COMMAND [OPTIONS]\n\n", noun);
		found = true;
		summary_line(out, &commands[i]);
	}
	return found;
}

void
help_command(FILE *out, const struct command *c)
{
	const struct option_info *o;
	char name[40];
	int i;

	(void)fprintf(out, "usage: millracectl %s%s%s%s%s%s\n\n", c->noun,
	    c->verb != NULL ? " " : "", c->verb != NULL ? c->verb : "",
	    *c->operands != '\0' ? " " : "", c->operands, c->options != 0 ? " [OPTIONS]" : "");
	(void)fprintf(out, "%c%s.\n", toupper((unsigned char)*c->summary), c->summary + 1);
	if (c->more != NULL)
		(void)fprintf(out, "\n%s", c->more);
	if (c->options != 0)
		(void)fputs("\n", out);
	for (i = 0; i < OPT_COUNT; i++) {
		if ((c->options & (1u << i)) == 0)
			continue;
		o = &option_infos[i];
		(void)snprintf(name, sizeof(name), "--%s%s%s", o->name, o->value != NULL ? " " : "",
		    o->value != NULL ? o->value : "");
		(void)fprintf(out, "  %-18s %s\n", name, o->help);
	}
}
