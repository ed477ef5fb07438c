/*
 * FreeDict's dictionaries as dictd(8) has them: an entry is its word, its pronunciation and, on the
 * lines that follow, its translations with remarks in brackets.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "thesaurus/pairs.h"

#define TRANSLATIONS 400 /* a word that has more means nothing */
#define ALIKE 20 /* words kept for one */

static const struct dictionary {
	const char *name;
	enum language foreign;
	bool from_english;
} dictionaries[] = {
	{ "freedict-eng-deu", LANGUAGE_GERMAN, true },
	{ "freedict-deu-eng", LANGUAGE_GERMAN, false },
	{ "freedict-eng-fra", LANGUAGE_FRENCH, true },
	{ "freedict-fra-eng", LANGUAGE_FRENCH, false },
	{ "freedict-eng-spa", LANGUAGE_SPANISH, true },
	{ "freedict-spa-eng", LANGUAGE_SPANISH, false },
};

/* An English word and a foreign one for it; a foreign word of two languages is two. */
struct translation {
	uint32_t english, foreign;
};

static struct {
	struct translation *p;
	size_t n, room;
} all;

/* How near a word is to another by the translations that they share. */
struct near {
	uint32_t from, to;
	float x;
};

static struct {
	struct near *p;
	size_t n, room;
} nears;

/* Up to a remark: "house /…/", "Haus <neut>, Gebäude <neut> [techn.]". */
static struct str
bare(struct str s)
{
	size_t n = 0;

	while (n < s.n && strchr("/<[({", s.p[n]) == NULL)
		n++;
	return str_trim((struct str){ s.p, n });
}

static void
add(const struct dictionary *d, struct str word, struct str other)
{
	struct str stem = stem_of(d->from_english ? LANGUAGE_ENGLISH : d->foreign, word);
	uint32_t from, to;

	if (stem.n == 0)
		return;
	from = word_number(stem);
	stem = stem_of(d->from_english ? d->foreign : LANGUAGE_ENGLISH, other);
	if (stem.n == 0 || stem.n > 64)
		return;
	to = word_number(stem);
	if (all.n == all.room) {
		all.room = all.room * 2 + 65536;
		all.p = xrealloc(all.p, all.room * sizeof(*all.p));
	}
	all.p[all.n++] =
	    d->from_english ? (struct translation){ from, to } : (struct translation){ to, from };
}

static bool
is_translation(struct str line)
{
	return line.n > 0 && strchr(" \"\t", line.p[0]) == NULL;
}

static void
read_dictionary(const struct dictionary *d, struct str text)
{
	struct str line, head = { NULL, 0 };

	while (text.n > 0) {
		text = str_cut(text, '\n', &line);
		if (memmem(line.p, line.n, " /", 2) != NULL) {
			head = bare(line);
			continue;
		}
		if (!is_translation(line) || head.n == 0)
			continue;
		while (line.n > 0) {
			struct str one;

			line = str_cut(line, ',', &one);
			one = bare(one);
			/* "2. prochain" */
			if (one.n > 3 && one.p[0] >= '1' && one.p[0] <= '9' && one.p[1] == '.')
				one = str_trim((struct str){ one.p + 2, one.n - 2 });
			add(d, head, one);
		}
	}
}

/* -- what translations have in common -- */

static int
by_english(const void *a, const void *b)
{
	const struct translation *x = a, *y = b;

	if (x->english != y->english)
		return x->english < y->english ? -1 : 1;
	return (x->foreign > y->foreign) - (x->foreign < y->foreign);
}

static int
by_foreign(const void *a, const void *b)
{
	const struct translation *x = a, *y = b;

	if (x->foreign != y->foreign)
		return x->foreign < y->foreign ? -1 : 1;
	return (x->english > y->english) - (x->english < y->english);
}

static int
by_pair(const void *a, const void *b)
{
	const struct near *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return (x->to > y->to) - (x->to < y->to);
}

static int
by_x(const void *a, const void *b)
{
	const struct near *x = a, *y = b;

	return (x->x < y->x) - (x->x > y->x);
}

static uint32_t
greatest(void)
{
	uint32_t n = 0;

	for (size_t i = 0; i < all.n; i++) {
		n = all.p[i].english > n ? all.p[i].english : n;
		n = all.p[i].foreign > n ? all.p[i].foreign : n;
	}
	return n;
}

