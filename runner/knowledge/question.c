
#include "runner/knowledge/compound.h"
#include "runner/knowledge/language.h"
#include "runner/knowledge/question.h"
#include "runner/knowledge/terms.h"
#include "runner/knowledge/thesaurus.h"
#include "runner/knowledge/utf8.h"
#include "runner/knowledge/words.h"

#define SIMILAR_LEAST 0.08
#define SIMILAR_MOST 160 /* words like one of the question's */
#define NEAR_LETTERS 4 /* a shorter word is not guessed */
#define NEAR_LETTERS_MAX 32

/* What is gathered of one word. */
struct gather {
	struct arena *a;
	struct question *q;
	size_t first; /* its first term */
	enum similarity by;
	double factor;
};

static struct asked *
term_of(struct gather *g, struct str text)
{
	struct question *q = g->q;

	for (size_t i = g->first; i < q->n_terms; i++)
		if (str_eq(q->term[i].text, text))
			return &q->term[i];
	if (q->n_terms == QUESTION_TERMS || q->n_terms - g->first > SIMILAR_MOST)
		return NULL;
	q->term[q->n_terms] = (struct asked){ .text = arena_str(g->a, text), .word = q->n - 1 };
	return &q->term[q->n_terms++];
}

static void
put_similar(void *arg, struct str word, double weight)
{
	struct gather *g = arg;
	struct asked *t;

	weight *= g->factor;
	if (weight < SIMILAR_LEAST || (t = term_of(g, word)) == NULL || t->is_form)
		return;
	if (weight > t->similar[g->by])
		t->similar[g->by] = weight;
}

static void
put_form(struct gather *g, struct str text)
{
	struct asked *t = term_of(g, text);

	if (t == NULL)
		return;
	t->is_form = true;
	for (int i = 0; i < SIMILAR_N; i++)
		t->similar[i] = 1;
}

/* A text's language may not show in a few words: then each of these may be it. */
static const enum language guesses[] = { LANGUAGE_ENGLISH, LANGUAGE_GERMAN, LANGUAGE_FRENCH,
	LANGUAGE_SPANISH };

static void
put_forms(struct gather *g, struct str term, enum language l, bool is_known)
{
	struct str bare = language_without_umlauts(g->a, term);

	put_form(g, term);
	put_form(g, stemmer_stem(stemmer_new(g->a, l), term));
	if (bare.n < term.n && (l == LANGUAGE_GERMAN || !is_known)) {
		put_form(g, bare);
		put_form(g, stemmer_stem(stemmer_new(g->a, LANGUAGE_GERMAN), bare));
	}
	for (size_t i = 0; i < sizeof(guesses) / sizeof(*guesses) && !is_known; i++)
		put_form(g, stemmer_stem(stemmer_new(g->a, guesses[i]), term));
}

static void
put_all_similar(struct gather *g, struct str term, enum language l)
{
	struct str stem = arena_str(g->a, stemmer_stem(stemmer_new(g->a, l), term));

	g->factor = 0.8;
	if (l == LANGUAGE_ENGLISH) {
		g->by = SIMILAR_WORDNET;
		thesaurus_each(THESAURUS_WORDNET, stem, put_similar, g);
		g->by = SIMILAR_PIVOT;
		thesaurus_each(THESAURUS_PIVOT, stem, put_similar, g);
		return;
	}
	for (g->by = SIMILAR_WORDNET; g->by <= SIMILAR_PIVOT; g->by++)
		thesaurus_each(THESAURUS_FOREIGN, stem, put_similar, g);
	if (l == LANGUAGE_GERMAN) {
		struct str bare = language_without_umlauts(g->a, term);

		if (bare.n < term.n)
			put_all_similar(g, bare, l);
	}
}

static bool
is_asked(const struct question *q, struct str term)
{
	for (size_t i = 0; i < q->n; i++)
		if (str_eq(q->word[i], term))
			return true;
	return false;
}

/* One word with its forms, and whatever is like it; a compound after the words that it is made of.
 */
static void
put_word(struct gather *g, struct str term, enum language l, bool is_known)
{
	struct question *q = g->q;
	struct str part[2];
	size_t forms;

	if (l == LANGUAGE_GERMAN && q->n + 3 <= QUESTION_WORDS && compound_split(g->a, term, part))
		for (int i = 0; i < 2; i++)
			if (!is_asked(q, part[i]))
				put_word(g, part[i], l, is_known);
	q->name[q->n] = q->exact[q->n] = q->everywhere[q->n] = q->amount[q->n] = false;
	q->word[q->n++] = arena_str(g->a, term);
	g->first = q->n_terms;
	put_forms(g, term, l, is_known);
	forms = q->n_terms;
	put_all_similar(g, term, l);
	q->known[q->n - 1] = q->n_terms > forms;
}

