/*
 * A payment on its way to a block. What is to be sent is on disk before it is sent: first the
 * transfer's nonce, which it keeps for good, then each signed transaction. Whenever this is
 * interrupted, whoever goes on has the same nonce, of which the network takes one transaction. A
 * job lasts a minute at most; payment_watch.c begins the next one.
 */
#include <sodium.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/seal.h>

#include "runner/jobs/kinds.h"
#include "runner/outside/chain.h"
#include "runner/runner.h"
#include "runner/secrets/vault.h"
#include "sql_job.h"

#define RUN_MS 60000
#define POLL_MS 250
#define PAUSE_MS 1000 /* after something that did not work */
#define SEND_MS 5000 /* what is not in a block is sent again after so long */
#define REFUSED_MS 20000 /* a node's refusal counts when it has stood so long */
#define EXPIRES_MS 600000 /* a payment of which nothing is signed fails then */
#define SPENT_MS 600000 /* a nonce counts as another's so long after the payment was wanted */
#define GWEI ((evm_int)1000000000)
#define PLAIN_GAS 21000 /* of a transfer without data: exactly, so it needs no margin */
#define GAS_MOST 10000000

struct payment_in {
	struct uuid payment;
};

static const struct field payment_fields[] = {
	F_UUID(struct payment_in, payment, REQUIRED),
};

struct paying {
	struct job *j;
	struct uuid id;
	struct chain chain;
	bool is_open, is_checked; /* the network is known; its node's chain is the right one */

	/* What the database has of it, as of read_ms; not `is_read`: to be read anew. */
	bool is_read, is_wanted;
	int64_t read_ms, age_ms, quiet_ms;
	struct str recipient, amount, address, sealed;
	struct uuid account;
	int64_t chain_id; /* that its key was put for */
	int64_t nonce; /* -1: none yet */
	evm_int units, fee, tip; /* fee, tip and gas: the newest transaction's */
	int64_t gas; /* 0: there is none */
	const PGresult *sent; /* hash, raw of each transaction, the newest first */
	int64_t sent_ms; /* when the newest was sent; 0: not by this job */

	const char *waits_for; /* what was logged, as it goes on; NULL: nothing */
	struct outcome outcome;
};

enum step { STEP_POLL = 1, STEP_PAUSE, STEP_ENDED };

/* Something does not work now; it is tried again. Logged where it begins. */
static enum step
pause_with(struct paying *p, const char *what, const char *why)
{
	if (!p->waits_for || strcmp(p->waits_for, what) != 0)
		log_warn("payment: waits", "payment", p->id.text, "why", why);
	p->waits_for = what;
	return STEP_PAUSE;
}

static enum step
pause_for(struct paying *p, const char *why)
{
	return pause_with(p, why, why);
}

/* Whatever is wrong with the node is one thing: its words change each time. */
static enum step
pause_for_node(struct paying *p)
{
	return pause_with(p, "node", arena_cstr(p->j->a, p->chain.problem));
}

static enum step
ended(struct paying *p, struct outcome o)
{
	p->outcome = o;
	return STEP_ENDED;
}

/* `spent`: the nonce is used up, so nothing that was signed can come into a block any more. */
static enum step
fail(struct paying *p, const char *problem, bool spent)
{
	log_error("payment: failed", "payment", p->id.text, "why", problem);
	return ended(p, job_end_runner_payment_end_failed(p->j, p->id, str_from(problem), spent));
}

static bool
read_int(const PGresult *res, int column, evm_int *out)
{
	*out = 0;
	return PQgetisnull(res, 0, column) || evm_units(sql_get(res, 0, column), 0, out);
}

