/*
 * What retrieval is made of: words, sentences, languages, the cutting of documents into passages,
 * questions and what passages are ranked by.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <millrace/arena.h>

#include "runner/knowledge/answered.h"
#include "runner/knowledge/chunker.h"
#include "runner/knowledge/language.h"
#include "runner/knowledge/question.h"
#include "runner/knowledge/rank.h"
#include "runner/knowledge/stems.h"
#include "runner/knowledge/support.h"
#include "runner/knowledge/utf8.h"
#include "runner/knowledge/words.h"
#include "test.h"

static void
test_sentences(void)
{
	struct str rest = S(" One is here. Two is\nthere!  Three is this?\n\nFour"), s;
	static const char *const want[] = { "One is here.", "Two is\nthere!", "Three is this?",
		"Four", "" };
	bool good = true;

	for (size_t i = 0; i < 5; i++) {
		rest = sentence_next(rest, &s);
		good = good && str_eq(s, str_from(want[i]));
	}
	CHECK("sentences", good);
	rest = sentence_next(S("水は流れる。水車が回る。"), &s);
	CHECK("in Japanese", str_eq(s, S("水は流れる。")) && rest.n > 0);
}

static void
test_words(void)
{
	struct arena *a = arena_new();
	struct words w;

	words_of(a, S("When did the Miller open the gates, the MILLER?"), &w);
	CHECK("each word once", w.n == 6);
	CHECK("found in other forms", words_in(a, &w, S("the millers open a gate")) == 0x3c);
	words_of(a, S("水車は川"), &w);
	CHECK("pairs where no spaces are", w.n == 2 &&
					       words_in(a, &w, S("大きな水車は川のそば")) == 0x3 &&
					       words_in(a, &w, S("火車")) == 0);
	words_of(a, S("cafe GROSSMANN"), &w);
	CHECK("however they are written", words_in(a, &w, S("Café, Großmann")) == 0x3);
	words_of(a, S(""), &w);
	CHECK("none in nothing", w.n == 0 && words_in(a, &w, S("text")) == 0);
	arena_free(a);
}

/* Cuts a text; false where a passage is too long, or does not begin where the one before ends. */
static bool
cut(struct arena *a, struct str text, struct chunk *chunks, size_t *n)
{
	struct chunker c = { .a = a, .text = text };
	size_t at = 0;

	for (*n = 0; *n < 64 && chunk_next(&c, &chunks[*n]); (*n)++) {
		struct str t = chunks[*n].text, fresh = t;

		for (size_t i = 0; i < chunks[*n].carried; i++) {
			uint32_t ch;
			size_t len = utf8_next(fresh, &ch);

			fresh.p += len;
			fresh.n -= len;
		}
		if (str_chars(t) > 1800 || chunks[*n].carried > 201 || !str_utf8(t))
			return false;
		while (at < (size_t)(fresh.p - text.p))
			if (strchr(" \n\t", text.p[at++]) == NULL)
				return false;
		at = (size_t)(t.p + t.n - text.p);
	}
	return true;
}

static void
test_chunks(void)
{
	static struct chunk chunks[64];
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	size_t n;
	bool good;

	for (int i = 0; i < 400; i++)
		buf_printf(
		    &b, "Sentence %d is about the wheel and the race.%s", i, i % 90 ? " " : "\n\n");
	good = cut(a, buf_str(&b), chunks, &n);
	CHECK("nothing is lost, and none too long", good && n > 9 && n < 20);
	for (size_t i = 0; i < n; i++)
		good = good && chunks[i].text.p[0] == 'S' &&
		       chunks[i].text.p[chunks[i].text.n - 1] == '.';
	CHECK("cut at sentences", good);
	CHECK("whole sentences are carried over", chunks[1].carried > 40 &&
						      chunks[1].carried <= 201 &&
						      str_starts(chunks[1].text, S("Sentence ")));
	b = (struct buf){ .a = a };
	for (int i = 0; i < 5000; i++)
		buf_put(&b, i < 2000 ? S("x") : S("é"));
	CHECK("text without any place to cut is cut all the same, between characters",
	    cut(a, buf_str(&b), chunks, &n) && n == 3);
	CHECK("space gives none", cut(a, S(" \n\t "), chunks, &n) && n == 0);
	CHECK("an empty cell at the beginning stays",
	    cut(a, S("\n\tQ1\tQ2\nNorth\t1\t2\n"), chunks, &n) &&
		str_eq(chunks[0].text, S("\tQ1\tQ2\nNorth\t1\t2")));
	arena_free(a);
}

