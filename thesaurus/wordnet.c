/*
 * WordNet 3.0, as wndb(5WN) describes its files: data.* has the sets of synonyms, each a line that
 * is found by its offset, index.* the sets of a word, its commonest meaning first.
 */
#include <stdio.h>
#include <stdlib.h>

#include "thesaurus/pairs.h"

#define SENSES 4 /* of a word in a part of speech */
#define WORDS_MAX 32 /* of a set */
#define GLOSS_SENSES 2

static const char *const parts[] = { "noun", "verb", "adj", "adv" };
static struct str data[4];

/* How much a pointer's target counts, for how many of a word's meanings. */
static const struct relation {
	const char *symbol;
	double weight;
	int senses;
} relations[] = {
	{ "@", 0.4, SENSES }, /* a kind of it */
	{ "~", 0.3, 1 }, /* its kinds */
	{ "&", 0.5, SENSES }, /* similar */
	{ "\\", 0.6, SENSES }, /* of it */
	{ "<", 0.5, SENSES }, /* participle of it */
	{ "*", 0.4, SENSES }, /* entails */
	{ "^", 0.4, SENSES }, /* see also */
	{ "$", 0.4, SENSES }, /* verbs alike */
	{ ">", 0.3, SENSES }, /* causes */
	{ "=", 0.3, SENSES }, /* attribute */
};
/* Rarer meanings count less. */
static const double by_sense[SENSES] = { 1, 0.8, 0.6, 0.5 };

struct set {
	struct str word[WORDS_MAX];
	size_t n;
	struct str rest; /* the number of pointers, these, and the gloss */
};

static int
part_of(char c)
{
	return c == 'n' ? 0 : c == 'v' ? 1 : c == 'r' ? 3 : 2;
}

static struct str
field(struct str *line)
{
	struct str word;

	*line = str_cut(*line, ' ', &word);
	return word;
}

static long
number(struct str digits, int base)
{
	char text[16] = "";

	if (digits.n > 0 && digits.n < sizeof(text))
		memcpy(text, digits.p, digits.n);
	return strtol(text, NULL, base);
}

/* The set at an offset; without words where there is none. */
static void
set_at(int part, long offset, struct set *out)
{
	struct str line = data[part];
	long n;

	out->n = 0;
	if (offset < 0 || (size_t)offset >= line.n)
		return;
	line.p += offset;
	line.n -= (size_t)offset;
	(void)str_cut(line, '\n', &line);
	for (int i = 0; i < 3; i++)
		(void)field(&line);
	n = number(field(&line), 16);
	for (long i = 0; i < n; i++) {
		struct str word = field(&line);

		(void)field(&line);
		/* (p) and the like say where an adjective stands. */
		(void)str_cut(word, '(', &word);
		if (out->n < WORDS_MAX)
			out->word[out->n++] = word;
	}
	out->rest = line;
}

static void
relate(uint32_t from, struct str word, double weight)
{
	struct str stem = stem_of(LANGUAGE_ENGLISH, word);

	if (stem.n > 0)
		pair_add(THESAURUS_WORDNET, from, word_number(stem), weight);
}

static void
relate_set(uint32_t from, int part, long offset, double weight)
{
	struct set s;

	set_at(part, offset, &s);
	for (size_t i = 0; i < s.n; i++)
		relate(from, s.word[i], weight);
}

/* A word of other form for the same: the first three letters are the same. */
static void
relate_derived(uint32_t from, struct str word, int part, long offset)
{
	struct set s;

	set_at(part, offset, &s);
	for (size_t i = 0; i < s.n; i++)
		if (word.n >= 3 && s.word[i].n >= 3 && memcmp(word.p, s.word[i].p, 3) == 0)
			relate(from, s.word[i], 0.8);
}

static void
relate_pointers(uint32_t from, struct str word, int sense, struct str *rest)
{
	long n = number(field(rest), 10);

	for (long i = 0; i < n; i++) {
		struct str symbol = field(rest);
		long offset = number(field(rest), 10);
		int part = part_of(field(rest).p[0]);

		(void)field(rest);
		if (str_eq(symbol, S("+")))
			relate_derived(from, word, part, offset);
		for (size_t k = 0; k < sizeof(relations) / sizeof(*relations); k++)
			if (str_eq(symbol, str_from(relations[k].symbol)) &&
			    sense < relations[k].senses)
				relate_set(
				    from, part, offset, relations[k].weight * by_sense[sense]);
	}
}

/* The words that explain it, up to the first semicolon. */
static void
relate_gloss(uint32_t from, int sense, struct str rest)
{
	struct str gloss, word;

	(void)str_cut(str_cut(rest, '|', &word), ';', &gloss);
	while (gloss.n > 0) {
		gloss = str_cut(gloss, ' ', &word);
		while (word.n > 0 && strchr("().,:'`\"", word.p[0]) != NULL)
			word = (struct str){ word.p + 1, word.n - 1 };
		while (word.n > 0 && strchr("().,:'`\"", word.p[word.n - 1]) != NULL)
			word.n--;
		if (word.n > 2 && !language_is_common(LANGUAGE_ENGLISH, word))
			relate(from, word, 0.3 * by_sense[sense]);
	}
}

/* A line of an index: lemma pos n n_pointers pointers… n n_tagged offsets… */
static void
read_lemma(int part, struct str line)
{
	struct str word = field(&line), stem;
	uint32_t from;
	long n_sets, n_symbols;

	(void)field(&line);
	n_sets = number(field(&line), 10);
	n_symbols = number(field(&line), 10);
	for (long i = 0; i < n_symbols + 2; i++)
		(void)field(&line);
	if ((stem = stem_of(LANGUAGE_ENGLISH, word)).n == 0)
		return;
	from = word_number(stem);
	for (int sense = 0; sense < SENSES && sense < n_sets; sense++) {
		struct set s;

		set_at(part, number(field(&line), 10), &s);
		for (size_t i = 0; i < s.n; i++)
			relate(from, s.word[i], 0.7 * by_sense[sense]);
		if (s.n == 0)
			continue;
		relate_pointers(from, word, sense, &s.rest);
		if (sense < GLOSS_SENSES)
			relate_gloss(from, sense, s.rest);
	}
}

bool
wordnet_read(const char *dir)
{
	struct str index[4], line;
	char path[4096];

	for (int i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof(path), "%s/data.%s", dir, parts[i]);
		data[i] = file_read(path);
		(void)snprintf(path, sizeof(path), "%s/index.%s", dir, parts[i]);
		index[i] = file_read(path);
		if (data[i].n == 0 || index[i].n == 0)
			return false;
	}
	for (int i = 0; i < 4; i++)
		while (index[i].n > 0) {
			index[i] = str_cut(index[i], '\n', &line);
			if (line.n > 0 && line.p[0] != ' ')
				read_lemma(i, line);
		}
	return true;
}
