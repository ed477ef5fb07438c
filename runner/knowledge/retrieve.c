#include <math.h>
#include <stdlib.h>

#include <millrace/log.h>

#include "runner/knowledge/answered.h"
#include "runner/knowledge/furniture.h"
#include "runner/knowledge/near.h"
#include "runner/knowledge/question.h"
#include "runner/knowledge/rank.h"
#include "runner/knowledge/retrieve.h"
#include "runner/knowledge/stems.h"
#include "runner/knowledge/support.h"
#include "runner/knowledge/terms.h"
#include "runner/knowledge/utf8.h"
#include "runner/queue/slots.h"
#include "sql_job.h"

#define QUERY_MAX 2000 /* bytes of a query that count */
#define FEW 1000 /* passages that are searched in a few milliseconds */

#define CANDIDATES 150 /* passages that are ranked */
#define MORE_SHOWN 6 /* passages, for those that are tables of contents */
#define READ_MOST 6000 /* passages that candidates are chosen of, about */
#define LITTLE 0.3 /* a similarity that counts little */
#define STEM 0.4 /* a form's weight among candidates, where it is not the word itself */
#define NEAR_START 2 /* letters that are taken for right */
#define NEAR_WORDS 4000 /* of a collection that are looked at for one that it does not have */

#define RANK_CONSTANT 60 /* of reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009) */

static const struct retrieve_models *models;

void
retrieve_init(const struct retrieve_models *m)
{
	models = m;
}

/*
 * Over many passages a search is a good part of a processor's tenth of a second. A third of the
 * time is for who searches them while others are here.
 */
static struct slots slots = SLOTS(2, 4, 2);

static bool
has(const struct passages *list, int64_t chunk)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->p[i].chunk == chunk)
			return true;
	return false;
}

static void
add(struct arena *a, struct passages *list, const struct passage *p)
{
	if (!list->p)
		list->p = arena_alloc(a, PASSAGES_MAX * sizeof(*list->p));
	list->p[list->n++] = *p;
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

/* What a search holds while it goes on; all of it is the scratch arena's. */
struct search {
	struct job *j;
	struct arena *a;
	struct question *q;
	bool of_chatbot;
	double passages, length; /* the owner's, and how many stems one has */
};

static struct str_list
list_new(struct search *s, size_t room)
{
	return (struct str_list){ arena_alloc(s->a, (room + 1) * sizeof(struct str)), 0 };
}

/* The term, and whatever has it as its stem. */
static void
put_both(struct search *s, struct str_list *words, struct str term)
{
	words->p[words->n++] = term;
	words->p[words->n++] = arena_printf(s->a, STEM_MARK "%.*s", S_ARG(term));
}

/* How many passages have each term, or a word of that stem. */
static enum err
count_terms(struct search *s)
{
	struct str_list words = list_new(s, 2 * s->q->n_terms);
	PGresult *res = NULL;
	int64_t place, n, total = 0, stems = 0;
	enum err e;

	for (size_t i = 0; i < s->q->n_terms; i++)
		put_both(s, &words, s->q->term[i].text);
	if ((e = job_runner_words_kept(s->j, s->a, &res, s->j->owner, words)) != ERR_OK)
		return e;
	for (int i = 0; i < PQntuples(res); i++) {
		if (str_int(sql_get(res, i, 0), &place) && str_int(sql_get(res, i, 1), &n) &&
		    place > 0 && place <= (int64_t)words.n)
			s->q->term[(place - 1) / 2].passages += n;
		(void)str_int(sql_get(res, i, 2), &total);
		(void)str_int(sql_get(res, i, 3), &stems);
	}
	s->passages = (double)total;
	s->length = total > 0 ? (double)stems / (double)total : 0;
	return ERR_OK;
}

/* Words of the collection, or their stems, that begin as word i does. */
static enum err
guess_word(struct search *s, size_t i, const char *mark)
{
	struct str word = s->q->word[i], start = { word.p, 0 };
	PGresult *res = NULL;
	int64_t n;
	enum err e;

	for (int letters = 0; letters < NEAR_START && start.n < word.n; letters++) {
		uint32_t c;

		start.n += utf8_next((struct str){ word.p + start.n, word.n - start.n }, &c);
	}
	start = arena_printf(s->a, "%s%.*s", mark, S_ARG(start));
	e = job_runner_words_near(s->j, s->a, &res, s->j->owner, start, NEAR_WORDS);
	for (int k = 0; e == ERR_OK && k < PQntuples(res); k++) {
		word = sql_get(res, k, 0);
		word.p += strlen(mark);
		word.n -= strlen(mark);
		if (str_int(sql_get(res, k, 1), &n))
			question_near(s->q, i, word, n);
	}
	return e;
}

/* Words of the collection for those of the question that it does not have. */
static enum err
guess_words(struct search *s)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < s->q->n && e == ERR_OK; i++)
		if (question_is_unknown(s->q, i) && (e = guess_word(s, i, "")) == ERR_OK)
			e = guess_word(s, i, STEM_MARK);
	return e;
}

