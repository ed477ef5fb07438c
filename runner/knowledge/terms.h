/*
 * The terms of a text: what passages are indexed by, and what questions are looked up by. Full
 * text, local vectors and quotations all take them from here. Pure.
 *
 * A term is a run of letters, or of digits, folded (unicode_fold). Parts that belong together stand
 * alone and together: floodGate, flood-gate and flood_gate give flood, gate and floodgate; 230V
 * gives 230, v and 230v. Numbers with separators give their groups and the number as a program
 * writes it: 1,234,567.89 and 1.234.567,89 both 1234567.89. Scripts without spaces between words
 * give every two neighbours.
 */
#ifndef RUNNER_KNOWLEDGE_TERMS_H
#define RUNNER_KNOWLEDGE_TERMS_H

#include <millrace/arena.h>

struct terms {
	struct str words; /* separated by spaces, in their order, again where they come again */
	/*
	 * What a passage is found by as well: each character that may be a word alone
	 * (UNICODE_IDEOGRAPH; `words` has those that stand alone), and pairs of hiragana, which are
	 * mostly endings and particles.
	 */
	struct str more;
};

/* Takes UTF-8. What it gives is the arena's, some four times the text at most. */
void terms_of(struct arena *a, struct str text, struct terms *out);

/* Those that a question is looked up by: its words, or what there is else. */
static inline struct str
terms_asked(const struct terms *t)
{
	return t->words.n > 0 ? t->words : t->more;
}

#endif