/* What "how" and "wie" are joined with: the answer gives the measure, and seldom has this word. */
static bool
is_measure(struct str before, struct str term)
{
	static const char *const measures[] = { "big", "deep", "early", "expensive", "far", "fast",
		"heavy", "high", "large", "late", "long", "often", "old", "tall", "wide", "alt",
		"breit", "gross", "haufig", "hoch", "lang", "lange", "oft", "schnell", "schwer",
		"spat", "teuer", "tief", "viel", "viele", "weit", NULL };

	return (str_eq(before, S("how")) || str_eq(before, S("wie"))) && str_is_in(term, measures);
}

/*
 * "much" in "How much …?", "cost" in "What does … cost?": the answer gives a number, and need not
 * have this word.
 */
static bool
is_amount(struct str first, struct str before, struct str term)
{
	static const char *const amounts[] = { "much", "many", NULL };
	static const char *const prices[] = { "cost", "costs", "pay", "kostet", "kosten", "zahlen",
		"zahle", "zahlt", NULL };

	return (str_eq(before, S("how")) && str_is_in(term, amounts)) ||
	       ((str_eq(first, S("what")) || str_eq(first, S("was"))) && str_is_in(term, prices));
}

/* The words but for common ones, or all of them. */
static void
put_words(struct gather *g, struct str terms, enum language l, bool is_known, bool all)
{
	struct str term, first, before = { NULL, 0 };

	(void)str_cut(terms, ' ', &first);
	for (; terms.n > 0 && g->q->n < QUESTION_WORDS; before = term) {
		bool measure, amount;

		terms = str_cut(terms, ' ', &term);
		measure = is_measure(before, term);
		amount = is_amount(first, before, term);
		g->q->fact = g->q->fact || measure || amount;
		if ((all || (!language_is_common(l, term) && !measure)) && !is_asked(g->q, term)) {
			put_word(g, term, l, is_known);
			g->q->amount[g->q->n - 1] = amount;
		}
	}
}

/* How a word of the text is written. */
struct written {
	size_t capitals, small, digits;
};

static struct written
written(struct str s)
{
	struct written w = { 0 };

	for (size_t i = 0; i < s.n; i++) {
		w.capitals += s.p[i] >= 'A' && s.p[i] <= 'Z';
		w.small += s.p[i] >= 'a' && s.p[i] <= 'z';
		w.digits += s.p[i] >= '0' && s.p[i] <= '9';
	}
	return w;
}

/* Marks the question's words that one of the text's gives. */
static void
mark_word(struct arena *a, struct str word, struct question *q, bool name, bool exact)
{
	struct terms terms;
	struct str term;

	terms_of(a, word, &terms);
	while (terms.words.n > 0) {
		terms.words = str_cut(terms.words, ' ', &term);
		for (size_t i = 0; i < q->n; i++)
			if (str_eq(q->word[i], term)) {
				q->name[i] = q->name[i] || name;
				q->exact[i] = q->exact[i] || exact;
			}
	}
}

/*
 * Which words are names, by how they are written: digits, or capitals but for those of a sentence's
 * first word; these not where they say something else: in German, and where all is in capitals.
 */
static void
find_names(struct arena *a, struct str text, struct question *q)
{
	bool first = true, capitals = written(text).small > 0;
	bool german = q->language_known && q->language == LANGUAGE_GERMAN;

	while (text.n > 0) {
		struct str word;
		struct written w;

		text = str_cut(text, ' ', &word);
		if (word.n == 0)
			continue;
		w = written(word);
		mark_word(a, word, q,
		    w.digits > 0 ||
			(capitals && !german &&
			    (w.capitals >= 2 || (w.capitals == 1 && w.small > 0 && !first))),
		    w.digits > 0 || (capitals && w.capitals >= 2 && w.small <= 1));
		first = strchr(".!?", word.p[word.n - 1]) != NULL;
	}
}

/* Digits, and the point between them: 4.0 has no parts that could stand for it. */
static bool
is_number(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < '0' || s.p[i] > '9') && s.p[i] != '.')
			return false;
	return true;
}

/* Which words are parts of one that follows them: what is joined comes behind what it is made of.
 */
static void
find_parts(struct question *q)
{
	memset(q->part, 0, sizeof(q->part));
	for (size_t i = 0; i < q->n; i++) {
		struct str all = q->word[i];

		q->parts[i] = 0;
		for (size_t k = i; k > 0 && q->word[k - 1].n < all.n; k--) {
			if (!memmem(all.p, all.n, q->word[k - 1].p, q->word[k - 1].n))
				break;
			q->parts[i] |= is_number(all) ? 0 : 1U << (k - 1);
			q->part[k - 1] = true;
		}
	}
}

