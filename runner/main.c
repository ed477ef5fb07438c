/*
 * millrace-runner: does the work that takes long, a thread a running job. The only role that
 * reaches other hosts.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "runner/audit/sign.h"
#include "runner/container/container.h"
#include "runner/identity/jwks.h"
#include "runner/jobs/kinds.h"
#include "runner/jobs/payment_watch.h"
#include "runner/jobs/meaning.h"
#include "runner/jobs/rerank.h"
#include "runner/jobs/telegram_updates.h"
#include "runner/knowledge/language.h"
#include "runner/knowledge/passage_index.h"
#include "runner/knowledge/thesaurus.h"
#include "runner/metrics.h"
#include "runner/models/provider.h"
#include "runner/outside/certificate.h"
#include "runner/outside/transfer.h"
#include "runner/queue/claim.h"
#include "runner/queue/commit.h"
#include "runner/queue/lease.h"
#include "runner/queue/sweep.h"
#include "runner/runner.h"
#include "runner/secrets/vault.h"
#include "runner/thread.h"
#include "sql_runner.h"

/* Connections that all jobs share; searches take four at most, files being stored as many */
#define POOL 12
#define GIVE_BACK_MS 8000 /* at SIGTERM: how long jobs may take to be given back */

/* What many jobs at once took is the system's again, though some of each arena is still in use. */
static int64_t
memory_trim(struct db *db, struct arena *a, struct stop *stop)
{
	(void)db;
	(void)a;
	(void)stop;
	(void)malloc_trim(0);
	return PERIODIC_AS_TABLED;
}

/*
 * Periodic work; queue/periodic.h explains the columns (times are in milliseconds). The names are
 * what pg_notify('millrace_periodic', …) wakes. What is woken is looked at twice a minute all the
 * same; once where the function says itself when something is due.
 */
static const struct periodic periodic_table[] = {
	/* Name, every, gap, lag, kind, function */
	{ "lease", 5000, 0, 0, PERIODIC_APART, lease_run },
	{ "process", 5000, 0, 0, PERIODIC_SHORT, metrics_store },
	{ "jobs", 15000, 0, 0, PERIODIC_SHORT, sweep_jobs },
	{ "analytics", 30000, 100, 50, PERIODIC_SHORT, sweep_analytics },
	{ "resets", 30000, 250, 0, PERIODIC_SHORT, sweep_resets },
	{ "oauth", 30000, 250, 0, PERIODIC_SHORT, sweep_oauth },
	{ "money", 30000, 250, 0, PERIODIC_SHORT, sweep_money },
	{ "payments", 30000, 250, 0, PERIODIC_APART, payment_watch_run },
	{ "providers", 60000, 0, 0, PERIODIC_SHORT, providers_note },
	{ "workflows", 60000, 20, 0, PERIODIC_SHORT, sweep_workflows },
	{ "old", 60000, 0, 0, PERIODIC_LONG, sweep_old },
	{ "schedules", 60000, 50, 0, PERIODIC_SHORT, sweep_schedules },
	{ "tasks", 60000, 1000, 0, PERIODIC_LONG, sweep_tasks },
	{ "deletions", 30000, 100, 0, PERIODIC_LONG, sweep_deletions },
	{ "jwks", 30000, 100, 0, PERIODIC_LONG, jwks_run },
	{ "vault", 30000, 500, 0, PERIODIC_LONG, vault_run },
	{ "audit", 15000, 500, 0, PERIODIC_LONG, audit_run },
	{ "index", 60000, 0, 0, PERIODIC_LONG, passage_index_run },
	{ "passages", 600000, 1000, 1000, PERIODIC_LONG, passages_sort_run },
	{ "stripe", 600000, 0, 0, PERIODIC_SHORT, sweep_stripe },
	{ "embeddings", 60000, 250, 0, PERIODIC_SHORT, embeddings_run },
	{ "telegram", 60000, 0, 0, PERIODIC_APART, telegram_updates_run },
	{ "containers", 30000, 250, 0, PERIODIC_LONG, containers_run },
	{ "certificate", 3600000, 0, 0, PERIODIC_LONG, certificate_run },
	{ "memory", 60000, 0, 0, PERIODIC_LONG, memory_trim },
	{ NULL, 0, 0, 0, 0, NULL },
};

