/*
 * What the readers of dictionaries collect, and the file that is made of it. One thread; everything
 * stays until the program's end.
 */
#ifndef THESAURUS_PAIRS_H
#define THESAURUS_PAIRS_H

#include <millrace/arena.h>
#include <millrace/thesaurus.h>

#include "runner/knowledge/language.h"

/* The stem of a word of the language as a passage's terms have it; absent where it is several. */
struct str stem_of(enum language l, struct str word);
/* The number of a stem, from 0. */
uint32_t word_number(struct str stem);
struct str word_text(uint32_t number);
/* The two are alike, from 0 to 1; of several weights the greatest counts. */
void pair_add(enum thesaurus_relation r, uint32_t from, uint32_t to, double weight);
size_t pairs_count(enum thesaurus_relation r);
/* Writes the file; ends the program where it cannot be written. */
void pairs_write(const char *path);

/* The whole file, plain or by gzip, in memory for good; absent where there is none. */
struct str file_read(const char *path);

/* WordNet's files (wndb(5WN)) in the directory; false where they are not there. */
bool wordnet_read(const char *dir);
/* FreeDict's dictionaries (dictd(8)) there; how many of them were read. */
size_t freedict_read(const char *dir);

#endif
