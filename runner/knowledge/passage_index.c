#include <millrace/clock.h>
#include <millrace/log.h>

#include "runner/knowledge/chunker.h"
#include "runner/knowledge/passage_index.h"
#include "runner/knowledge/stems.h"
#include "runner/knowledge/terms.h"
#include "runner/queue/periodic.h"
#include "sql_runner.h"

#define RETRY_MS 5000
#define LANGUAGE_BYTES 20000 /* of a document, by which its language is known */

/* -- a document -- */

static void
grow(struct index *x, struct str_list *list)
{
	struct str *p = arena_alloc(x->a, x->room * sizeof(*p));

	if (list->n > 0)
		memcpy(p, list->p, list->n * sizeof(*p));
	list->p = p;
}

static void
add(struct str_list *list, struct str s)
{
	list->p[list->n++] = s;
}

static void
add_passage(struct index *x, struct lexicon *l, struct str mark, const struct chunk *c)
{
	struct str headings = arena_printf(x->a, "%.*s\n%.*s", S_ARG(c->heading), S_ARG(c->inside));

	if (x->marks.n == x->room) {
		x->room = x->room * 2 + 64;
		grow(x, &x->marks);
		grow(x, &x->headings);
		grow(x, &x->texts);
		grow(x, &x->carried);
		grow(x, &x->words);
		grow(x, &x->stems);
	}
	add(&x->marks, mark);
	add(&x->headings, c->heading);
	add(&x->texts, c->text);
	add(&x->carried, arena_printf(x->a, "%zu", c->carried));
	add(&x->stems, passage_stems(x->a, l, headings, c->text));
	add(&x->words, passage_words(x->a, l,
			   arena_printf(x->a, "%.*s\n%.*s\n%.*s", S_ARG(x->title), S_ARG(headings),
			       S_ARG(c->text))));
	x->characters += str_chars(c->text) - c->carried;
}

static bool
is_paragraph(struct str mark)
{
	return str_starts(mark, S("paragraph "));
}

/* The text of blocks that are cut together: paragraphs that follow each other, else one. */
static struct str
together(struct arena *a, const struct block *blocks, size_t n, size_t *used)
{
	struct buf b = { .a = a };

	*used = 1;
	if (n == 1 || !is_paragraph(blocks[0].mark) || !is_paragraph(blocks[1].mark))
		return blocks[0].text;
	for (*used = 0; *used < n && is_paragraph(blocks[*used].mark); (*used)++) {
		buf_put(&b, *used > 0 ? S("\n\n") : S(""));
		buf_put(&b, blocks[*used].text);
	}
	return buf_str(&b);
}

/* The mark of what begins at a byte of such a text. */
static struct str
mark_at(const struct block *blocks, size_t n, size_t at)
{
	size_t i = 0;

	while (i + 1 < n && at >= blocks[i].text.n + 2)
		at -= blocks[i++].text.n + 2;
	return blocks[i].mark;
}

static enum language
language_in(const struct block *blocks, size_t n)
{
	struct arena *scratch = arena_new();
	struct buf b = { .a = scratch };
	struct terms terms;
	enum language l;
	bool is_known;

	for (size_t i = 0; i < n && b.n < LANGUAGE_BYTES; i++) {
		buf_put(&b, blocks[i].text);
		buf_put(&b, S("\n"));
	}
	terms_of(scratch, (struct str){ b.p, b.n < LANGUAGE_BYTES ? b.n : LANGUAGE_BYTES }, &terms);
	l = language_of(terms.words, &is_known);
	arena_free(scratch);
	return l;
}

void
index_document(struct index *x, struct block *blocks, size_t n)
{
	struct arena *scratch = arena_new();
	struct lexicon *l = lexicon_new(scratch, language_in(blocks, n));
	struct chunker c = { .a = x->a };
	struct chunk chunk;

	running_cut(x->a, blocks, n);
	for (size_t i = 0, used; i < n; i += used) {
		c.text = together(x->a, blocks + i, n - i, &used);
		c.at = c.carried = 0;
		while (chunk_next(&c, &chunk))
			add_passage(x, l,
			    mark_at(blocks + i, used, (size_t)(chunk.text.p - c.text.p)), &chunk);
	}
	arena_free(scratch);
}

/* -- documents of before -- */

/* The blocks of a document by its passages: those of one mark are one. */
static size_t
blocks_of(struct arena *a, PGresult *res, struct block **out)
{
	size_t rows = (size_t)PQntuples(res), n = 0;
	struct block *blocks = arena_alloc(a, (rows + 1) * sizeof(*blocks));

	for (size_t i = 0; i < rows; i++) {
		struct block b = { sql_get(res, (int)i, 0), sql_get(res, (int)i, 1) };

		if (n > 0 && str_eq(blocks[n - 1].mark, b.mark))
			blocks[n - 1].text =
			    arena_printf(a, "%.*s\n%.*s", S_ARG(blocks[n - 1].text), S_ARG(b.text));
		else
			blocks[n++] = b;
	}
	*out = blocks;
	return n;
}

static bool
index_again(struct db *db, struct arena *a, struct uuid document, struct str seen, struct str title)
{
	struct index x = { .a = a, .title = title };
	PGresult *res = NULL, *stored = NULL;
	struct block *blocks;
	size_t n;

	if (db_runner_index_passages(db, a, &res, document) != ERR_OK)
		return false;
	n = blocks_of(a, res, &blocks);
	index_document(&x, blocks, n);
	return db_runner_index_store(db, a, &stored, document, seen, INDEX_VERSION, x.marks,
		   x.headings, x.texts, x.carried, x.words, x.stems) == ERR_OK &&
	       sql_bool(stored, 0, 0);
}

int64_t
passage_index_run(struct db *db, struct arena *a, struct stop *stop)
{
	int64_t began = clock_ms(), took;
	PGresult *res = NULL;
	struct uuid document;
	bool good;

	if (db_runner_index_next(db, a, &res, INDEX_VERSION) != ERR_OK)
		return RETRY_MS;
	if (PQntuples(res) == 0 || !uuid_parse(sql_get(res, 0, 0), &document))
		return PERIODIC_AS_TABLED;
	if (stop_why(stop) != STOP_NOT)
		return RETRY_MS;
	good = index_again(db, a, document, sql_get(res, 0, 1), sql_get(res, 0, 2));
	took = clock_ms() - began;
	if (good) {
		periodic_wake(S("passages"));
		log_debug("index: a document was indexed again", "document", document.text);
	}
	return good ? 3 * took + 1 : RETRY_MS;
}

int64_t
passages_sort_run(struct db *db, struct arena *a, struct stop *stop)
{
	(void)stop;
	return db_runner_passages_sort(db, a, NULL) == ERR_OK ? PERIODIC_AS_TABLED : RETRY_MS;
}