/* Reads the row. False: it is not this job's to make (any more); p->outcome says how it ends. */
static bool
read_work(struct paying *p)
{
	struct job *j = p->j;
	PGresult *res = NULL;
	struct str state;
	enum err e = job_runner_payment_work(j, &res, p->id);

	if (e != ERR_OK) {
		p->outcome = job_db_error(j, e, "the payment could not be read");
		return false;
	}
	state = PQntuples(res) > 0 ? sql_get(res, 0, 0) : S("");
	if (!str_eq(state, S("wanted")) && !str_eq(state, S("signed"))) {
		p->outcome = job_end_runner_job_end_done(j, S("{}"), (struct str){ NULL, 0 });
		return false;
	}
	if (!p->is_open)
		p->is_open = chain_open(&j->stop, j->a, sql_get(res, 0, 1), &p->chain);
	p->recipient = sql_get(res, 0, 2);
	p->amount = sql_get(res, 0, 3);
	p->is_wanted = sql_bool(res, 0, 5);
	(void)uuid_parse(sql_get(res, 0, 6), &p->account);
	p->address = sql_get(res, 0, 8);
	p->sealed = sql_get(res, 0, 9);
	p->nonce = -1;
	p->gas = p->quiet_ms = 0;
	(void)str_int(sql_get(res, 0, 4), &p->age_ms);
	(void)str_int(sql_get(res, 0, 7), &p->chain_id);
	(void)str_int(sql_get(res, 0, 10), &p->nonce);
	(void)str_int(sql_get(res, 0, 13), &p->gas);
	(void)str_int(sql_get(res, 0, 14), &p->quiet_ms);
	if (!read_int(res, 11, &p->fee) || !read_int(res, 12, &p->tip)) {
		p->outcome = job_again("a fee of the payment is out of range", 0);
		return false;
	}
	p->read_ms = clock_ms();
	p->is_read = true;
	return true;
}

static bool
read_transactions(struct paying *p)
{
	PGresult *res = NULL;
	enum err e = job_runner_payment_transactions(p->j, &res, p->id);

	if (e != ERR_OK)
		p->outcome = job_db_error(p->j, e, "what was signed could not be read");
	p->sent = res;
	return e == ERR_OK;
}

/* Since it was wanted, and since the newest transaction was signed. */
static int64_t
age_ms(const struct paying *p)
{
	return p->age_ms + clock_ms() - p->read_ms;
}

static int64_t
quiet_ms(const struct paying *p)
{
	return p->quiet_ms + clock_ms() - p->read_ms;
}

/* -- the transaction -- */

static struct evm_tx
transaction(const struct paying *p, const struct evm_address *recipient)
{
	const struct payment_network *n = &p->chain.network;

	return (struct evm_tx){ .chain_id = n->chain_id,
		.nonce = (uint64_t)p->nonce,
		.to = n->has_token ? &n->token : recipient,
		.value = n->has_token ? 0 : p->units,
		.data = n->has_token ? evm_transfer_data(p->j->a, recipient, p->units) : S("") };
}

/* What the transfer takes, with a margin where it runs a contract. */
static enum chain_end
estimate(struct paying *p, const struct evm_address *recipient, int64_t *gas)
{
	struct evm_tx tx = transaction(p, recipient);
	enum chain_end end = chain_gas(
	    &p->chain, p->address, evm_address_text(p->j->a, tx.to), tx.value, tx.data, gas);

	if (end == CHAIN_OK && (*gas < PLAIN_GAS || *gas > GAS_MOST))
		return CHAIN_AWAY;
	if (end == CHAIN_OK && *gas != PLAIN_GAS)
		*gas += *gas / 4;
	return end;
}

/* The least that nodes take in place of a transaction that they have: a tenth more, rounded up. */
static evm_int
raised(evm_int n)
{
	return n + (n + 9) / 10 + (n == 0);
}

/* Opens the account's key, signs, and keeps what was signed. */
static enum step
sign(struct paying *p, struct evm_tx *tx)
{
	struct arena *a = p->j->a;
	uint8_t hash[EVM_HASH_BYTES];
	struct evm_address of;
	struct str key, raw, name;
	PGresult *res = NULL;
	enum err e;
	bool good;

	if (!vault_unseal(
		a, seal_payment_label(a, p->chain.network.name, p->address), p->sealed, &key))
		return pause_for(p, "this runner's vault key does not open the account's key");
	good = key.n == EVM_KEY_BYTES && evm_key_address((const uint8_t *)key.p, &of) &&
	       str_eq(evm_address_text(a, &of), p->address) &&
	       evm_sign(a, tx, (const uint8_t *)key.p, &raw, hash);
	sodium_memzero((void *)(uintptr_t)key.p, key.n);
	if (!good)
		return pause_for(p, "the account's key is not that of its address");
	name = evm_hex(a, (struct str){ (const char *)hash, sizeof(hash) });
	e = job_runner_payment_signed(p->j, &res, p->id, name, raw, evm_decimal(a, tx->fee, 0),
	    evm_decimal(a, tx->tip, 0), (int64_t)tx->gas);
	if (e != ERR_OK)
		return ended(p, job_db_error(p->j, e, "what was signed could not be kept"));
	if (!sql_bool(res, 0, 0))
		return ended(p, job_lost(p->j));
	atomic_fetch_add(&counters.transactions, 1);
	log_info("payment: signed", "payment", p->id.text, "transaction", name.p);
	p->is_read = false;
	p->sent_ms = 0;
	return STEP_POLL;
}