/* Each translation once; of each English word how many it has. */
static uint32_t *
unique(void)
{
	uint32_t *n_foreign = xmalloc(((size_t)greatest() + 1) * sizeof(*n_foreign));
	size_t n = 0;

	memset(n_foreign, 0, ((size_t)greatest() + 1) * sizeof(*n_foreign));
	qsort(all.p, all.n, sizeof(*all.p), by_english);
	for (size_t i = 0; i < all.n; i++)
		if (i == 0 || by_english(&all.p[i], &all.p[n - 1]) != 0) {
			all.p[n++] = all.p[i];
			n_foreign[all.p[i].english]++;
		}
	all.n = n;
	return n_foreign;
}

static void
add_near(uint32_t from, uint32_t to, double x)
{
	if (nears.n == nears.room) {
		nears.room = nears.room * 2 + 65536;
		nears.p = xrealloc(nears.p, nears.room * sizeof(*nears.p));
	}
	nears.p[nears.n++] = (struct near){ from, to, (float)x };
}

/* All pairs of English words that have a foreign one in common; and its own pairs with them. */
static void
through_foreign(const uint32_t *n_foreign)
{
	qsort(all.p, all.n, sizeof(*all.p), by_foreign);
	for (size_t i = 0, end; i < all.n; i = end) {
		double n;

		for (end = i; end < all.n && all.p[end].foreign == all.p[i].foreign;)
			end++;
		n = (double)(end - i);
		if (n > TRANSLATIONS)
			continue;
		for (size_t k = i; k < end; k++) {
			pair_add(THESAURUS_FOREIGN, all.p[k].foreign, all.p[k].english,
			    n <= 4 ? 0.7 : 0.7 * sqrt(4 / n));
			if (n_foreign[all.p[k].english] > TRANSLATIONS)
				continue;
			for (size_t m = i; m < end; m++)
				if (m != k)
					add_near(all.p[k].english, all.p[m].english,
					    1 / (double)n_foreign[all.p[k].english] / sqrt(n));
		}
	}
}

/* Those of one pair are added up. */
static void
add_up(void)
{
	size_t n = 0;

	qsort(nears.p, nears.n, sizeof(*nears.p), by_pair);
	for (size_t i = 0; i < nears.n; i++)
		if (n > 0 && by_pair(&nears.p[i], &nears.p[n - 1]) == 0)
			nears.p[n - 1].x += nears.p[i].x;
		else
			nears.p[n++] = nears.p[i];
	nears.n = n;
}

/* Of each word the nearest, where it is near them too. */
static void
keep_nearest(void)
{
	struct near *mutual = xmalloc((nears.n + 1) * sizeof(*mutual));

	for (size_t i = 0; i < nears.n; i++) {
		struct near back = { nears.p[i].to, nears.p[i].from, 0 };
		const struct near *b = bsearch(&back, nears.p, nears.n, sizeof(back), by_pair);
		double x = nears.p[i].x, y = b != NULL && b->x > x / 10 ? b->x : x / 10;

		mutual[i] = (struct near){ nears.p[i].from, nears.p[i].to, (float)sqrt(x * y) };
	}
	for (size_t i = 0, end; i < nears.n; i = end) {
		for (end = i; end < nears.n && mutual[end].from == mutual[i].from;)
			end++;
		qsort(mutual + i, end - i, sizeof(*mutual), by_x);
		for (size_t k = i; k < end && k < i + ALIKE && mutual[k].x > 0.02F; k++)
			pair_add(THESAURUS_PIVOT, mutual[k].from, mutual[k].to,
			    fmin(0.8, 0.25 + 2.2 * (double)mutual[k].x));
	}
	free(mutual);
}

size_t
freedict_read(const char *dir)
{
	size_t n = 0;
	char path[4096];

	for (size_t i = 0; i < sizeof(dictionaries) / sizeof(*dictionaries); i++) {
		struct str text;

		(void)snprintf(path, sizeof(path), "%s/%s.dict.dz", dir, dictionaries[i].name);
		if ((text = file_read(path)).n == 0)
			continue;
		read_dictionary(&dictionaries[i], text);
		n++;
	}
	if (all.n > 0) {
		uint32_t *n_foreign = unique();

		through_foreign(n_foreign);
		add_up();
		keep_nearest();
		free(n_foreign);
	}
	return n;
}
