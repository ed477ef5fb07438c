/*
 * One turn of a model, whatever it takes: retries, continuations, other providers, and the record
 * of what was used.
 */
#include <string.h>

#include <millrace/clock.h>
#include <millrace/log.h>

#include "runner/models/provider.h"
#include "runner/models/tools.h"
#include "runner/runner.h"
#include "runner/thread.h"
#include "sql_job.h"

#define TRIES 4 /* of a call of which nothing came */
#define CUTS 8 /* continuations of one answer */

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

/* What one call used: what the provider counted, else our guess, marked as one. */
static void
count_use(struct call *c, size_t partial, int64_t number, int64_t ms)
{
	c->use = (struct call_use){ .number = number,
		.ms = ms,
		.is_guessed = c->input_tokens < 0 || c->output_tokens < 0 };
	if (c->input_tokens < 0)
		c->input_tokens = input_guess(c, partial);
	if (c->output_tokens < 0) {
		size_t len = c->text.n - partial;

		len += c->thoughts.n;
		for (size_t i = 0; i < c->n_calls; i++)
			len += c->calls[i].name.n + c->calls[i].arguments.n;
		c->output_tokens = tokens_guess(len);
	}
}

static void
store_use(const struct provider *p, struct call *c, bool failed)
{
	struct job *j = c->job;

	if (stop_why(&j->stop) == STOP_LOST)
		return;
	if (job_runner_usage_store(j, NULL, c->use.number, str_from(p->name), str_from(p->model),
		c->input_tokens, c->output_tokens, call_part(c->cached_tokens),
		call_part(c->cache_write_tokens), call_part(c->reasoning_tokens), 0,
		c->use.is_guessed, c->use.ms, failed) != ERR_OK)
		log_error("usage: could not be stored", "run", j->run.text);
}

/* What it said stays in c->text, what it meant to call only counts where it came to its end. */
enum call_end
model_try(const struct provider *p, struct call *c, int64_t *n_stored)
{
	size_t partial = c->text.n;
	int64_t began_ms = clock_ms();
	enum call_end end;
	bool failed;

	c->n_calls = 0;
	c->finish = NULL;
	c->extra = c->stopped_by = (struct str){ NULL, 0 };
	c->thoughts.n = 0;
	c->thoughts_in = "reasoning_content";
	c->refuses = false;
	c->input_tokens = c->output_tokens = -1;
	c->cached_tokens = c->cache_write_tokens = c->reasoning_tokens = -1;
	c->retry_after_ms = -1;
	c->refused = 0;
	c->timed_out = c->is_verdict = false;
	c->provider = p;
	end = p->call(c);
	atomic_fetch_add(&counters.calls, 1);
	failed = end != CALL_DONE && end != CALL_STOPPED;
	if (failed)
		atomic_fetch_add(&counters.call_errors, 1);
	if (end == CALL_DONE || c->text.n > partial || c->thoughts.n > 0 || c->input_tokens >= 0) {
		count_use(c, partial, ++*n_stored, clock_ms() - began_ms);
		if (end != CALL_DONE || !c->keeps_use)
			store_use(p, c, failed);
	} else if (failed && job_runner_model_failed(
				 c->job, NULL, str_from(p->name), str_from(p->model)) != ERR_OK) {
		log_error("usage: a failed call could not be stored", "run", c->job->run.text);
	}
	return end;
}

/* All tries that one provider is given. */
static enum call_end
call_one(const struct provider *p, struct call *c, int64_t *n_stored)
{
	int tries = 0, cuts = 0;

	for (;;) {
		size_t before = c->text.n;
		int64_t wait = (250 << tries) / 2 + jitter(250 << tries);
		enum call_end end = model_try(p, c, n_stored);

		if ((end != CALL_BUSY && end != CALL_EMPTY && end != CALL_CUT) ||
		    (c->as_is && end != CALL_BUSY))
			return end;
		/* A call that went through a long silence has cost as much patience as two. */
		tries = c->text.n > before ? 0 : tries + 1 + c->timed_out;
		cuts += end == CALL_CUT;
		if (c->retry_after_ms > wait)
			wait = c->retry_after_ms + jitter(250);
		if (tries >= TRIES || cuts > CUTS || wait > CALL_PATIENCE_MS)
			return end == CALL_EMPTY ? end : CALL_REFUSED;
		atomic_fetch_add(
		    end == CALL_CUT ? &counters.call_continuations : &counters.call_retries, 1);
		if (!stop_sleep(&c->job->stop, wait))
			return CALL_STOPPED;
	}
}

enum call_end
model_call(const struct provider *p, struct call *c, int64_t *n_stored)
{
	if (!c->schema)
		c->schema = tools_schema(c->a, c->tools);
	for (;;) {
		enum call_end end = call_one(p, c, n_stored);

		if (end != CALL_REFUSED || c->is_verdict || !p->next)
			return end;
		log_warn("provider: the next one is asked", "run", c->job->run.text, "instead_of",
		    p->name, "next", p->next->name);
		atomic_fetch_add(&counters.call_fallbacks, 1);
		p = p->next;
	}
}