static void
help(void)
{
	fputs("usage: millrace-runner [--help | --version]\n\n"
	      "Takes jobs from the queue in PostgreSQL and does them: chats, the ingestion of "
	      "documents, searches, mails.\n"
	      "SIGTERM gives the running ones back and ends it. Several may run, on any number of "
	      "hosts.\n\n",
	    stdout);
	config_help(stdout, CONFIG_RUNNER);
}

/* Signals belong to the main thread's signalfd, and every thread inherits the mask. */
static void
block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Was the end asked for while nobody reads the signalfd yet? */
static bool
stop_requested(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && (sigismember(&set, SIGTERM) || sigismember(&set, SIGINT));
}

/* Each provider call holds three descriptors. */
static void
raise_limits(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < (rlim_t)runner.slots * 3 + 64)
		log_warn(
		    "runner: the limit of open files is lower than MILLRACE_RUNNER_JOBS may need");
	/*
	 * A thousand threads with an arena of malloc's own each would hold memory that nobody uses.
	 */
	(void)mallopt(M_ARENA_MAX, 4);
	(void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

static void
open_thesaurus(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/thesaurus", config()->libexec_dir);
	if (!thesaurus_open(path))
		log_warn(
		    "thesaurus: none; search finds no words but those asked for", "path", path);
}

/* What models add to searches. */
static void
init_retrieval(void)
{
	static struct retrieve_models models = { .meaning = question_meaning };

	if (*config()->rerank) {
		models.choose = rerank_choose;
		models.choose_from = (size_t)config()->rerank_passages;
	}
	retrieve_init(&models);
}

/* What was handed over as this runner ended is nobody's here. */
static void
return_handed(void)
{
	struct arena *a = arena_new();
	struct db *db = db_pool_acquire(runner.pool);

	if (db_runner_jobs_return(db, a, NULL, str_from(runner.name), jobs_list(a, true)) != ERR_OK)
		log_warn("runner: what was handed over as it ended is left to its lease");
	db_pool_release(runner.pool, db);
	arena_free(a);
}

/* Gives back what runs. Those that do not answer in time are left to their leases. */
static void
give_all_back(void)
{
	int64_t until = clock_ms() + GIVE_BACK_MS;

	jobs_stop_all(STOP_SHUTDOWN);
	while (jobs_running() > 0 && clock_ms() < until)
		sleep_ms(10);
	return_handed();
	if (jobs_running() > 0) {
		log_warn("runner: some jobs could not be given back; their leases will run out");
		_exit(1);
	}
}

static void
run(void)
{
	struct db *db = db_open("millrace_runner", "runner start");

	snprintf(runner.name, sizeof(runner.name), "%s/%s", process_host(), config()->instance);
	runner.slots = (int)config()->runner_jobs;
	raise_limits();
	(void)process_started();
	open_thesaurus();
	stemmer_check();
	transfer_init();
	vault_init();
	audit_init();
	provider_init();
	init_retrieval();
	if (provider_is_unset())
		log_warn("provider: no API key is set, so no model answers", "provider",
		    runner.provider);
	if (!db_wait_current(db, stop_requested))
		exit(0);
	db_close(db);
	runner.pool = db_pool_new("millrace_runner", "runner job", POOL);
	commit_start(outbox_turn);
	periodic_start(periodic_table);
	claim_run(job_kinds);
	log_info("runner: giving back what runs");
	give_all_back();
	periodic_stop();
	metrics_withdraw();
	commit_stop();
	audit_end();
	vault_end();
	log_info("ended");
	/*
	 * Detached threads may still be on their last instructions: libraries are not torn down
	 * under them.
	 */
	_exit(0);
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("millrace-runner " MILLRACE_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		help();
		return 0;
	}
	if (argc != 1)
		process_misused("millrace-runner");
	log_open("runner", LOG_INFO);
	config_load(CONFIG_RUNNER);
	log_open("runner", log_level_named(config()->log_level));
	block_signals();
	run();
}
