#include <stdlib.h>

#include <millrace/clock.h>
#include <millrace/log.h>

#include "runner/knowledge/passage_index.h"
#include "runner/knowledge/retrieve.h"
#include "runner/knowledge/terms.h"
#include "runner/queue/periodic.h"
#include "sql_runner.h"

#define PASSAGES 100 /* in one transaction */
#define RETRY_MS 5000

static int
in_order(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	int c = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

/* Adds the terms of a list. */
static void
add_terms(struct str *all, size_t *n, struct str list)
{
	while (list.n > 0)
		list = str_cut(list, ' ', &all[(*n)++]);
}

/* All terms, each once: most of a text's come again, and the database takes its time for each. */
static struct str
each_once(struct arena *a, struct arena *scratch, const struct terms *t)
{
	/* No term is shorter than a byte and a space. */
	struct str *all = arena_alloc(scratch, (t->words.n + t->more.n + 2) / 2 * sizeof(*all));
	struct buf b = { .a = a };
	size_t n = 0;

	add_terms(all, &n, t->words);
	add_terms(all, &n, t->more);
	qsort(all, n, sizeof(*all), in_order);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && str_eq(all[i], all[i - 1]))
			continue;
		buf_put(&b, i > 0 ? S(" ") : S(""));
		buf_put(&b, all[i]);
	}
	return buf_str(&b);
}

void
passage_index(struct arena *a, struct str text, struct str *words, struct str *bits)
{
	char *hex = arena_alloc(a, EMBED_HEX + 1);
	struct arena *scratch = arena_new();
	struct terms terms;

	terms_of(scratch, text, &terms);
	embed_local(terms.words, hex);
	*words = each_once(a, scratch, &terms);
	*bits = (struct str){ hex, EMBED_HEX };
	arena_free(scratch);
}

/* A document of a lower version as it was when it was looked up. */
struct outdated {
	struct uuid id;
	struct str seen; /* its time of change */
	int64_t after; /* the last passage that is done */
	bool is_done;
};

/* The next passages. False where it has to be tried again: the document is not as it was. */
static bool
index_some(struct db *db, struct arena *a, struct outdated *d)
{
	struct str ids[PASSAGES], words[PASSAGES], bits[PASSAGES];
	PGresult *res = NULL, *stored = NULL;
	size_t n;

	if (db_runner_index_passages(db, a, &res, d->id, d->after, PASSAGES) != ERR_OK)
		return false;
	n = (size_t)PQntuples(res);
	for (size_t i = 0; i < n; i++) {
		ids[i] = sql_get(res, (int)i, 0);
		passage_index(a, sql_get(res, (int)i, 2), &words[i], &bits[i]);
	}
	if (n > 0 && !str_int(sql_get(res, (int)n - 1, 1), &d->after))
		return false;
	d->is_done = n < PASSAGES;
	return db_runner_index_store(db, a, &stored, d->id, d->seen, INDEX_VERSION,
		   (struct str_list){ ids, n }, (struct str_list){ words, n },
		   (struct str_list){ bits, n }, d->is_done) == ERR_OK &&
	       sql_bool(stored, 0, 0);
}

int64_t
passage_index_run(struct db *db, struct arena *a, struct stop *stop)
{
	struct outdated d = { .after = -1 };
	int64_t began = clock_ms(), took;
	struct arena *step;
	PGresult *res = NULL;
	bool good = true;

	if (db_runner_index_next(db, a, &res, INDEX_VERSION) != ERR_OK)
		return RETRY_MS;
	if (PQntuples(res) == 0 || !uuid_parse(sql_get(res, 0, 0), &d.id))
		return PERIODIC_AS_TABLED;
	d.seen = sql_get(res, 0, 1);
	step = arena_new();
	while (good && !d.is_done && stop_why(stop) == STOP_NOT) {
		good = index_some(db, step, &d);
		arena_reset(step);
	}
	arena_free(step);
	took = clock_ms() - began;
	if (good)
		log_debug("index: a document was indexed again", "document", d.id.text);
	return good ? 3 * took + 1 : RETRY_MS;
}
