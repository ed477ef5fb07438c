/*
 * The thesaurus that millrace-thesaurus has made (include/millrace/thesaurus.h), mapped and shared
 * with all that map it. Any thread, once it is open.
 */
#ifndef RUNNER_KNOWLEDGE_THESAURUS_H
#define RUNNER_KNOWLEDGE_THESAURUS_H

#include <millrace/str.h>
#include <millrace/thesaurus.h>

/* Maps the file, at the program's start; false where it is not there, or is none. */
bool thesaurus_open(const char *path);

/*
 * The words that are related to a stem: calls put(arg, word, weight) for each, the weight from 0 to
 * 1. None where nothing is open.
 */
void thesaurus_each(enum thesaurus_relation r, struct str stem,
    void (*put)(void *arg, struct str word, double weight), void *arg);

static inline void
thesaurus_saw(void *arg, struct str word, double weight)
{
	(void)word;
	(void)weight;
	*(bool *)arg = true;
}

/* Is anything related to the stem? */
static inline bool
thesaurus_has(enum thesaurus_relation r, struct str stem)
{
	bool has = false;

	thesaurus_each(r, stem, thesaurus_saw, &has);
	return has;
}

#endif
