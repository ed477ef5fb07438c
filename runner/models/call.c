/* One turn of a model, whatever it takes: retries, continuations, the circuit breaker, and the record of what was used. */
#include <string.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>

#include "runner/outside/http.h"
#include "runner/models/provider.h"
#include "runner/runner.h"
#include "sql_runner.h"

#define TRIES 4 /* of a call of which nothing came */
#define CUTS 8 /* continuations of one answer */
#define WAIT_MOST_MS \
	20000 /* longest wait that a person is made to bear; a longer Retry-After ends the run */

const struct provider *
provider_default(void)
{
	const char *name = config()->provider;

	if (strcmp(name, "auto") == 0)
		name = config()->openai_key && *config()->openai_key ? "openai" : "local";
	if (strcmp(name, "openai") == 0) {
		const char *base = config()->openai_base_url;

		if (strncmp(base, "https://", 8) != 0 && strncmp(base, "http://", 7) != 0)
			die("OPENAI_BASE_URL is \"%s\"; it begins with https:// (or http://, in a "
			    "network you trust).",
			    base);
		return &provider_openai;
	}
	if (strcmp(name, "local") == 0)
		return &provider_local;
	die("MILLRACE_PROVIDER is \"%s\"; it takes auto, local or openai.", name);
}

/* Tokens that a text of so many bytes may be. */
static int64_t
tokens_guess(size_t len)
{
	return (int64_t)(len + 3) / 4;
}

/* What the messages of a call may count, where the provider did not say. */
static int64_t
input_guess(const struct call *c, size_t partial)
{
	size_t len = partial;

	for (size_t i = 0; i < c->n_messages; i++) {
		len += c->messages[i].content.n + 16;
		for (size_t k = 0; k < c->messages[i].n_calls; k++)
			len += c->messages[i].calls[k].arguments.n + 32;
	}
	return tokens_guess(len);
}

/* Stores what one call used: what the provider counted, else our guess, marked as one. */
static void
store_use(const struct provider *p, struct call *c, size_t partial, int64_t number)
{
	int64_t in = c->counted ? c->input_tokens : input_guess(c, partial), out = c->output_tokens;
	struct job *j = c->job;
	enum err e;

	if (!c->counted) {
		size_t len = c->text.n - partial;

		for (size_t i = 0; i < c->n_calls; i++)
			len += c->calls[i].name.n + c->calls[i].arguments.n;
		out = tokens_guess(len);
	}
	if (job_stop(j) == STOP_LOST)
		return;
	JOB_ASK(j, e,
	    db_runner_usage_store(db, c->a, NULL, j->run, number, str_from(p->name),
		str_from(p->model()), in, out, !c->counted));
	if (e != ERR_OK)
		log_error("what a call used could not be stored", "run", j->run.text);
}

/* Waits for the host's breaker. False where that takes too long, or the job has to stop. */
static bool
breaker_allows(const struct provider *p, struct job *j)
{
	int64_t until = clock_ms() + WAIT_MOST_MS, wait;

	while (p->host && (wait = breaker_wait_ms(p->host)) > 0) {
		if (clock_ms() + wait > until || !job_sleep(j, wait + jitter(200)))
			return false;
	}
	return true;
}

static void
report(const struct provider *p, const struct call *c, enum call_end end, bool said)
{
	atomic_fetch_add(&counters.calls, 1);
	if (end == CALL_BUSY || end == CALL_CUT || end == CALL_REFUSED)
		atomic_fetch_add(&counters.call_errors, 1);
	if (!p->host || end == CALL_STOPPED)
		return;
	/* Somebody who says when to come again is alive. */
	if (end == CALL_DONE || said || end == CALL_REFUSED || c->retry_after_ms >= 0)
		breaker_report(p->host, true);
	else
		breaker_report(p->host, false);
}

/* One try: what it said stays in c->text, what it meant to call only counts where it came to its end. */
static enum call_end
try_once(const struct provider *p, struct call *c, int64_t *n_stored)
{
	size_t partial = c->text.n;
	enum call_end end;

	c->n_calls = 0;
	c->finish = NULL;
	c->counted = false;
	c->retry_after_ms = -1;
	c->timed_out = false;
	end = p->call(c);
	report(p, c, end, c->text.n > partial);
	if (end == CALL_DONE || c->text.n > partial || c->counted)
		store_use(p, c, partial, ++*n_stored);
	return end;
}

enum call_end
model_call(const struct provider *p, struct call *c, int64_t *n_stored)
{
	int tries = 0, cuts = 0;

	for (;;) {
		size_t before = c->text.n;
		int64_t wait = (250 << tries) / 2 + jitter(250 << tries);
		enum call_end end;

		if (!breaker_allows(p, c->job)) {
			c->problem =
			    "The model's provider does not answer at the moment; try again later.";
			return job_stop(c->job) == STOP_NOT ? CALL_REFUSED : CALL_STOPPED;
		}
		end = try_once(p, c, n_stored);
		if (end != CALL_BUSY && end != CALL_CUT)
			return end;
		/* A call that went through a long silence has cost as much patience as two. */
		tries = c->text.n > before ? 0 : tries + 1 + c->timed_out;
		cuts += end == CALL_CUT;
		if (c->retry_after_ms > wait)
			wait = c->retry_after_ms + jitter(250);
		if (tries >= TRIES || cuts > CUTS || wait > WAIT_MOST_MS)
			return CALL_REFUSED;
		atomic_fetch_add(
		    end == CALL_CUT ? &counters.call_continuations : &counters.call_retries, 1);
		if (!job_sleep(c->job, wait))
			return CALL_STOPPED;
	}
}
