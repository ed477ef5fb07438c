#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include <millrace/clock.h>
#include <millrace/config.h>
#include <millrace/log.h>
#include <millrace/provider_list.h>

#include "runner/jobs/call.h"
#include "runner/jobs/kinds.h"
#include "runner/jobs/meaning.h"
#include "runner/models/embed.h"
#include "runner/queue/periodic.h"
#include "sql_job.h"
#include "sql_runner.h"

#define BATCH 64 /* texts asked for at once; SQL: embed_reserve */
#define BATCH_MS 60000
#define TURN_MS 60000 /* of one job; then other users have their turn */
#define JOBS 4 /* made at once */
#define CLEAN 2000 /* vectors deleted at once */
#define PAUSE_MS 5000 /* after a failure; each further one doubles it */
#define PAUSE_MOST_MS 600000
#define RETRY_AFTER_MOST_MS 3600000
#define QUESTION_MS 4000
#define RETRY_MS 5000

/* The model of the settings. */
struct set {
	struct str provider, model; /* absent: none */
	int64_t dimensions;
};

static struct set
set_model(void)
{
	struct str rest = str_from(config()->embeddings);
	struct set m = { .dimensions = config()->embedding_dimensions };

	if (!provider_list_next(&rest, &m.provider, &m.model))
		m.model = (struct str){ NULL, 0 };
	return m;
}

/* -- the provider rests after a failure -- */

static _Atomic int64_t paused_until_ms; /* by clock_ms() */
static atomic_int failures; /* in a row */

static void
pause_after(const struct call *c)
{
	int n = atomic_fetch_add(&failures, 1);
	int64_t wait = (int64_t)PAUSE_MS << (n < 7 ? n : 7);

	if (wait > PAUSE_MOST_MS)
		wait = PAUSE_MOST_MS;
	if (c->retry_after_ms >= 0)
		wait = c->retry_after_ms > RETRY_AFTER_MOST_MS ? RETRY_AFTER_MOST_MS
							       : c->retry_after_ms;
	atomic_store(&paused_until_ms, clock_ms() + wait);
	log_warn("embeddings: the provider failed, and is paused", "run", c->job->run.text, "error",
	    c->problem);
	periodic_within(S("embeddings"), wait);
}

static int64_t
paused_ms(void)
{
	int64_t left = atomic_load(&paused_until_ms) - clock_ms();

	return left > 0 ? left : 0;
}

/* -- vectors -- */

static void
normalize(float *v, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)v[i] * (double)v[i];
	for (size_t i = 0; i < n && sum > 0; i++)
		v[i] = (float)((double)v[i] / sqrt(sum));
}

