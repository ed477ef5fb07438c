#include <stdatomic.h>
#include <stdio.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/jobs/payment_watch.h"
#include "runner/outside/chain.h"
#include "sql_runner.h"

#define RESUME_MOST 200
#define PAGE 100 /* mined transfers in one statement */
#define WATCH_MS 2000 /* while something waits for confirmations */
#define BALANCE_MS 60000

static atomic_int n_low;
static int64_t balances_ms; /* when balances are due; payment_watch_run's own */

int
payment_accounts_low(void)
{
	return atomic_load(&n_low);
}

/* One mined transfer: has its block enough behind it, or is it gone? False: the node is away. */
static bool
look(struct db *db, struct chain *c, const PGresult *rows, int i, int64_t head)
{
	struct str hash = sql_get(rows, i, 1), block = sql_get(rows, i, 3);
	struct chain_receipt r;
	struct uuid id = { "" };
	int64_t number = 0;
	bool dropped;

	if (chain_receipt(c, hash, &r) != CHAIN_OK || !uuid_parse(sql_get(rows, i, 0), &id) ||
	    !str_int(sql_get(rows, i, 2), &number))
		return false;
	dropped = !r.found || !str_eq(r.block_hash, block);
	if (!dropped && head - number + 1 < c->network.confirmations)
		return true;
	if (dropped)
		log_warn("payment: its block is gone; it is sent again", "payment", id.text,
		    "transaction", hash.p);
	if (db_runner_payment_seen(db, c->a, NULL, id, block, dropped) != ERR_OK)
		log_warn("payment: what became of it could not be stored", "payment", id.text);
	return true;
}

/* All that a network's blocks have, a page at a time. */
static void
watch(struct db *db, struct stop *stop, struct str network)
{
	struct arena *a = arena_new();
	struct uuid after = { "" };
	struct chain c;
	PGresult *res;
	int64_t head;
	bool good = chain_open(stop, a, network, &c) && chain_check(&c) == CHAIN_OK &&
		    chain_head(&c, &head) == CHAIN_OK &&
		    db_runner_chain_head(db, a, NULL, network, head) == ERR_OK;
	int n = PAGE;

	while (good && n == PAGE && stop_why(stop) == STOP_NOT) {
		good = db_runner_payments_mined(db, a, &res, network, after, PAGE) == ERR_OK;
		n = good ? PQntuples(res) : 0;
		for (int i = 0; i < n && good; i++)
			good = look(db, &c, res, i, head);
		if (n > 0 && !uuid_parse(sql_get(res, n - 1, 0), &after))
			good = false;
	}
	if (!good)
		log_debug(
		    "payment: the network could not be watched", "network", arena_cstr(a, network));
	arena_free(a);
}

/* Of one account; false where nothing is known. */
static bool
is_low(struct db *db, struct stop *stop, const PGresult *rows, int i)
{
	struct arena *a = arena_new();
	struct uuid account = { "" };
	struct chain c;
	PGresult *res = NULL;
	evm_int balance;
	bool low = uuid_parse(sql_get(rows, i, 0), &account) &&
		   chain_open(stop, a, sql_get(rows, i, 1), &c) && chain_check(&c) == CHAIN_OK &&
		   chain_balance(&c, sql_get(rows, i, 2), &balance) == CHAIN_OK &&
		   db_runner_chain_balance(db, a, &res, account,
		       evm_decimal(a, balance, c.network.decimals),
		       config()->payment_balance_min) == ERR_OK &&
		   sql_bool(res, 0, 0);

	arena_free(a);
	return low;
}

static void
look_at_balances(struct db *db, struct arena *a, struct stop *stop)
{
	PGresult *res;
	int low = 0;
	char text[16];

	if (clock_ms() < balances_ms || db_runner_chain_accounts(db, a, &res) != ERR_OK)
		return;
	if (PQntuples(res) == 0)
		return;
	for (int i = 0; i < PQntuples(res) && stop_why(stop) == STOP_NOT; i++)
		low += is_low(db, stop, res, i);
	snprintf(text, sizeof(text), "%d", low);
	if (low > atomic_exchange(&n_low, low))
		log_warn("payment: accounts have less than MILLRACE_PAYMENT_BALANCE_MIN; see "
			 "millracectl payments accounts",
		    "n", text);
	balances_ms = clock_ms() + BALANCE_MS;
}

int64_t
payment_watch_run(struct db *db, struct arena *a, struct stop *stop)
{
	PGresult *res = NULL;
	int n;

	if (*config()->payment_networks == '\0')
		return PERIODIC_WHEN_WOKEN;
	if (db_runner_payments_resume(db, a, &res, RESUME_MOST) != ERR_OK ||
	    db_runner_chain_watched(db, a, &res) != ERR_OK) {
		log_warn("sweep: failed", "what", "payments");
		return WATCH_MS;
	}
	n = PQntuples(res);
	for (int i = 0; i < n && stop_why(stop) == STOP_NOT; i++)
		watch(db, stop, sql_get(res, i, 0));
	look_at_balances(db, a, stop);
	return n > 0 ? WATCH_MS : PERIODIC_AS_TABLED;
}