static void
test_headings(void)
{
	static struct chunk chunks[64];
	struct arena *a = arena_new();
	struct buf b = { .a = a };
	size_t n;

	buf_put(
	    &b, S("1. Wheels\n\nAll of them turn, and none of them stops.\n\n1.1. Of wood\n\n"));
	for (int i = 0; i < 30; i++)
		buf_put(&b, S("Oak is heavy and lasts. "));
	buf_put(&b, S("\n\nTheir price\n\n"));
	for (int i = 0; i < 20; i++)
		buf_put(&b, S("It is paid in grain, a sack each year. "));
	buf_put(&b, S("\n\n2. Gates\n\n"));
	for (int i = 0; i < 30; i++)
		buf_put(&b, S("A gate is raised in spring. "));
	CHECK("cut before headings", cut(a, buf_str(&b), chunks, &n) && n >= 3);
	CHECK("a passage stands under its heading, and has those that follow",
	    str_eq(chunks[0].heading, S("1. Wheels")) &&
		str_eq(chunks[0].inside, S("1.1. Of wood\n")));
	CHECK("below those above",
	    str_eq(chunks[1].heading, S("1. Wheels › 1.1. Of wood › Their price")));
	CHECK("until one of their level", str_eq(chunks[n - 1].heading, S("2. Gates")));
	arena_free(a);
}

static void
test_languages(void)
{
	static const struct {
		const char *text, *word, *stem;
		enum language l;
	} samples[] = {
		{ "how are the wheels of the mill greased", "greasing", "greas", LANGUAGE_ENGLISH },
		{ "wie werden die rader der muhle geschmiert", "muhlen", "muhl", LANGUAGE_GERMAN },
		{ "comment est ce que le moulin tourne dans le vent", "moulins", "moulin",
		    LANGUAGE_FRENCH },
		{ "donde estan las ruedas de los molinos", "molinos", "molin", LANGUAGE_SPANISH },
		{ "как это колесо не что", "колеса", "колес", LANGUAGE_RUSSIAN },
	};
	struct arena *a = arena_new();
	bool good = true, is_known;

	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++)
		good = good && language_of(str_from(samples[i].text), &is_known) == samples[i].l &&
		       is_known &&
		       str_eq(stemmer_stem(stemmer_new(a, samples[i].l), str_from(samples[i].word)),
			   str_from(samples[i].stem));
	CHECK("languages, and stems of each", good);
	(void)language_of(S("xyzzy 1234"), &is_known);
	CHECK("none of a code", !is_known);
	CHECK("common words", language_is_common(LANGUAGE_ENGLISH, S("which")) &&
				  !language_is_common(LANGUAGE_GERMAN, S("which")));
	arena_free(a);
}

/* A text of n words that no other number gives. */
static struct str
numbered(struct arena *a, int from, int n)
{
	struct buf b = { .a = a };

	for (int i = from; i < from + n; i++)
		buf_printf(&b, "q%c%c%c%c ", 'a' + i % 16, 'a' + i / 16 % 16, 'a' + i / 256 % 16,
		    'a' + i / 4096 % 16);
	return buf_str(&b);
}

static void
test_lexicon(void)
{
	struct arena *a = arena_new();
	struct lexicon *l = lexicon_new(a, LANGUAGE_ENGLISH);
	struct str text = S("The wheels of Mills turn, and mill-wheels turned the wheels.");
	const char *words =
	    "and mill mills millwheels of the turn turned wheels ~mill ~millwheel ~turn ~wheel";
	struct str stems = passage_stems(a, l, S(""), text);
	bool same = true;

	CHECK("the words of a passage, each once, with stems",
	    str_eq(passage_words(a, l, text), str_from(words)));
	CHECK("the same for the next passage", str_eq(passage_words(a, l, text), str_from(words)));
	/* More than a lexicon keeps */
	for (int i = 0; i < 60000; i += 1000)
		same = same && str_eq(passage_words(a, l, numbered(a, i, 1000)),
				   passage_words(
				       a, lexicon_new(a, LANGUAGE_ENGLISH), numbered(a, i, 1000)));
	CHECK("a document of very many words", same);
	CHECK("and the same behind it", str_eq(passage_words(a, l, text), str_from(words)) &&
					    str_eq(passage_stems(a, l, S(""), text), stems));
	arena_free(a);
}

/* The scores of passages for a question over a collection where each word is in one passage of 100.
 */
