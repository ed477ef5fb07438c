#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <millrace/unicode.h>

#include "runner/knowledge/terms.h"
#include "thesaurus/pairs.h"

#define FILE_MAX ((size_t)256 * 1024 * 1024)

struct pair {
	uint32_t from, to;
	uint8_t weight;
};

static struct arena *keep, *scratch;
static struct stemmer *stemmers[LANGUAGE_N];

/* Words by their hash, open addressing; `order` is what qsort(3) compares by. */
static struct {
	struct str *text;
	uint32_t *slot; /* a word's number and 1 */
	size_t n, n_slots;
} words;
static struct {
	struct pair *p;
	size_t n, room;
} pairs[THESAURUS_N];

struct str
stem_of(enum language l, struct str word)
{
	struct terms terms;

	if (keep == NULL)
		keep = arena_new();
	if (scratch == NULL)
		scratch = arena_new();
	arena_reset(scratch);
	if (stemmers[l] == NULL)
		stemmers[l] = stemmer_new(keep, l);
	terms_of(scratch, word, &terms);
	if (terms.words.n == 0 || memchr(terms.words.p, ' ', terms.words.n) != NULL)
		return (struct str){ NULL, 0 };
	return stemmer_stem(stemmers[l], terms.words);
}

static uint32_t *
slot_of(struct str stem)
{
	uint64_t h = 1469598103934665603ULL;

	for (size_t i = 0; i < stem.n; i++)
		h = (h ^ (unsigned char)stem.p[i]) * 1099511628211ULL;
	for (h ^= h >> 32;; h++) {
		uint32_t *slot = &words.slot[h % words.n_slots];

		if (*slot == 0 || str_eq(words.text[*slot - 1], stem))
			return slot;
	}
}

static void
grow_words(void)
{
	words.n_slots = words.n_slots ? words.n_slots * 2 : 1 << 18;
	free(words.slot);
	words.slot = xmalloc(words.n_slots * sizeof(*words.slot));
	memset(words.slot, 0, words.n_slots * sizeof(*words.slot));
	words.text = xrealloc(words.text, words.n_slots / 2 * sizeof(*words.text));
	for (size_t i = 0; i < words.n; i++)
		*slot_of(words.text[i]) = (uint32_t)i + 1;
}

uint32_t
word_number(struct str stem)
{
	uint32_t *slot;

	if (words.n * 2 >= words.n_slots)
		grow_words();
	slot = slot_of(stem);
	if (*slot == 0) {
		words.text[words.n++] = arena_str(keep, stem);
		*slot = (uint32_t)words.n;
	}
	return *slot - 1;
}

struct str
word_text(uint32_t number)
{
	return words.text[number];
}

void
pair_add(enum thesaurus_relation r, uint32_t from, uint32_t to, double weight)
{
	if (from == to)
		return;
	if (pairs[r].n == pairs[r].room) {
		pairs[r].room = pairs[r].room * 2 + 4096;
		pairs[r].p = xrealloc(pairs[r].p, pairs[r].room * sizeof(*pairs[r].p));
	}
	pairs[r].p[pairs[r].n++] = (struct pair){ from, to, (uint8_t)(weight * 255 + 0.5) };
}

/* -- the file -- */

static int
by_text(const void *a, const void *b)
{
	struct str x = words.text[*(const uint32_t *)a], y = words.text[*(const uint32_t *)b];
	int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);

	return c != 0 ? c : (x.n > y.n) - (x.n < y.n);
}

static int
by_words(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return (int)y->weight - (int)x->weight;
}

/* With the words' new numbers, sorted, each pair once. */
static void
order_pairs(const uint32_t *renumbered)
{
	for (size_t r = 0; r < THESAURUS_N; r++) {
		struct pair *p = pairs[r].p;
		size_t n = 0;

		for (size_t i = 0; i < pairs[r].n; i++) {
			p[i].from = renumbered[p[i].from];
			p[i].to = renumbered[p[i].to];
		}
		if (pairs[r].n > 0)
			qsort(p, pairs[r].n, sizeof(*p), by_words);
		for (size_t i = 0; i < pairs[r].n; i++)
			if (n == 0 || p[i].from != p[n - 1].from || p[i].to != p[n - 1].to)
				p[n++] = p[i];
		pairs[r].n = n;
	}
}

size_t
pairs_count(enum thesaurus_relation r)
{
	return pairs[r].n;
}

static void
put(FILE *f, uint32_t x)
{
	(void)fwrite(&x, sizeof(x), 1, f);
}

static void
put_pairs(FILE *f, size_t r)
{
	for (size_t w = 0, i = 0; w < words.n; w++) {
		while (i < pairs[r].n && pairs[r].p[i].from == w)
			i++;
		put(f, (uint32_t)i);
	}
	for (size_t i = 0; i < pairs[r].n; i++)
		put(f, THESAURUS_PAIR(pairs[r].p[i].to, pairs[r].p[i].weight));
}

void
pairs_write(const char *path)
{
	struct thesaurus_header head = { .magic = THESAURUS_MAGIC, .n_words = (uint32_t)words.n };
	uint32_t *order = xmalloc((words.n + 1) * 2 * sizeof(*order)), *number = order + words.n;
	FILE *f = fopen(path, "we");

	for (size_t i = 0; i < words.n; i++) {
		order[i] = (uint32_t)i;
		head.text_len += (uint32_t)words.text[i].n;
	}
	qsort(order, words.n, sizeof(*order), by_text);
	for (size_t i = 0; i < words.n; i++)
		number[order[i]] = (uint32_t)i;
	order_pairs(number);
	for (size_t r = 0; r < THESAURUS_N; r++)
		head.n_pairs[r] = (uint32_t)pairs[r].n;
	if (f != NULL) {
		uint32_t end = 0;

		(void)fwrite(&head, sizeof(head), 1, f);
		for (size_t i = 0; i < words.n; i++)
			put(f, end += (uint32_t)words.text[order[i]].n);
		for (size_t r = 0; r < THESAURUS_N; r++)
			put_pairs(f, r);
		for (size_t i = 0; i < words.n; i++)
			(void)fwrite(words.text[order[i]].p, 1, words.text[order[i]].n, f);
	}
	if (f == NULL || ferror(f) || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
	free(order);
}

struct str
file_read(const char *path)
{
	gzFile f = gzopen(path, "rbe");
	struct str s = { NULL, 0 };
	char *p = NULL;
	int got = 1;

	if (f == NULL)
		return s;
	while (got > 0 && s.n < FILE_MAX) {
		p = xrealloc(p, s.n + (1 << 20));
		got = gzread(f, p + s.n, 1 << 20);
		s.n += got > 0 ? (size_t)got : 0;
	}
	(void)gzclose(f);
	s.p = p;
	return s;
}
