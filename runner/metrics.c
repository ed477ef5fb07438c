#include <unistd.h>

#include <millrace/config.h>
#include <millrace/disk.h>
#include <millrace/log.h>
#include <millrace/process.h>

#include "runner/audit/sign.h"
#include "runner/jobs/payment_watch.h"
#include "runner/metrics.h"
#include "runner/models/provider.h"
#include "runner/outside/certificate.h"
#include "runner/queue/job.h"
#include "runner/runner.h"
#include "runner/secrets/vault.h"
#include "sql_runner.h"

static double
read_running(void)
{
	return jobs_running();
}

static double
read_slots(void)
{
	return runner.slots;
}

static double
read_vault_fits(void)
{
	return vault_fits();
}

static double
read_vault_resealed(void)
{
	return (double)vault_resealed();
}

static double
read_audit_signs(void)
{
	return audit_signs();
}

static double
read_audit_signed(void)
{
	return (double)audit_signed();
}

static double
read_provider_unset(void)
{
	return provider_is_unset();
}

static double
read_payment_low(void)
{
	return payment_accounts_low();
}

static const struct metric table[] = {
	{ .name = "millrace_jobs_running",
	    .kind = METRIC_GAUGE,
	    .help = "Jobs that run now.",
	    .read = read_running },
	{ .name = "millrace_jobs_slots",
	    .kind = METRIC_GAUGE,
	    .help = "Jobs that may run at once.",
	    .read = read_slots },
	{ .name = "millrace_jobs_claimed_total",
	    .kind = METRIC_COUNTER,
	    .help = "Jobs taken from the queue.",
	    .shared = &counters.claimed },
	{ .name = "millrace_jobs_done_total",
	    .kind = METRIC_COUNTER,
	    .help = "Jobs that ended well.",
	    .shared = &counters.done },
	{ .name = "millrace_jobs_failed_total",
	    .kind = METRIC_COUNTER,
	    .help = "Jobs that failed for good.",
	    .shared = &counters.failed },
	{ .name = "millrace_jobs_dead_total",
	    .kind = METRIC_COUNTER,
	    .help = "Jobs given up after their last attempt.",
	    .shared = &counters.dead },
	{ .name = "millrace_jobs_again_total",
	    .kind = METRIC_COUNTER,
	    .help = "Jobs put back for another attempt.",
	    .shared = &counters.again },
	{ .name = "millrace_jobs_given_back_total",
	    .kind = METRIC_COUNTER,
	    .help = "Jobs given back because the runner was ending.",
	    .shared = &counters.given_back },
	{ .name = "millrace_jobs_lost_total",
	    .kind = METRIC_COUNTER,
	    .help = "Jobs whose lease another runner had taken over.",
	    .shared = &counters.lost },
	{ .name = "millrace_provider_calls_total",
	    .kind = METRIC_COUNTER,
	    .help = "Calls of model providers.",
	    .shared = &counters.calls },
	{ .name = "millrace_provider_errors_total",
	    .kind = METRIC_COUNTER,
	    .help = "Calls of model providers that failed.",
	    .shared = &counters.call_errors },
	{ .name = "millrace_provider_retries_total",
	    .kind = METRIC_COUNTER,
	    .help = "Calls of model providers that were made again.",
	    .shared = &counters.call_retries },
	{ .name = "millrace_provider_continuations_total",
	    .kind = METRIC_COUNTER,
	    .help = "Answers that were cut off and asked to go on.",
	    .shared = &counters.call_continuations },
	{ .name = "millrace_provider_fallbacks_total",
	    .kind = METRIC_COUNTER,
	    .help = "Calls that went to the next provider, since one could not answer.",
	    .shared = &counters.call_fallbacks },
	{ .name = "millrace_events_flushed_total",
	    .kind = METRIC_COUNTER,
	    .help = "Events written to the event log.",
	    .shared = &counters.events },
	{ .name = "millrace_flushes_total",
	    .kind = METRIC_COUNTER,
	    .help = "Transactions that wrote events.",
	    .shared = &counters.flushes },
	{ .name = "millrace_flush_errors_total",
	    .kind = METRIC_COUNTER,
	    .help = "Transactions with events that failed.",
	    .shared = &counters.flush_errors },
	{ .name = "millrace_flush_seconds",
	    .kind = METRIC_HISTOGRAM,
	    .help = "Duration of a transaction that writes events.",
	    .histogram = &counters.flush_seconds },
	{ .name = "millrace_documents_ingested_total",
	    .kind = METRIC_COUNTER,
	    .help = "Documents whose text was stored.",
	    .shared = &counters.documents },
	{ .name = "millrace_passages_stored_total",
	    .kind = METRIC_COUNTER,
	    .help = "Passages stored of documents.",
	    .shared = &counters.passages },
	{ .name = "millrace_containers_started_total",
	    .kind = METRIC_COUNTER,
	    .help = "Users' containers that were started.",
	    .shared = &counters.containers },
	{ .name = "millrace_container_errors_total",
	    .kind = METRIC_COUNTER,
	    .help = "Users' containers that could not be started.",
	    .shared = &counters.container_errors },
	{ .name = "millrace_container_commands_total",
	    .kind = METRIC_COUNTER,
	    .help = "Commands that began in users' containers.",
	    .shared = &counters.commands },
	{ .name = "millrace_container_command_errors_total",
	    .kind = METRIC_COUNTER,
	    .help = "Commands that could not begin, or were ended: for their time, output or "
		    "disk, or with the container.",
	    .shared = &counters.command_errors },
	{ .name = "millrace_payments_mined_total",
	    .kind = METRIC_COUNTER,
	    .help = "Payments in USDC that a block has.",
	    .shared = &counters.payments },
	{ .name = "millrace_payment_transactions_total",
	    .kind = METRIC_COUNTER,
	    .help = "Transactions that were signed for payments; more than one where fees were "
		    "raised.",
	    .shared = &counters.transactions },
	{ .name = "millrace_payment_accounts_low",
	    .kind = METRIC_GAUGE,
	    .help = "Accounts for payments with less than MILLRACE_PAYMENT_BALANCE_MIN.",
	    .read = read_payment_low },
	{ .name = "millrace_vault_fits",
	    .kind = METRIC_GAUGE,
	    .help = "Whether the key fits the database: 1, or 0.",
	    .read = read_vault_fits },
	{ .name = "millrace_vault_resealed_total",
	    .kind = METRIC_COUNTER,
	    .help = "Secrets sealed anew to the key in force.",
	    .read = read_vault_resealed },
	{ .name = "millrace_audit_signs",
	    .kind = METRIC_GAUGE,
	    .help = "Whether this runner signs checkpoints of the audit log: 1, or 0.",
	    .read = read_audit_signs },
	{ .name = "millrace_audit_signed_total",
	    .kind = METRIC_COUNTER,
	    .help = "Checkpoints of the audit log that were signed.",
	    .read = read_audit_signed },
	{ .name = "millrace_provider_unset",
	    .kind = METRIC_GAUGE,
	    .help = "Whether no model provider is set up: 1 (the key is missing), or 0.",
	    .read = read_provider_unset },
	{ .name = "millrace_certificate_end_timestamp_seconds",
	    .kind = METRIC_GAUGE,
	    .help = "When the certificate at MILLRACE_PUBLIC_URL ends, in Unix seconds; 0 is not "
		    "known.",
	    .read = certificate_end },
	{ .name = "millrace_certificate_fault",
	    .kind = METRIC_GAUGE,
	    .help = "What else is wrong with it: 0 (nothing), 1 (its issuer is not trusted, or "
		    "its chain is not complete), 2 (it is for another name).",
	    .read = certificate_fault },
	DISK_FULL_METRIC,
};

int64_t
metrics_store(struct db *db, struct arena *a, struct stop *stop)
{
	struct str json = metrics_json(a, table, sizeof(table) / sizeof(*table));
	struct str lease = arena_printf(a, "%lld seconds", (long long)config()->lease_seconds);

	(void)stop;
	if (db_runner_seen(db, a, NULL, str_from(process_host()), getpid(), S(MILLRACE_VERSION),
		str_from(process_started()), json, str_from(runner.name), config()->user_jobs,
		lease) != ERR_OK)
		log_debug("process: its row could not be written");
	return PERIODIC_AS_TABLED;
}

void
metrics_withdraw(void)
{
	struct db *db = db_open("millrace_runner", "runner end");
	struct arena *a = arena_new();

	if (db_runner_forget(db, a, NULL, str_from(process_host()), getpid()) != ERR_OK)
		log_debug("process: its row could not be deleted");
	arena_free(a);
	db_close(db);
}