/* Signs for the first time, or again with higher fees, at what the network asks for now. */
static enum step
sign_at(struct paying *p, const struct chain_fees *now, int64_t gas)
{
	struct evm_address recipient;
	struct evm_tx tx;

	if (!evm_address_parse(p->recipient, &recipient))
		return pause_for(p, "the recipient's address is none");
	tx = transaction(p, &recipient);
	tx.legacy = now->legacy;
	tx.gas = (uint64_t)gas;
	tx.fee = now->fee;
	tx.tip = now->legacy ? 0 : now->tip;
	if (p->gas > 0) {
		tx.fee = tx.fee > raised(p->fee) ? tx.fee : raised(p->fee);
		if (!now->legacy)
			tx.tip = tx.tip > raised(p->tip) ? tx.tip : raised(p->tip);
	}
	if (tx.fee > (evm_int)config()->payment_fee_max * GWEI)
		return pause_for(p, "the network asks for more than MILLRACE_PAYMENT_FEE_MAX");
	return sign(p, &tx);
}

/* -- before anything is signed -- */

/* Can the account pay the transfer and what sending it costs? STEP_POLL: it can. */
static enum step
check_balance(struct paying *p, evm_int cost)
{
	struct chain *c = &p->chain;
	evm_int has = 0, native = 0;

	if (chain_balance(c, p->address, &has) != CHAIN_OK ||
	    chain_native_balance(c, p->address, &native) != CHAIN_OK)
		return pause_for_node(p);
	if (has < p->units || native < cost || (!c->network.has_token && native - p->units < cost))
		return fail(p, "The account that pays does not hold enough.", false);
	return STEP_POLL;
}

/* Gives the transfer its nonce, once it is known that it can be made. */
static enum step
prepare(struct paying *p)
{
	struct chain *c = &p->chain;
	struct evm_address recipient;
	struct chain_fees fees;
	int64_t gas = 0, count;
	enum chain_end end;
	PGresult *res = NULL;
	enum step s;
	enum err e;

	if (!evm_address_parse(p->recipient, &recipient))
		return fail(p, "The recipient's address is none.", false);
	if (chain_fees(c, &fees) != CHAIN_OK)
		return pause_for_node(p);
	if (fees.fee > (evm_int)config()->payment_fee_max * GWEI)
		return pause_for(p, "the network asks for more than MILLRACE_PAYMENT_FEE_MAX");
	if ((s = check_balance(p, fees.fee * PLAIN_GAS)) != STEP_POLL)
		return s;
	end = estimate(p, &recipient, &gas);
	if (end == CHAIN_REFUSED && age_ms(p) > REFUSED_MS)
		return fail(p, "The network refuses the transfer.", false);
	if (end != CHAIN_OK || chain_count(c, p->address, false, &count) != CHAIN_OK)
		return pause_for_node(p);
	e = job_runner_payment_nonce(p->j, &res, p->id, p->account, count);
	if (e != ERR_OK)
		return ended(p, job_db_error(p->j, e, "the nonce could not be given"));
	if (!str_int(sql_get(res, 0, 0), &p->nonce))
		return pause_for(p, "the account was replaced");
	return sign_at(p, &fees, gas);
}

/* What is wrong with a payment of which nothing is signed; NULL: it is to be made. */
static const char *
is_void(const struct paying *p)
{
	if (!p->is_wanted)
		return "Whoever asked for the payment is gone.";
	if (age_ms(p) > EXPIRES_MS)
		return "The network could not be reached for too long; nothing was sent.";
	if (!p->is_open)
		return "The network is not in the settings any more.";
	return NULL;
}

/* -- while it is on its way -- */

static enum step
mined(struct paying *p, struct str hash, const struct chain_receipt *r, int64_t head, bool enough)
{
	atomic_fetch_add(&counters.payments, 1);
	log_info("payment: in a block", "payment", p->id.text, "transaction", hash.p);
	return ended(
	    p, job_end_runner_payment_end_mined(p->j, p->id, hash, r->block_number, r->block_hash,
		   r->gas_used, evm_decimal(p->j->a, r->gas_price, 0), head, enough));
}