static void
rank_of(struct arena *a, struct str question, struct candidate *c, size_t n)
{
	struct question *q = arena_alloc(a, sizeof(*q));

	question_read(a, question, q);
	for (size_t i = 0; i < q->n_terms; i++)
		q->term[i].passages = 1;
	question_weigh(q, 100);
	rank(a, q, 8, c, n);
}

static struct candidate
candidate(struct arena *a, struct str title, struct str heading, struct str text)
{
	struct lexicon *l = lexicon_new(a, LANGUAGE_ENGLISH);

	return (struct candidate){
		.stems = passage_stems(a, l, heading, text),
		.title = passage_stems(a, l, title, S("")),
	};
}

static void
test_rank(void)
{
	struct arena *a = arena_new();
	struct candidate c[] = {
		candidate(a, S("x"), S(""), S("The miller greases the wheels each spring.")),
		candidate(a, S("x"), S(""),
		    S("The miller sleeps. One. Two. Three. Four. The wheels turn. Six. "
		      "Seven. Eight. Nine. Grease is dear.")),
		candidate(a, S("x"), S(""), S("The baker sleeps until noon.")),
		candidate(a, S("x"), S("Greasing of wheels"), S("He does so in spring.")),
		candidate(a, S("Wheels.pdf"), S(""), S("He does so in spring.")),
	};

	rank_of(a, S("When does the miller grease the wheels?"), c, 5);
	CHECK("all of a question in one sentence is best",
	    c[0].score > c[1].score && c[0].share > 0.99 && c[1].share < 0.8 && c[1].share > 0.4);
	CHECK("nothing of it is nothing", c[2].score < 1e-6 && c[2].share < 1e-6);
	CHECK("headings and titles count", c[3].score > c[4].score && c[4].score > c[2].score);
	arena_free(a);
}

static void
test_support(void)
{
	struct arena *a = arena_new();
	struct question *q = arena_alloc(a, sizeof(*q));
	struct passage p = { .text =
				 S("The tide mill of Eling is old. A tide mill is worked by the "
				   "sea. Tide mills grind.\n\nPrice\tCoins\nTide mill\t7") };

	question_read(a, S("What is a tide mill?"), q);
	for (size_t i = 0; i < q->n_terms; i++)
		q->term[i].passages = 1;
	question_weigh(q, 100);
	support_rate(a, a, q, &p, 1);
	CHECK("each piece that can be quoted is rated, and what defines most",
	    p.n_support == 5 && p.support[1] > p.support[0] && p.support[0] > 0.9 &&
		p.support[2] > 0.9 && p.support[3] < 0.1 && p.support[4] > 0.9);
	question_read(a, S("tide mill"), q);
	question_weigh(q, 100);
	support_rate(a, a, q, &p, 1);
	CHECK("where that is asked", p.support[1] <= 1);
	arena_free(a);
}

static void
test_question(void)
{
	struct arena *a = arena_new();
	struct question *q = arena_alloc(a, sizeof(*q));
	size_t before;

	question_read(a, S("How do I grease the Gruendelrad-Wheels?"), q);
	CHECK("without common words, each once", str_eq(q->word[0], S("grease")));
	question_read(a, S("to be or not to be"), q);
	CHECK("but where there are no others", q->n == 4);
	question_read(a, S("Wie hoch ist die Gebühr?"), q);
	CHECK("what asks for a measure is part of the asking",
	    q->fact && q->n == 1 && str_eq(q->word[0], S("gebuhr")));
	question_read(a, S("How much is rye bread?"), q);
	CHECK("how much, too", q->fact && q->n == 3 && q->amount[0] && !q->amount[1]);
	question_read(a, S("Wie tief ist das Becken?"), q);
	CHECK("and how deep", q->fact && !q->how && q->n == 1);
	question_read(a, S("How old?"), q);
	CHECK("but where nothing else is asked", q->n == 2);
	question_read(a, S("What is the <b>speed</b>?"), q);
	CHECK("the marks of a page are no words", q->n == 1 && str_eq(q->word[0], S("speed")));
	question_read(a, S("What does <base> do?"), q);
	CHECK("but where they are asked about", q->n == 1 && str_eq(q->word[0], S("base")));
	question_read(a, S("turbine"), q);
	before = q->n_terms;
	CHECK("what no passage has is not known", question_is_unknown(q, 0));
	question_near(q, 0, S("tubrine"), 3);
	question_near(q, 0, S("turbines"), 3);
	question_near(q, 0, S("turbulence"), 3);
	question_near(q, 0, S("urbane"), 3);
	CHECK("slips of the keyboard are known again",
	    q->n_terms == before + 2 && !q->term[before].is_form);
	question_weigh(q, 10);
	CHECK("what no passage has is not looked for, and weighs what it is a slip for",
	    q->idf[0] > 3 && q->idf[0] < 4 && q->n_terms >= 3 &&
		q->term[q->n_terms - 1].passages == 3);
	question_read(a, S("turbine"), q);
	question_weigh(q, 10);
	CHECK("where it is none, it is rare", q->idf[0] > 5);
	question_read(a, S("Wo steht die Muehle?"), q);
	q->n_terms = 0;
	q->term[q->n_terms++] = (struct asked){
		.text = S("mill"), .word = q->n - 1, .similar = { 0.8, 0.8, 0.6 }, .passages = 5
	};
	question_weigh(q, 10);
	CHECK("a word of another language weighs what its translation does",
	    q->idf[q->n - 1] < 3 && q->term[0].similar[SIMILAR_CONTEXT] > 0.59);
	question_read(a, S("turbine"), q);
	q->term[q->n_terms++] =
	    (struct asked){ .text = S("wheel"), .similar = { 0.8, 0.8, 0.6 }, .passages = 1 };
	question_weigh(q, 1);
	CHECK("in one passage, a word like it is not taken for common",
	    q->term[q->n_terms - 1].similar[SIMILAR_CONTEXT] > 0.4);
	arena_free(a);
}

