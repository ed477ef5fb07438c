/* German compounds and the words that they are made of, by a thesaurus of a few words. */
#include "runner/knowledge/compound.h"
#include "runner/knowledge/language.h"
#include "runner/knowledge/thesaurus.h"

#include "test.h"

/* As a thesaurus has them: terms, so that \u00f6 is o and \u00df ss. */
static const char *const words[] = { "papier", "grosse", "gross", "paket", "verwaltung",
	"verschlusselung", "festplatte", "arbeit", "speicher", "kind", "garten", "sonne", "schein",
	"haus", "tur", "schlussel", "rad", "fahr", "bundes", "bund", "\u6c34\u8eca",
	"stra\u00dfe" };

static struct stemmer *stemmer;

void
thesaurus_each(enum thesaurus_relation r, struct str stem,
    void (*put)(void *arg, struct str word, double weight), void *arg)
{
	static struct arena *a;

	(void)r;
	a = a ? a : arena_new();
	stemmer = stemmer ? stemmer : stemmer_new(a, LANGUAGE_GERMAN);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		struct str mine = arena_str(a, stem);

		if (str_eq(stemmer_stem(stemmer, str_from(words[i])), mine))
			put(arg, str_from(words[i]), 1);
	}
}

static const struct {
	const char *term, *first, *second; /* NULL: it is none */
} cases[] = {
	{ "papiergrosse", "papier", "grosse" },
	{ "papiergroesse", "papier", "groesse" },
	{ "festplattenverschlusselung", "festplatten", "verschlusselung" },
	{ "festplattenverschluesselung", "festplatten", "verschluesselung" },
	{ "paketverwaltungen", "paket", "verwaltungen" },
	{ "arbeitsspeicher", "arbeits", "speicher" },
	{ "kindergarten", "kinder", "garten" },
	{ "sonnenschein", "sonnen", "schein" },
	{ "hausschluessel", "haus", "schluessel" },
	{ "papier", NULL, NULL }, /* a word itself */
	{ "groesse", NULL, NULL },
	{ "papierkorb", NULL, NULL }, /* a part that nobody knows */
	{ "haustur", NULL, NULL }, /* too short a part */
	{ "sonnengartenhaus", NULL, NULL }, /* of three */
	{ "", NULL, NULL },
	{ "ae", NULL, NULL },
	{ "papier\u6c34\u8eca", "papier", "\u6c34\u8eca" },
	{ "papier\xb0\x80\xffgrosse", NULL, NULL }, /* no UTF-8 */
	{ "papier\xc3", NULL, NULL },
	{ "\xa4\xa4\xa4\xa4\xa4\xa4\xa4\xa4\xa4", NULL, NULL },
};

int
main(void)
{
	struct arena *a = arena_new();
	struct str part[2] = { { NULL, 0 }, { NULL, 0 } }, long_one;
	struct buf b = { .a = a };
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool split = compound_split(a, str_from(cases[i].term), part);

		EACH(good,
		    split == (cases[i].first != NULL) &&
			(!split || (str_eq(part[0], str_from(cases[i].first)) &&
				       str_eq(part[1], str_from(cases[i].second)))),
		    "%s: %d %.*s %.*s", cases[i].term, split, S_ARG(part[0]), S_ARG(part[1]));
	}
	CHECK("a compound is split where both parts are words, whichever way umlauts are written",
	    good);
	for (int i = 0; i < 200; i++)
		buf_put(&b, S("papier"));
	long_one = buf_str(&b);
	CHECK("a word without end is none", !compound_split(a, long_one, part));
	arena_free(a);
	return test_end();
}