/* As SQL's real[]. */
static struct str
array_text(struct arena *a, const float *v, size_t n)
{
	struct buf b = { .a = a };

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%c%.9g", i > 0 ? ',' : '{', (double)v[i]);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* As SQL's bit varying: which are above 0. */
static struct str
signs_text(struct arena *a, const float *v, size_t n)
{
	char *s = arena_alloc(a, n + 1);

	for (size_t i = 0; i < n; i++)
		s[i] = v[i] > 0 ? '1' : '0';
	return (struct str){ s, n };
}

/* A text as JSON. */
static struct str
json_of(struct arena *a, struct str text)
{
	struct buf b = { .a = a };

	buf_json(&b, text);
	return buf_str(&b);
}

/* -- passages, in the background -- */

int64_t
embeddings_run(struct db *db, struct arena *a, struct stop *stop)
{
	struct set m = set_model();
	int64_t rest = paused_ms();

	(void)stop;
	if (!m.model.p)
		return PERIODIC_WHEN_WOKEN;
	if (rest > 0)
		return rest;
	if (db_runner_embed_enqueue(db, a, NULL, m.provider, m.model, m.dimensions, JOBS) != ERR_OK)
		return RETRY_MS;
	return PERIODIC_AS_TABLED;
}

/* A job that embeds. */
struct work {
	struct job *j;
	struct set m;
	const struct provider *p;
	int64_t most; /* texts at once: fewer where one of them is refused */
	int64_t calls;
	int64_t n_stored;
	struct outcome o; /* where it ends for another reason than having ended */
};

static struct str_list
list_new(struct arena *a, size_t n)
{
	return (struct str_list){ arena_alloc(a, (n + 1) * sizeof(struct str)), 0 };
}

static enum err
store(struct work *w, struct arena *a, PGresult *texts, const struct embedding *e)
{
	struct str_list hashes = list_new(a, e->n), vectors = list_new(a, e->n),
			bits = list_new(a, e->n);

	for (size_t i = 0; i < e->n; i++) {
		if (e->n_came > 0 && !e->vector[i])
			continue;
		hashes.p[hashes.n++] = sql_get(texts, (int)i, 0);
		if (e->vector[i])
			normalize(e->vector[i], e->size);
		vectors.p[vectors.n++] =
		    e->vector[i] ? array_text(a, e->vector[i], e->size) : S("");
		bits.p[bits.n++] = e->vector[i] ? signs_text(a, e->vector[i], e->size) : S("");
	}
	w->n_stored += (int64_t)hashes.n;
	return job_runner_embed_store(w->j, a, NULL, w->j->owner, w->m.provider, w->m.model,
	    w->m.dimensions, (int64_t)e->size, hashes, vectors, bits);
}

/*
 * Is a text embedded that any model takes? Asked where the first of a job is refused: the text may
 * be at fault, or whatever is asked.
 */
static bool
embeds_any(struct work *w, struct arena *a)
{
	struct call c = { .job = w->j, .a = a, .provider = w->p };
	struct str item = S("\"text\"");
	struct embedding e = { .items = &item,
		.n = 1,
		.dimensions = w->m.dimensions,
		.task = "RETRIEVAL_DOCUMENT",
		.within_ms = BATCH_MS,
		.tries = 1 };

	return embed(&c, &e, w->j->attempt * 1000 + ++w->calls) == CALL_DONE &&
	       job_runner_embedding_seen(w->j, NULL, w->m.provider, w->m.model, w->m.dimensions,
		   (int64_t)e.size) == ERR_OK;
}

/*
 * What comes of a batch of which not all came. A text that the model refuses is found by asking for
 * fewer, and remembered; anything else is the provider's trouble, which rests. False: no more.
 */
static bool
failed(struct work *w, struct arena *a, PGresult *texts, const struct embedding *e,
    const struct call *c)
{
	bool is_text = c->refused == 400 || c->refused == 413 || c->refused == 422;
	enum err err = ERR_OK;

	if (e->n_came > 0)
		err = store(w, a, texts, e);
	else if (is_text && e->n > 1)
		w->most = (int64_t)(e->n + 3) / 4;
	else if (is_text && (w->n_stored > 0 || embeds_any(w, a)))
		err = store(w, a, texts, e);
	if (err != ERR_OK)
		w->o = job_db_error(w->j, err, "vectors could not be stored");
	if (err == ERR_OK && stop_why(&w->j->stop) == STOP_NOT &&
	    (!is_text || (e->n == 1 && w->n_stored == 0)))
		pause_after(c);
	return err == ERR_OK && paused_ms() == 0;
}

/* One batch. False: no more. */
static bool
embed_some(struct work *w, struct arena *a)
{
	struct job *j = w->j;
	struct call c = { .job = j, .a = a, .provider = w->p };
	struct embedding e = { .dimensions = w->m.dimensions,
		.task = "RETRIEVAL_DOCUMENT",
		.within_ms = BATCH_MS,
		.tries = 1 };
	PGresult *texts = NULL;
	struct str *items;
	enum call_end end;
	enum err err;

	err = job_runner_embed_next(
	    j, a, &texts, j->owner, w->m.provider, w->m.model, w->m.dimensions, w->most);
	if (err != ERR_OK) {
		w->o = job_db_error(j, err, "passages to embed could not be looked up");
		return false;
	}
	e.n = (size_t)PQntuples(texts);
	e.items = items = arena_alloc(a, (e.n + 1) * sizeof(*items));
	for (size_t i = 0; i < e.n; i++)
		items[i] = json_of(a, sql_get(texts, (int)i, 1));
	if (e.n == 0)
		return false;
	if ((end = embed(&c, &e, j->attempt * 1000 + ++w->calls)) == CALL_STOPPED)
		return false;
	if (end != CALL_DONE)
		return failed(w, a, texts, &e, &c);
	atomic_store(&failures, 0);
	w->most = w->most * 4 > BATCH ? BATCH : w->most * 4;
	if ((err = store(w, a, texts, &e)) != ERR_OK)
		w->o = job_db_error(j, err, "vectors could not be stored");
	return err == ERR_OK;
}

/* Vectors of an earlier model, once all passages have the current one's. */
static void
clean(struct work *w, struct arena *a)
{
	PGresult *res = NULL;

	do {
		if (job_runner_embed_clean(w->j, a, &res, w->j->owner, w->m.provider, w->m.model,
			w->m.dimensions, CLEAN) != ERR_OK)
			return;
	} while (sql_bool(res, 0, 0) && stop_why(&w->j->stop) == STOP_NOT);
}

static void
work(struct work *w)
{
	int64_t until = clock_ms() + TURN_MS;
	bool more = true;

	while (more && w->o.end == 0 && stop_why(&w->j->stop) == STOP_NOT && clock_ms() < until) {
		struct arena *a = arena_new();

		if (!(more = embed_some(w, a)) && w->o.end == 0)
			clean(w, a);
		arena_free(a);
	}
}

struct outcome
embed_run(struct job *j)
{
	struct work w = { .j = j, .m = set_model(), .most = BATCH };
	PGresult *res = NULL;
	struct outcome o;
	struct str data;
	enum err e;

	if (w.m.model.p && !face_provider(j, w.m.provider, w.m.model, false, &w.p, &o))
		return o;
	if (w.p) {
		e = job_runner_embed_reserve(
		    j, &res, w.m.provider, w.m.model, config_credits_required());
		if (e != ERR_OK)
			return job_db_error(j, e, "embeddings could not be reserved");
		if (PQgetisnull(res, 0, 0))
			work(&w);
	}
	if (w.o.end != 0)
		return w.o;
	if (stop_why(&j->stop) != STOP_NOT)
		return job_stopped();
	data = arena_printf(j->a, "{\"embedded\":%lld}", (long long)w.n_stored);
	o = job_end_runner_job_end_done(j, data, (struct str){ NULL, 0 });
	/* There may be more to do. */
	if (w.n_stored > 0 && paused_ms() == 0)
		periodic_wake(S("embeddings"));
	return o;
}

/* -- questions -- */

/* What rests is the model of the settings; an earlier one's vectors may serve. */
static bool
is_paused(const struct set *m, struct str provider, struct str model)
{
	return paused_ms() > 0 && str_eq(provider, m->provider) && str_eq(model, m->model);
}

/* Asks one model, which a row of embedding_serving() names. */
static bool
embed_question(
    struct job *j, struct arena *a, PGresult *res, int row, struct str item, struct meaning *out)
{
	struct call c = { .job = j, .a = a };
	struct embedding e = { .items = &item,
		.n = 1,
		.task = "RETRIEVAL_QUERY",
		.within_ms = QUESTION_MS,
		.tries = 1 };
	struct str provider = sql_get(res, row, 1), model = sql_get(res, row, 2);
	int64_t size = 0;
	struct outcome o;

	if (!str_int(sql_get(res, row, 0), &out->embedding) ||
	    !str_int(sql_get(res, row, 3), &e.dimensions) ||
	    !str_int(sql_get(res, row, 4), &size) || !provider_find(provider) ||
	    !face_provider(j, provider, model, false, &c.provider, &o))
		return false;
	if (embed(&c, &e, -(j->attempt * 1000 + ++j->n_searches)) != CALL_DONE) {
		log_info("search: goes by words alone, since the question was not embedded", "run",
		    j->run.text, "error", c.problem ? c.problem : "stopped");
		return false;
	}
	if (e.size != (size_t)size) {
		/* The passages will be embedded anew. */
		if (job_runner_embedding_seen(
			j, NULL, provider, model, e.dimensions, (int64_t)e.size) != ERR_OK)
			log_error("embeddings: another size of vectors could not be stored");
		return false;
	}
	normalize(e.vector[0], e.size);
	out->vector = array_text(a, e.vector[0], e.size);
	out->bits = signs_text(a, e.vector[0], e.size);
	out->v = e.vector[0];
	out->n = e.size;
	return true;
}

bool
question_meaning(struct job *j, struct arena *a, struct str question, struct meaning *out)
{
	struct set m = set_model();
	PGresult *res = NULL;

	if (!m.model.p || !j->owner.text[0] ||
	    job_runner_embedding_serving(j, &res, j->owner, m.provider, m.model, m.dimensions,
		config_credits_required()) != ERR_OK)
		return false;
	for (int i = 0; i < PQntuples(res) && stop_why(&j->stop) == STOP_NOT; i++)
		if (!is_paused(&m, sql_get(res, i, 1), sql_get(res, i, 2)) &&
		    embed_question(j, a, res, i, json_of(a, question), out))
			return true;
	return false;
}