static void
put_other_form(struct question *q, size_t word, struct str text)
{
	if (q->n_terms < QUESTION_TERMS)
		q->term[q->n_terms++] = (struct asked){
			.text = text, .word = word, .is_form = true, .similar = { 1, 1, 1 }
		};
}

/*
 * German verbs that a question takes apart: "Wie lege ich ein Konto an?" is about anlegen, and what
 * is angelegt. The particle ends the sentence; the verb is its first or second word.
 */
static void
put_separable(struct arena *a, struct str terms, struct question *q)
{
	static const char *const particles[] = { "ab", "an", "auf", "aus", "bei", "durch", "ein",
		"fest", "frei", "her", "hin", "los", "mit", "nach", "um", "vor", "weg", "zu",
		"zuruck", "zusammen", NULL };
	struct stemmer *stemmer = stemmer_new(a, LANGUAGE_GERMAN);
	struct str rest, first, second, last = { NULL, 0 };

	rest = str_cut(terms, ' ', &first);
	(void)str_cut(rest, ' ', &second);
	for (rest = terms; rest.n > 0;)
		rest = str_cut(rest, ' ', &last);
	if (!str_is_in(last, particles))
		return;
	for (size_t i = 0; i < q->n; i++)
		if (str_eq(q->word[i], first) || str_eq(q->word[i], second)) {
			struct str verb = stemmer_stem(stemmer, q->word[i]);

			put_other_form(q, i, arena_printf(a, "%.*s%.*s", S_ARG(last), S_ARG(verb)));
			put_other_form(
			    q, i, arena_printf(a, "%.*sge%.*st", S_ARG(last), S_ARG(verb)));
			return;
		}
}

/* Where one of the phrases stands in the terms, or, with `starts`, at their beginning. */
static bool
has_phrase(struct str terms, const char *const *phrases, size_t n_phrases, bool starts)
{
	for (size_t i = 0; i < n_phrases; i++) {
		size_t n = strlen(phrases[i]);

		for (size_t at = 0; at + n <= terms.n && (at == 0 || !starts); at++)
			if (memcmp(terms.p + at, phrases[i], n) == 0 &&
			    (at == 0 || terms.p[at - 1] == ' ') &&
			    (at + n == terms.n || terms.p[at + n] == ' '))
				return true;
	}
	return false;
}

#define HAS_PHRASE(terms, list, starts) \
	has_phrase(terms, list, sizeof(list) / sizeof(*(list)), starts)

/*
 * What its sentences ask for, by the words of its own language: a fact anywhere, the rest as they
 * begin.
 */
static void
read_sentences(struct arena *a, struct str text, struct str all, struct question *q)
{
	static const char *const fact[] = { "who", "when was", "when is", "when will", "when did",
		"when does", "what time", "what price", "what is the price", "what year", "wer",
		"wann", "wieviel", "combien", "quand", "qui", "cuanto", "cuanta", "cuantos",
		"cuantas", "cuando", "quien" };
	static const char *const how[] = { "how do", "how can", "how to", "how should", "how does",
		"how is", "how are", "how must", "how would", "how could", "wie", "comment", "como",
		"hoe" };
	static const char *const which[] = { "which", "when", "welche", "welcher", "welches",
		"quel", "quelle", "cual" };
	static const char *const what[] = { "what is", "what are", "what s", "was ist", "was sind",
		"was bedeutet", "qu est ce", "que es" };
	struct str sentence;

	q->fact = q->fact || HAS_PHRASE(all, fact, false);
	q->how = q->what = false;
	for (text = sentence_next(text, &sentence); sentence.n > 0;
	     text = sentence_next(text, &sentence)) {
		struct terms t;

		terms_of(a, sentence, &t);
		if (q->language_known && q->language == LANGUAGE_GERMAN)
			put_separable(a, t.words, q);
		q->how = q->how || (!q->fact && HAS_PHRASE(t.words, how, true));
		q->fact = q->fact || HAS_PHRASE(t.words, which, true);
		q->what = q->what || HAS_PHRASE(t.words, what, true);
	}
}

/* How many of the terms are common words of a language, or ones that its dictionary has. */
static size_t
known_words(struct arena *a, struct str terms, enum language l)
{
	enum thesaurus_relation dictionary =
	    l == LANGUAGE_ENGLISH ? THESAURUS_WORDNET : THESAURUS_FOREIGN;
	struct stemmer *s = stemmer_new(a, l);
	struct str term;
	size_t n = 0;

	while (terms.n > 0) {
		terms = str_cut(terms, ' ', &term);
		n +=
		    language_is_common(l, term) || thesaurus_has(dictionary, stemmer_stem(s, term));
	}
	return n;
}

