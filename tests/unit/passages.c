/*
 * What retrieval is made of: local embeddings, words, sentences, and the cutting of documents into
 * passages.
 */
#include <stdio.h>
#include <stdlib.h>

#include <millrace/arena.h>

#include "runner/knowledge/chunker.c"
#include "runner/knowledge/embed.c"
#include "runner/knowledge/terms.c"
#define is_space is_space_here
#include "runner/knowledge/words.c"

static int passed, failed;

static void
check(const char *name, bool good)
{
	if (good)
		passed++;
	else
		failed++;
	printf("%s - %s\n", good ? "ok" : "not ok", name);
}

static void
embed(struct str text, char hex[EMBED_HEX + 1])
{
	struct arena *a = arena_new();
	struct terms terms;

	terms_of(a, text, &terms);
	embed_local(terms.words, hex);
	arena_free(a);
}

static bool
same(struct str a, struct str b)
{
	char x[EMBED_HEX + 1], y[EMBED_HEX + 1];

	embed(a, x);
	embed(b, y);
	return strcmp(x, y) == 0;
}

/* How many of a's bits b has, in percent. */
static int
shared(struct str a, struct str b)
{
	char x[EMBED_HEX + 1], y[EMBED_HEX + 1], one[2] = "";
	int both = 0, all = 0;

	embed(a, x);
	embed(b, y);
	for (size_t i = 0; i < EMBED_HEX; i++) {
		one[0] = x[i];
		unsigned long p = strtoul(one, NULL, 16), q;

		one[0] = y[i];
		q = strtoul(one, NULL, 16);
		all += __builtin_popcountl(p);
		both += __builtin_popcountl(p & q);
	}
	return all ? both * 100 / all : 0;
}

static void
test_embed(void)
{
	check("case does not count", same(S("The MILL Race"), S("the mill race")));
	check("nor accents", same(S("ÉCOLE Łódź ΆΝΘΡΩΠΟΣ Ёлка"), S("ecole lodz ανθρωπος елка")));
	check("order and punctuation do not count",
	    same(S("a mill, the race!"), S("the race — a mill")));
	check("endings hardly do", shared(S("windmills"), S("windmill")) >= 70);
	check("other words share little", shared(S("telescope"), S("bakery")) <= 20);
	check(
	    "nothing gives no bits", shared(S(""), S("x")) == 0 && shared(S("  …  "), S("x")) == 0);
	check("a very long word is no harm",
	    shared(S("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		S("a")) >= 0);
}

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
	check("sentences", good);
	rest = sentence_next(S("水は流れる。水車が回る。"), &s);
	check("in Japanese", str_eq(s, S("水は流れる。")) && rest.n > 0);
}

static void
test_words(void)
{
	struct arena *a = arena_new();
	struct words w;

	words_of(a, S("When did the Miller open the gates, the MILLER?"), &w);
	check("each word once", w.n == 6);
	check("found in other forms", words_in(a, &w, S("the millers open a gate")) == 0x3c);
	words_of(a, S("水車は川"), &w);
	check("pairs where no spaces are", w.n == 2 &&
					       words_in(a, &w, S("大きな水車は川のそば")) == 0x3 &&
					       words_in(a, &w, S("火車")) == 0);
	words_of(a, S("cafe GROSSMANN"), &w);
	check("however they are written", words_in(a, &w, S("Café, Großmann")) == 0x3);
	words_of(a, S(""), &w);
	check("none in nothing", w.n == 0 && words_in(a, &w, S("text")) == 0);
	arena_free(a);
}

static void
test_chunks(void)
{
	char *text = xmalloc(40000);
	size_t n = 0, count = 0, total = 0;
	struct str rest, p;
	bool good = true;

	for (int i = 0; i < 400; i++)
		n += (size_t)snprintf(text + n, 40000 - n,
		    "Sentence %d is about the wheel and the race.%s", i, i % 7 ? " " : "\n\n");
	for (rest = chunk_next((struct str){ text, n }, &p); p.n > 0; rest = chunk_next(rest, &p)) {
		count++;
		total += p.n;
		good = good && p.n <= 1500 && p.p[p.n - 1] == '.' && p.p[0] == 'S';
	}
	check("cut at sentences, none too long", good && count > 10 && count < 30);
	check("nothing but space is lost", total > n - 2 * count - 10);
	memset(text, 'x', 5000);
	for (count = 0, rest = chunk_next((struct str){ text, 5000 }, &p); p.n > 0;
	     rest = chunk_next(rest, &p))
		count++;
	check("text without any place to cut is cut all the same", count == 4);
	for (size_t i = 0; i < 4000; i += 2)
		memcpy(text + i, "é", 2);
	for (good = true, rest = chunk_next((struct str){ text, 4000 }, &p); p.n > 0;
	     rest = chunk_next(rest, &p))
		good = good && str_utf8(p);
	check("between characters", good);
	(void)chunk_next(S(" \n\t "), &p);
	check("space gives none", p.n == 0);
	(void)chunk_next(S("\n\tQ1\tQ2\nNorth\t1\t2\n"), &p);
	check("an empty cell at the beginning stays", str_eq(p, S("\tQ1\tQ2\nNorth\t1\t2")));
	free(text);
}

int
main(void)
{
	test_embed();
	test_sentences();
	test_words();
	test_chunks();
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}
