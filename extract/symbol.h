/*
 * Symbol fonts: their characters have codes of the font's own, which Unicode's private use area
 * (U+F020 to U+F0FF) carries in Office documents. Holds no state.
 */
#ifndef MILLRACE_EXTRACT_SYMBOL_H
#define MILLRACE_EXTRACT_SYMBOL_H

#include "extract/extract.h"

/*
 * The character of Unicode that a code (0x20 to 0xFF, or the same above U+F000) of a font looks
 * like. 0: the font is none of the known ones (their names in any case), or has no such character
 * there. Sources: Adobe's table at unicode.org (VENDORS/ADOBE/symbol.txt); for the Wingdings,
 * ISO/IEC JTC1/SC2/WG2 N4384, of whose characters those are taken that are met in text, as the
 * older of two that look alike.
 */
uint32_t symbol_unicode(struct bytes font, uint32_t code);

#endif