/*
 * What candidates are looked up by: any of some words that mean one of the question's, and what it
 * weighs that a passage has one.
 */
enum likeness { LIKE_EXACT, LIKE_FORM, LIKE_SIMILAR, LIKE_LITTLE, LIKE_N };

struct lookup {
	struct buf words; /* with spaces between */
	size_t word; /* the question's */
	enum likeness likeness;
	int64_t passages; /* that have these, at most */
	double weight;
};

/* The words of the question to the letter before all else, then rare ones. */
static int
by_worth(const void *a, const void *b)
{
	const struct lookup *x = a, *y = b;

	if ((x->likeness > LIKE_FORM) != (y->likeness > LIKE_FORM))
		return x->likeness > LIKE_FORM ? 1 : -1;
	if (x->passages != y->passages)
		return x->passages < y->passages ? -1 : 1;
	return x->word != y->word ? (x->word < y->word ? -1 : 1)
				  : (int)x->likeness - (int)y->likeness;
}

static void
add_word(struct lookup *l, struct str word, double weight)
{
	buf_put(&l->words, l->words.n > 0 ? S(" ") : S(""));
	buf_put(&l->words, word);
	l->weight = weight > l->weight ? weight : l->weight;
}

/* A term goes to the lookup of its likeness; that it is a word's stem is no more than a form. */
static void
add_term(struct search *s, struct lookup *of_word, const struct asked *t)
{
	double weight = t->similar[SIMILAR_CONTEXT] * s->q->idf[t->word];
	struct str both[2];
	struct str_list words = { both, 0 };
	enum likeness like = !t->is_form			    ? LIKE_SIMILAR
			     : str_eq(t->text, s->q->word[t->word]) ? LIKE_EXACT
								    : LIKE_FORM;

	if (like == LIKE_SIMILAR && t->similar[SIMILAR_CONTEXT] < LITTLE)
		like = LIKE_LITTLE;
	put_both(s, &words, t->text);
	of_word[like].passages += t->passages;
	add_word(&of_word[like], both[0], like == LIKE_EXACT ? weight : STEM * weight);
	add_word(&of_word[like == LIKE_EXACT ? LIKE_FORM : like], both[1], STEM * weight);
}

/*
 * By the rarest terms, as long as their passages are not too many together, those of the question
 * first. The commonest words of the question are looked up together.
 */
static enum err
find_candidates(struct search *s, struct str query, int64_t most, PGresult **res)
{
	struct question *q = s->q;
	size_t n = q->n * LIKE_N;
	struct lookup *l = arena_alloc(s->a, (n + 1) * sizeof(*l));
	struct str_list words = list_new(s, n), groups = list_new(s, n), weights = list_new(s, n);
	struct buf common = { .a = s->a };
	int64_t read = 0;

	for (size_t i = 0; i < n; i++)
		l[i] = (struct lookup){ .words = { .a = s->a },
			.word = i / LIKE_N,
			.likeness = (enum likeness)(i % LIKE_N) };
	for (size_t i = 0; i < q->n_terms; i++)
		add_term(s, l + q->term[i].word * LIKE_N, &q->term[i]);
	qsort(l, n, sizeof(*l), by_worth);
	for (size_t i = 0; i < n; i++) {
		if (l[i].words.n == 0)
			continue;
		if (words.n == 0 || read + l[i].passages <= READ_MOST) {
			read += l[i].passages;
			words.p[words.n++] = buf_str(&l[i].words);
			groups.p[groups.n++] = arena_printf(s->a, "%zu", l[i].word);
			weights.p[weights.n++] = arena_printf(s->a, "%.4f", l[i].weight);
		} else if (l[i].likeness == LIKE_EXACT) {
			buf_put(&common, common.n > 0 ? S(" ") : S(""));
			buf_put(&common, q->word[l[i].word]);
		}
	}
	return job_runner_passages_find(s->j, s->a, res, s->j->owner, words, groups, weights,
	    buf_str(&common), query, most, s->of_chatbot);
}