/* The place of a word among the question's; its number of words where it is none. */
static size_t
place(const struct question *q, const char *word)
{
	size_t i = 0;

	while (i < q->n && !str_eq(q->word[i], str_from(word)))
		i++;
	return i;
}

static void
test_written(void)
{
	struct arena *a = arena_new();
	struct question *q = arena_alloc(a, sizeof(*q));
	size_t i;

	question_read(a, S("Does Debain 2023 have QUIC in version 4.0?"), q);
	i = place(q, "4.0");
	CHECK("a number is a name, and not its digits",
	    i < q->n && q->name[i] && q->parts[i] == 0 && q->name[place(q, "2023")]);
	CHECK("numbers and capitals are no slips", !question_is_unknown(q, place(q, "2023")) &&
						       !question_is_unknown(q, place(q, "quic")) &&
						       question_is_unknown(q, place(q, "debain")));
	question_read(a, S("Kostet das 2023 mehr?"), q);
	CHECK("in German, too", q->name[place(q, "2023")]);
	for (size_t k = 0; k < q->n_terms; k++)
		q->term[k].passages = q->term[k].word == place(q, "2023") ? 1 : 60;
	question_weigh(q, 100);
	CHECK("what is everywhere does not count",
	    q->n == 3 && q->everywhere[place(q, "kostet")] &&
		question_share(q, (double[QUESTION_WORDS]){ [0] = 1, [1] = 0, [2] = 0 }) ==
		    (place(q, "2023") == 0 ? 1 : 0));
	for (size_t k = 0; k < q->n_terms; k++)
		q->term[k].passages = 60;
	question_weigh(q, 100);
	CHECK("unless all is", !q->everywhere[0] && !q->everywhere[1]);
	question_read(a, S("What does rye bread cost?"), q);
	question_weigh(q, 10);
	i = place(q, "cost");
	CHECK("a price is told by a number",
	    q->fact && q->amount[i] && q->everywhere[i] && !q->everywhere[0]);
	question_read(a, S("Does the cost of bread rise?"), q);
	CHECK("where it is asked for", !q->fact && q->n == 3 && !q->amount[0]);
	question_read(a, S("We have three mills. How can we grease them?"), q);
	CHECK("how it is done", q->how && !q->fact);
	question_read(a, S("Welche M\u00fchle mahlt Weizen?"), q);
	CHECK("which", !q->how && q->fact);
	question_read(a, S("Nobody knows which mill"), q);
	CHECK("not within a sentence", !q->how && !q->fact);
	question_read(a, S("Wie lege ich ein Konto an?"), q);
	i = 0;
	for (size_t k = 0; k < q->n_terms; k++)
		i +=
		    q->term[k].word == place(q, "lege") && q->term[k].is_form &&
		    (str_eq(q->term[k].text, S("anleg")) || str_eq(q->term[k].text, S("angelegt")));
	CHECK("a German verb that is taken apart", i == 2);
	arena_free(a);
}

