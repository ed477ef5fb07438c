/*
 * millrace-thesaurus FILE [WORDNET [DICTD]]: makes the runner's thesaurus
 * (include/millrace/thesaurus.h) of the dictionaries that are installed: WordNet (wordnet-base) and
 * FreeDict's (dict-freedict-*), in the directories of Debian's packages where none are given. Says
 * what it has found, and what search goes without.
 */
#include <stdio.h>

#include "thesaurus/pairs.h"

int
main(int argc, char **argv)
{
	const char *wordnet = argc > 2 ? argv[2] : "/usr/share/wordnet";
	const char *dictd = argc > 3 ? argv[3] : "/usr/share/dictd";
	size_t n;

	if (argc < 2 || argc > 4) {
		(void)fprintf(stderr, "usage: millrace-thesaurus FILE [WORDNET [DICTD]]\n");
		return 2;
	}
	if (wordnet_read(wordnet))
		(void)printf("thesaurus: WordNet\n");
	else
		(void)printf("thesaurus: no WordNet in %s (package wordnet-base): search finds no "
			     "synonyms by it\n",
		    wordnet);
	if ((n = freedict_read(dictd)) > 0)
		(void)printf("thesaurus: %zu of 6 dictionaries of FreeDict\n", n);
	else
		(void)printf(
		    "thesaurus: no dictionaries of FreeDict in %s (packages dict-freedict-*): "
		    "search finds nothing by translations\n",
		    dictd);
	pairs_write(argv[1]);
	(void)printf("thesaurus: %zu pairs by WordNet, %zu by translations, %zu translations\n",
	    pairs_count(THESAURUS_WORDNET), pairs_count(THESAURUS_PIVOT),
	    pairs_count(THESAURUS_FOREIGN));
	return 0;
}