/* The stems of a document's names, made once for those that follow each other. */
static struct str
title_stems(struct search *s, struct lexicon *l, struct str names)
{
	return passage_stems(s->a, l, names, S(""));
}

/* All of a search's candidates; near[i] is the place of one among the passages like the question.
 */
struct candidates {
	struct candidate *c;
	struct str *id; /* the chunk's */
	size_t *near; /* from 1; 0: it is not among them */
	size_t n, room;
};

static void
add_candidates(struct search *s, PGresult *res, struct candidates *all, size_t near)
{
	struct lexicon *l = lexicon_new(s->a, LANGUAGE_ENGLISH);

	for (int i = 0; i < PQntuples(res) && all->n < all->room; i++) {
		struct candidate *c = &all->c[all->n];

		c->exact = strtod(arena_cstr(s->a, sql_get(res, i, 6)), NULL);
		c->stems = sql_get(res, i, 4);
		/* A passage of an earlier version of the index */
		if (c->stems.n == 0)
			c->stems = passage_stems(s->a, l, S(""), sql_get(res, i, 5));
		if (i > 0 && str_eq(sql_get(res, i, 1), sql_get(res, i - 1, 1)))
			c->title = c[-1].title;
		else
			c->title = title_stems(s, l,
			    arena_printf(s->a, "%.*s\n%.*s", S_ARG(sql_get(res, i, 2)),
				S_ARG(sql_get(res, i, 3))));
		all->near[all->n] = near;
		all->id[all->n++] = sql_get(res, i, 0);
	}
}

/* Sets the place of those that are like the question; the others' ids are what is still to look up.
 */
static struct str_list
place_near(struct search *s, struct candidates *all, const struct near *near)
{
	struct str_list more = list_new(s, NEAR_MOST);

	for (size_t i = 0; i < near->n; i++) {
		size_t k = 0;

		while (k < all->n && !str_eq(all->id[k], near->p[i].id))
			k++;
		if (k < all->n)
			all->near[k] = i + 1;
		else
			more.p[more.n++] = near->p[i].id;
	}
	return more;
}

static enum err
find_all(struct search *s, struct str query, const struct near *near, struct candidates *all)
{
	PGresult *found = NULL, *more = NULL;
	struct str_list ids;
	size_t n = 0;
	enum err e;

	if (s->q->n_terms > 0 && (e = find_candidates(s, query, CANDIDATES, &found)) != ERR_OK)
		return e;
	all->room = CANDIDATES + NEAR_MOST;
	all->c = arena_alloc(s->a, (all->room + 1) * sizeof(*all->c));
	all->id = arena_alloc(s->a, (all->room + 1) * sizeof(*all->id));
	all->near = arena_alloc(s->a, (all->room + 1) * sizeof(*all->near));
	if (found)
		add_candidates(s, found, all, 0);
	ids = place_near(s, all, near);
	if (ids.n == 0)
		return ERR_OK;
	if ((e = job_runner_passages_more(s->j, s->a, &more, ids)) != ERR_OK)
		return e;
	n = all->n;
	add_candidates(s, more, all, 0);
	/* In the order in which they came, which is not that of their likeness. */
	for (; n < all->n; n++)
		for (size_t i = 0; i < near->n; i++)
			if (str_eq(all->id[n], near->p[i].id))
				all->near[n] = i + 1;
	return ERR_OK;
}

