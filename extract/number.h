/*
 * How documents write the numbers of lists and clauses (ECMA-376 part 1, 17.18.59). Holds no state.
 */
#ifndef MILLRACE_EXTRACT_NUMBER_H
#define MILLRACE_EXTRACT_NUMBER_H

#include "extract/extract.h"

#define NUMBER_MAX 64 /* bytes of any number, as it is written */

enum number_format {
	NUMBER_NONE, /* nothing */
	NUMBER_DECIMAL,
	NUMBER_UPPER_ROMAN, /* up to 3,999, as NUMBER_LOWER_ROMAN */
	NUMBER_LOWER_ROMAN,
	NUMBER_UPPER_LETTER, /* A to Z, then AA to ZZ, AAA; up to 30 letters */
	NUMBER_LOWER_LETTER,
	NUMBER_UPPER_RUSSIAN, /* likewise, of the 29 letters that number clauses */
	NUMBER_LOWER_RUSSIAN,
	NUMBER_ORDINAL, /* 1st */
	NUMBER_CIRCLE, /* ① to ⑳ */
	NUMBER_FULL_WIDTH, /* １０ */
	NUMBER_DASHES, /* - 1 - */
	NUMBER_CHINESE, /* 一百零一, up to 9,999 */
	NUMBER_JAPANESE, /* 百一, up to 9,999 */
	NUMBER_IDEOGRAPHS, /* 一〇一 */
};

/*
 * Writes n, without a NUL; returns its length. Where the format ends before n, it is in decimal
 * digits. `width` is the least number of decimal digits (NUMBER_DECIMAL; at most 20), 0: as many as
 * n has.
 */
size_t number_put(enum number_format format, uint32_t n, unsigned width, char to[NUMBER_MAX]);

#endif