static bool
is_answered(const struct question *q, const struct covered *by)
{
	double x[FEATURE_N];

	answered_features(q, by, x);
	return answered(by, x);
}

/* Whether one passage among `total` answers the question; its words are in `known` of them. */
static bool
tells(const char *question, const char *passage, double total, int known)
{
	struct arena *a = arena_new();
	struct question *q = arena_alloc(a, sizeof(*q));
	struct candidate c = candidate(a, S("x"), S(""), str_from(passage)), *best = &c;
	struct covered by;
	bool yes;

	question_read(a, str_from(question), q);
	for (size_t i = 0; i < q->n_terms; i++)
		q->term[i].passages = known;
	question_weigh(q, total);
	rank(a, q, 8, &c, 1);
	answered_by(a, q, &best, 1, str_from(passage), &by);
	yes = is_answered(q, &by);
	arena_free(a);
	return yes;
}

static void
test_answered(void)
{
	static const char wheels[] =
	    "The miller greases the wheels each spring. PostgreSQL is not known here.";
	struct arena *a = arena_new();
	struct question *q = arena_alloc(a, sizeof(*q));
	static const struct covered translated = { .fit = 0.2, .together = 1, .foreign = true };
	static const struct covered gone = { .fit = 0.2, .foreign = true };
	struct candidate some[] = { { .fit = 0.3, .share = 0.9, .words = 1 },
		{ .fit = 0, .share = 1, .words = 2 }, { .fit = 0.9, .words = 4 }, { .fit = 0.6 } };
	struct candidate *best[] = { &some[0], &some[1], &some[2], &some[3] };
	struct covered by;

	question_read(a, S("wheels"), q);
	question_weigh(q, 300);
	answered_by(a, q, best, 4, S("x"), &by);
	CHECK("three of many passages count, and all that they have",
	    fabs(by.fit - 0.6) < 1e-9 && by.by_best == 2 && by.by_any == 7 && !by.foreign);
	question_weigh(q, 3);
	answered_by(a, q, best, 4, S("x"), &by);
	CHECK("one of few", fabs(by.fit - 0.9) < 1e-9);
	answered_by(a, q, best, 1, S("x"), &by);
	CHECK("no more than there are", fabs(by.fit - 0.3) < 1e-9);
	CHECK("a question in the passage's words is answered",
	    tells("When does the miller grease the wheels?", wheels, 300, 3));
	CHECK("one about something else is not",
	    !tells("Who painted the Mona Lisa?", wheels, 300, 0));
	CHECK("nor is one whose words stand elsewhere",
	    !tells("How are cheese and butter sold?", wheels, 300, 3));
	CHECK("a name has to be there",
	    tells("Do the wheels need grease in spring?", wheels, 300, 3) &&
		!tells("Do the wheels need grease in Oracle?", wheels, 300, 3) &&
		tells("Do wheels grease PostgreSQL?", wheels, 300, 3));
	CHECK(
	    "more is asked of one among many", tells("wheels cheese butter", wheels, 2, 1) &&
						   !tells("wheels cheese butter", wheels, 3000, 1));
	question_read(a, S("How does MILL-9 in Eling work with the i486?"), q);
	for (size_t i = 0; i < q->n; i++)
		CHECK("names by their looks", q->name[i] == !str_eq(q->word[i], S("work")));
	question_read(a, S("WHO OWNS THE MILL?"), q);
	CHECK("not where all is in capitals", !q->name[0] && !q->name[1]);
	question_read(a, S("Wem gehört die Mühle bei Eling?"), q);
	CHECK("nor in German", q->n > 1 && !q->name[q->n - 1]);
	CHECK("what has none of its words is no answer",
	    tells("Do wheels turn?", wheels, 20, 1) && !tells("Does cheese melt?", wheels, 20, 0));
	CHECK("of translations less is asked", is_answered(q, &translated));
	CHECK("but that there are some together", !is_answered(q, &gone));
	CHECK("who asks for a fact is told by their words",
	    !q->fact && (question_read(a, S("Wie lange mahlt die M\u00fchle?"), q), q->fact) &&
		(question_read(a, S("How much does the mill grind?"), q), q->fact) &&
		!(question_read(a, S("How does a showman sell as many?"), q), q->fact));
	arena_free(a);
}

int
main(void)
{
	test_sentences();
	test_words();
	test_chunks();
	test_headings();
	test_languages();
	test_lexicon();
	test_question();
	test_written();
	test_rank();
	test_support();
	test_answered();
	return test_end();
}
