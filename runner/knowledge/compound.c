#include "runner/knowledge/compound.h"
#include "runner/knowledge/language.h"
#include "runner/knowledge/thesaurus.h"

#define PART_LEAST 4 /* bytes */
#define TERM_MOST 64

/* What stands between the parts of a compound; the empty one is tried first. */
static const char *const joints[] = { "", "s", "n", "es", "en", "er" };

/* As it is written, or with the umlauts that are written ae, oe and ue. */
static bool
is_word(struct arena *a, struct stemmer *s, struct str term)
{
	struct str bare = language_without_umlauts(a, term);

	return thesaurus_has(THESAURUS_FOREIGN, stemmer_stem(s, term)) ||
	       (bare.n < term.n && thesaurus_has(THESAURUS_FOREIGN, stemmer_stem(s, bare)));
}

/* What comes before a joint that the text ends with; nothing where it does not. */
static struct str
before_joint(struct str text, const char *joint)
{
	struct str j = str_from(joint);

	if (text.n < PART_LEAST + j.n || memcmp(text.p + text.n - j.n, j.p, j.n) != 0)
		return (struct str){ text.p, 0 };
	return (struct str){ text.p, text.n - j.n };
}

bool
compound_split(struct arena *a, struct str term, struct str part[2])
{
	struct stemmer *s = stemmer_new(a, LANGUAGE_GERMAN);
	size_t best = 0;

	if (term.n > TERM_MOST || is_word(a, s, term))
		return false;
	for (size_t i = PART_LEAST; i + PART_LEAST <= term.n; i++) {
		struct str tail = { term.p + i, term.n - i };

		/* Not within a character. */
		if (((unsigned char)*tail.p & 0xc0) == 0x80 || !is_word(a, s, tail))
			continue;
		for (size_t k = 0; k < sizeof(joints) / sizeof(*joints); k++) {
			struct str head = before_joint((struct str){ term.p, i }, joints[k]);
			size_t shorter = head.n < tail.n ? head.n : tail.n;

			if (shorter <= best || !is_word(a, s, head))
				continue;
			best = shorter;
			part[0] = head;
			part[1] = tail;
		}
	}
	return best > 0;
}