/* "Was zahlen Kinder?": where the only common words are English ones, too, dictionaries tell. */
static void
find_language(struct arena *a, struct str terms, struct question *q)
{
	struct str rest = terms, term;

	q->language = language_of(terms, &q->language_known);
	if (!q->language_known || q->language != LANGUAGE_ENGLISH)
		return;
	while (rest.n > 0) {
		rest = str_cut(rest, ' ', &term);
		if (language_is_common(LANGUAGE_ENGLISH, term) &&
		    !language_is_common(LANGUAGE_GERMAN, term))
			return;
	}
	if (known_words(a, terms, LANGUAGE_GERMAN) > known_words(a, terms, LANGUAGE_ENGLISH))
		q->language = LANGUAGE_GERMAN;
}

/* Without the marks of "<b>speed</b>"; one that nothing closes is asked about. */
static struct str
without_tags(struct arena *a, struct str text)
{
	struct buf b = { .a = a };

	if (text.n == 0 || !memmem(text.p, text.n, "</", 2))
		return text;
	for (size_t i = 0; i < text.n; i++) {
		const char *end = text.p[i] == '<' ? memchr(text.p + i, '>', text.n - i) : NULL;

		buf_put(&b, end ? S(" ") : (struct str){ text.p + i, 1 });
		if (end)
			i = (size_t)(end - text.p);
	}
	return buf_str(&b);
}

void
question_read(struct arena *a, struct str text, struct question *q)
{
	struct gather g = { .a = a, .q = q };
	struct terms terms;

	q->n = q->n_terms = 0;
	q->fact = false;
	text = without_tags(a, text);
	terms_of(a, text, &terms);
	find_language(a, terms.words, q);
	put_words(&g, terms.words, q->language, q->language_known, false);
	if (q->n == 0)
		put_words(&g, terms_asked(&terms), q->language, q->language_known, true);
	read_sentences(a, text, terms.words, q);
	find_names(a, text, q);
	find_parts(q);
	for (size_t i = 0; i < q->n_terms; i++)
		q->term[i].similar[SIMILAR_CONTEXT] =
		    1 - (1 - 0.5 * q->term[i].similar[SIMILAR_WORDNET]) *
			    (1 - 0.5 * q->term[i].similar[SIMILAR_PIVOT]);
	for (size_t i = 0; i < q->n_terms; i++)
		if (q->term[i].is_form)
			q->term[i].similar[SIMILAR_CONTEXT] = 1;
}

/* -- words that are in no passage -- */

bool
question_is_unknown(const struct question *q, size_t i)
{
	for (size_t k = 0; k < q->n_terms; k++)
		if (q->term[k].word == i && q->term[k].is_form && q->term[k].passages > 0)
			return false;
	return !q->exact[i] && str_chars(q->word[i]) >= NEAR_LETTERS;
}

static size_t
letters_of(struct str word, uint32_t letters[NEAR_LETTERS_MAX])
{
	size_t n = 0;

	while (word.n > 0 && n < NEAR_LETTERS_MAX) {
		size_t len = utf8_next(word, &letters[n++]);

		word.p += len;
		word.n -= len;
	}
	return n;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Letters to insert, drop, replace, or swap with their neighbour (Damerau's distance). */
static size_t
distance(struct str a, struct str b)
{
	uint32_t x[NEAR_LETTERS_MAX], y[NEAR_LETTERS_MAX];
	size_t nx = letters_of(a, x), ny = letters_of(b, y);
	size_t d[NEAR_LETTERS_MAX + 1][NEAR_LETTERS_MAX + 1];

	for (size_t i = 0; i <= nx; i++)
		for (size_t k = 0; k <= ny; k++) {
			if (i == 0 || k == 0) {
				d[i][k] = i + k;
				continue;
			}
			d[i][k] = least(least(d[i - 1][k], d[i][k - 1]) + 1,
			    d[i - 1][k - 1] + (x[i - 1] != y[k - 1]));
			if (i > 1 && k > 1 && x[i - 1] == y[k - 2] && x[i - 2] == y[k - 1])
				d[i][k] = least(d[i][k], d[i - 2][k - 2] + 1);
		}
	return d[nx][ny];
}

void
question_near(struct question *q, size_t i, struct str word, int64_t passages)
{
	size_t chars = str_chars(q->word[i]), n = str_chars(word), most = chars < 8 ? 1 : 2;
	size_t apart;
	double similar;

	if (q->n_terms == QUESTION_TERMS || n + most < chars)
		return;
	/* Longer by any ending: part of a compound, or a form that no stemmer knows. */
	if (str_starts(word, q->word[i]))
		apart = 1;
	else if (n > chars + most || (apart = distance(q->word[i], word)) > most)
		return;
	similar = apart == 0 ? 1 : apart == 1 ? 0.8 : 0.6;
	q->known[i] = true;
	q->term[q->n_terms++] = (struct asked){ .text = word,
		.word = i,
		.is_near = true,
		.similar = { similar, similar, similar },
		.passages = passages };
}