static int
by_score(const void *a, const void *b)
{
	const struct candidate *const *x = a, *const *y = b;

	return ((*x)->score < (*y)->score) - ((*x)->score > (*y)->score);
}

/* Joins both orders by their places, where there are two. */
static void
fuse(struct search *s, struct candidates *all, bool has_near)
{
	struct candidate **order = arena_alloc(s->a, (all->n + 1) * sizeof(struct candidate *));
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		if (all->c[i].score > 0)
			order[n++] = &all->c[i];
	if (!has_near)
		return;
	qsort(order, n, sizeof(struct candidate *), by_score);
	for (size_t i = 0; i < n; i++)
		order[i]->score = 1.0 / (double)(RANK_CONSTANT + i + 1);
	for (size_t i = 0; i < all->n; i++)
		if (all->near[i] > 0)
			all->c[i].score += 1.0 / (double)(RANK_CONSTANT + all->near[i]);
}

/* The best candidate that is left, and not the same text as one that was taken. */
static size_t
best_of(struct candidate *c, size_t n, const size_t *taken, size_t n_taken)
{
	size_t best = n;

	for (size_t i = 0; i < n; i++)
		if (c[i].score > 0 && (best == n || c[i].score > c[best].score))
			best = i;
	for (size_t i = 0; best < n && i < n_taken; i++)
		if (str_eq(c[taken[i]].stems, c[best].stems)) {
			c[best].score = 0;
			return best_of(c, n, taken, n_taken);
		}
	return best;
}

/* For tests/bench/answered. */
static void
log_features(struct arena *a, const struct covered *by, const double x[FEATURE_N])
{
	struct buf b = { .a = a };

	for (size_t i = 0; i < FEATURE_N; i++)
		buf_printf(&b, "%s%.4f", i > 0 ? " " : "", x[i]);
	log_debug("search: features", "foreign", by->foreign ? "1" : "0", "of",
	    arena_cstr(a, buf_str(&b)));
}

/* Whether the best answer the question; `text` is that of the first. */
static bool
is_answered(struct search *s, struct candidate *const *best, size_t n, struct str text)
{
	double x[FEATURE_N];
	struct covered by;

	answered_by(s->a, s->q, best, n, text, &by);
	answered_features(s->q, &by, x);
	if (log_wants(LOG_DEBUG))
		log_features(s->a, &by, x);
	return answered(&by, x);
}

/* The best passages and what is shown of them, in their order. */
struct best {
	struct candidate *c[PASSAGES_MAX];
	int row[PASSAGES_MAX]; /* of the texts */
	size_t n;
};

/* Tables of contents come behind the others, which say what these only name. */
static void
order_best(PGresult *texts, struct candidate *c, const size_t *taken, struct best *out)
{
	int64_t at;

	for (int contents = 0; contents < 2; contents++)
		for (int i = 0; i < PQntuples(texts) && out->n < PASSAGES_MAX; i++) {
			bool is = furniture_is_contents(sql_get(texts, i, 5), sql_get(texts, i, 6));

			if (is != (contents == 1) || !str_int(sql_get(texts, i, 0), &at))
				continue;
			out->c[out->n] = &c[taken[at - 1]];
			out->row[out->n++] = i;
		}
}

static void
put_passage(struct search *s, PGresult *texts, int row, double score, struct passages *into)
{
	struct passage p = { .name = sql_get(texts, row, 3),
		.mark = sql_get(texts, row, 4),
		.heading = sql_get(texts, row, 5),
		.text = sql_get(texts, row, 6) };

	if (into->n == PASSAGES_MAX || !str_int(sql_get(texts, row, 1), &p.chunk) ||
	    !uuid_parse(sql_get(texts, row, 2), &p.document) || has(into, p.chunk))
		return;
	p.score = arena_printf(s->j->a, "%.6f", score);
	add(s->j->a, into, &p);
}

