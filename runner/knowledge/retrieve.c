#include <stdlib.h>

#include "runner/knowledge/retrieve.h"
#include "runner/knowledge/terms.h"
#include "runner/queue/slots.h"
#include "sql_job.h"

#define QUERY_MAX 2000 /* bytes of a query that count */

/* A search reads all vectors of its user: over many it is a good part of a processor's second. */
static struct slots slots = SLOTS(2, 4);

static bool
has(const struct passages *list, int64_t chunk)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->p[i].chunk == chunk)
			return true;
	return false;
}

/* The query's start, cut between characters. */
static struct str
shortened(struct str query)
{
	if (query.n > QUERY_MAX) {
		query.n = QUERY_MAX;
		while (query.n > 0 && ((unsigned char)query.p[query.n] & 0xc0) == 0x80)
			query.n--;
	}
	return query;
}

enum err
retrieve(struct job *j, struct str query, int want, struct passages *into, size_t *first)
{
	char bits[EMBED_HEX + 1];
	struct arena *scratch;
	struct terms terms;
	PGresult *res = NULL;
	struct slot mine;
	enum err e;

	*first = into->n;
	query = shortened(query);
	if (!slot_acquire(&mine, &slots, j->owner, &j->stop))
		return ERR_OK;
	/* Not the job's, which has it for as long as the answer takes. */
	scratch = arena_new();
	terms_of(scratch, query, &terms);
	embed_local(terms.words, bits);
	j->stops_statements = true;
	e = job_runner_passages_find(
	    j, &res, j->owner, terms_asked(&terms), query, str_from(bits), want, into->of_chatbot);
	j->stops_statements = false;
	arena_free(scratch);
	slot_release(&mine);
	if (e != ERR_OK)
		return stop_why(&j->stop) != STOP_NOT ? ERR_OK : e;
	for (int i = 0; i < PQntuples(res) && into->n < PASSAGES_MAX; i++) {
		struct passage p = { .name = sql_get(res, i, 2),
			.mark = sql_get(res, i, 3),
			.text = sql_get(res, i, 4),
			.score = sql_get(res, i, 5) };

		if (str_int(sql_get(res, i, 0), &p.chunk) &&
		    uuid_parse(sql_get(res, i, 1), &p.document) && !has(into, p.chunk))
			into->p[into->n++] = p;
	}
	return ERR_OK;
}

void
passage_json(struct buf *b, const struct passage *p, size_t n)
{
	struct str number;
	int64_t page = 0;

	buf_put(b, S("{"));
	if (n > 0)
		buf_printf(b, "\"n\":%zu,", n);
	buf_printf(b, "\"documentId\":\"%s\",\"documentName\":", p->document.text);
	buf_json(b, p->name);
	buf_put(b, S(",\"mark\":"));
	buf_json(b, p->mark);
	/* "page 3", or "page 3 (ii)" with the printed number. */
	(void)str_cut(p->mark, '(', &number);
	if (str_starts(number, S("page ")) &&
	    str_int(str_trim((struct str){ number.p + 5, number.n - 5 }), &page))
		buf_printf(b, ",\"page\":%lld", (long long)page);
	else
		buf_put(b, S(",\"page\":null"));
	buf_put(b, S(",\"text\":"));
	buf_json(b, p->text);
	buf_printf(b, ",\"score\":%.*s,\"chunk\":%lld}", S_ARG(p->score), (long long)p->chunk);
}

void
passage_text(struct buf *b, const struct passage *p, size_t n)
{
	buf_printf(b, "[%zu] %.*s, %.*s\n", n, S_ARG(p->name), S_ARG(p->mark));
	buf_put(b, p->text);
	buf_put(b, S("\n\n"));
}