/* Is any of the transactions in a block? STEP_POLL: none is. */
static enum step
look(struct paying *p)
{
	struct chain *c = &p->chain;
	bool is_spent = false;
	int64_t count, head;

	/* Asked before the receipts are: what came between is then seen there. */
	if (age_ms(p) > SPENT_MS && chain_count(c, p->address, true, &count) == CHAIN_OK)
		is_spent = count > p->nonce;
	for (int i = 0; i < PQntuples(p->sent); i++) {
		struct str hash = sql_get(p->sent, i, 0);
		struct chain_receipt r;
		bool enough;

		if (chain_receipt(c, hash, &r) != CHAIN_OK)
			return pause_for_node(p);
		if (!r.found)
			continue;
		if (chain_head(c, &head) != CHAIN_OK)
			return pause_for_node(p);
		enough = head - r.block_number + 1 >= c->network.confirmations;
		if (r.good)
			return mined(p, hash, &r, head, enough);
		return enough ? fail(p, "The network has undone the transfer.", true) : STEP_PAUSE;
	}
	if (is_spent)
		return fail(p, "Another transaction of the account has taken the nonce.", true);
	return STEP_POLL;
}

/* Signs for a nonce that has nothing yet, or again where no block has come for too long. */
static enum step
sign_more(struct paying *p)
{
	struct chain_fees fees;
	struct evm_address recipient;
	int64_t gas = p->gas;

	if (chain_fees(&p->chain, &fees) != CHAIN_OK)
		return pause_for_node(p);
	if (gas == 0 && (!evm_address_parse(p->recipient, &recipient) ||
			    estimate(p, &recipient, &gas) != CHAIN_OK))
		return pause_for_node(p);
	return sign_at(p, &fees, gas);
}

static enum step
go_on(struct paying *p)
{
	struct chain *c = &p->chain;
	enum step s;

	if (p->gas == 0)
		return sign_more(p);
	if (p->sent_ms == 0 || clock_ms() - p->sent_ms > SEND_MS) {
		/* Whatever comes back, it may be there: its receipt is what counts. */
		if (chain_send(c, sql_get(p->sent, 0, 1)) != CHAIN_OK)
			log_debug("payment: the node did not take it", "payment", p->id.text, "why",
			    arena_cstr(p->j->a, c->problem));
		p->sent_ms = clock_ms();
	}
	if ((s = look(p)) != STEP_POLL)
		return s;
	if (quiet_ms(p) > config()->payment_bump_seconds * 1000)
		return sign_more(p);
	return STEP_POLL;
}

static enum step
step(struct paying *p)
{
	const char *problem;

	if (!p->is_read && (!read_work(p) || !read_transactions(p)))
		return STEP_ENDED;
	if (p->nonce < 0 && (problem = is_void(p)) != NULL)
		return fail(p, problem, false);
	if (!p->is_open)
		return pause_for(p, "the network is not in the settings any more");
	if (!evm_units(p->amount, p->chain.network.decimals, &p->units))
		return p->nonce < 0 ? fail(p, "The network has too few decimals for this.", false)
				    : pause_for(p, "the network has too few decimals now");
	if (!p->address.p)
		return pause_for(p, "no account is there to pay from");
	if ((uint64_t)p->chain_id != p->chain.network.chain_id)
		return p->nonce < 0
			   ? fail(p, "The account's key was put for another chain.", false)
			   : pause_for(p, "the network is another chain than when it was signed");
	switch (p->is_checked ? CHAIN_OK : chain_check(&p->chain)) {
	case CHAIN_OK:
		p->is_checked = true;
		return p->nonce < 0 ? prepare(p) : go_on(p);
	case CHAIN_REFUSED:
		return p->nonce < 0 ? fail(p, "The network's node is of another chain.", false)
				    : pause_for_node(p);
	case CHAIN_AWAY:
	default:
		return pause_for_node(p);
	}
}

struct outcome
payment_run(struct job *j)
{
	struct payment_in in = { 0 };
	struct paying p = { .j = j };
	int64_t until = clock_ms() + RUN_MS;
	struct outcome o;
	enum step s;

	if (!job_input(
		j, payment_fields, sizeof(payment_fields) / sizeof(*payment_fields), &in, &o))
		return o;
	p.id = in.payment;
	do {
		if ((s = step(&p)) == STEP_ENDED)
			return p.outcome;
		if (s == STEP_POLL && p.waits_for) {
			log_info("payment: goes on", "payment", p.id.text);
			p.waits_for = NULL;
		}
	} while (stop_sleep(&j->stop, s == STEP_PAUSE ? PAUSE_MS : POLL_MS) && clock_ms() < until);
	if (stop_why(&j->stop) != STOP_NOT)
		return job_stopped();
	return job_end_runner_job_end_refused(j, 504, S("UPSTREAM_TIMEOUT"),
	    S("The payment is in no block yet, and goes on: send the request again, or ask for "
	      "its status."));
}