/* The texts of the best, in their order. */
static enum err
take_best(struct search *s, struct candidates *all, size_t want, struct passages *into)
{
	size_t n = all->n, taken[PASSAGES_MAX], n_taken = 0;
	struct candidate *c = all->c;
	struct str_list ids = list_new(s, PASSAGES_MAX);
	struct best best = { .n = 0 };
	PGresult *texts = NULL;
	size_t before = into->n;
	double score = 0;
	enum err e;

	while (n_taken < want + MORE_SHOWN && n_taken < PASSAGES_MAX) {
		size_t i = best_of(c, n, taken, n_taken);

		if (i == n)
			break;
		taken[n_taken++] = i;
		ids.p[ids.n++] = all->id[i];
		c[i].score = -c[i].score;
	}
	if (n_taken == 0 || (e = job_runner_passages_show(s->j, &texts, ids)) != ERR_OK)
		return n_taken == 0 ? ERR_OK : e;
	order_best(texts, c, taken, &best);
	if (best.n > 0 && is_answered(s, best.c, best.n, sql_get(texts, best.row[0], 6)))
		into->answer = true;
	for (size_t i = 0; i < best.n && i < want; i++) {
		score = i > 0 ? fmin(score, -best.c[i]->score) : -best.c[i]->score;
		put_passage(s, texts, best.row[i], score, into);
	}
	if (into->n > before)
		support_rate(s->j->a, s->a, s->q, into->p + before, into->n - before);
	return ERR_OK;
}

/* In a slot, which who searches many passages holds alone while others are here. */
static enum err
search(
    struct search *s, struct str query, const struct meaning *m, size_t want, struct passages *into)
{
	struct near near = { .n = 0 };
	struct candidates all = { .n = 0 };
	enum err e;

	if ((e = guess_words(s)) != ERR_OK)
		return e;
	question_weigh(s->q, s->passages);
	if (m && (e = near_find(s->j, s->a, m, s->of_chatbot, &near)) != ERR_OK)
		return e;
	if ((e = find_all(s, query, &near, &all)) != ERR_OK)
		return e;
	rank(s->a, s->q, s->length, all.c, all.n);
	fuse(s, &all, near.n > 0);
	return take_best(s, &all, want, into);
}

enum err
retrieve(struct job *j, struct str query, int want, struct passages *into, size_t *first)
{
	struct search s = { .j = j, .of_chatbot = into->of_chatbot };
	struct meaning m;
	struct slot mine = { .of = &slots, .owner = j->owner };
	bool has_meaning;
	enum err e;

	*first = into->n;
	query = shortened(query);
	/* Not the job's, which has it for as long as the answer takes. */
	s.a = arena_new();
	s.q = arena_alloc(s.a, sizeof(*s.q));
	has_meaning = models && models->meaning && models->meaning(j, s.a, query, &m);
	question_read(s.a, query, s.q);
	j->stops_statements = true;
	e = count_terms(&s);
	mine.is_short = s.passages <= FEW;
	if (e == ERR_OK && slot_acquire(&mine, &j->stop)) {
		e = search(&s, query, has_meaning ? &m : NULL, (size_t)want, into);
		slot_release(&mine);
	}
	j->stops_statements = false;
	arena_free(s.a);
	return e != ERR_OK && stop_why(&j->stop) != STOP_NOT ? ERR_OK : e;
}

enum err
retrieve_chosen(struct job *j, struct str query, int want, struct passages *into, size_t *first)
{
	struct passages *some;
	size_t places[PASSAGES_MAX], n, none;
	bool taken[PASSAGES_MAX] = { false };
	enum err e;

	if (!models || !models->choose)
		return retrieve(j, query, want, into, first);
	*first = into->n;
	some = arena_alloc(j->a, sizeof(*some));
	some->of_chatbot = into->of_chatbot;
	e = retrieve(j, query, (int)models->choose_from, some, &none);
	into->answer = into->answer || some->answer;
	if (e != ERR_OK || some->n == 0)
		return e;
	n = some->n > (size_t)want ? models->choose(j, j->a, query, some, places) : 0;
	for (size_t i = 0; i < n; i++)
		taken[places[i]] = true;
	for (size_t i = 0; i < some->n && n < PASSAGES_MAX; i++)
		if (!taken[i])
			places[n++] = i;
	for (size_t i = 0; i < n && i < (size_t)want && into->n < PASSAGES_MAX; i++)
		if (!has(into, some->p[places[i]].chunk))
			add(j->a, into, &some->p[places[i]]);
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
