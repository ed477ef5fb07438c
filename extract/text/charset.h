/*
 * The encoding of text that does not say it for certain, and its conversion to UTF-8, by ICU and
 * uchardet, whose tables are in the libraries: nothing is opened.
 */
#ifndef MILLRACE_EXTRACT_CHARSET_H
#define MILLRACE_EXTRACT_CHARSET_H

#include "extract/out.h"

/*
 * Text in UTF-8 without its byte order mark; may be part of b itself, which else is not needed
 * further. `label` is what the text says of its encoding, read as browsers read it (WHATWG
 * Encoding), or NULL. A byte order mark goes before it, and so does text that is UTF-8; where
 * nothing is said, or not truly, the encoding is guessed. A guess and bytes that are no characters
 * (each becomes U+FFFD) are told by a notice. Ends the worker where no encoding makes words of it.
 */
struct bytes charset_text(struct bytes b, const char *label, struct out *o);

/* Text in UTF-16 without a byte order mark, which holds NULs: the converter's name, or NULL. */
const char *charset_utf16(struct bytes b);

/*
 * The most likely encoding of bytes that are not UTF-8: a name for charset_decode(), which stays
 * valid; NULL where no encoding makes words of them.
 */
const char *charset_guess(struct bytes b);

/*
 * The name of ICU's converter for a label as browsers read it, or NULL for a label that is not
 * known, or not one of text that contains ASCII.
 */
const char *charset_known(const char *label);

/*
 * Decodes b by the converter of that name; *n_bad is how many bytes, or runs of them, were no
 * characters.
 */
struct bytes charset_decode(struct bytes b, const char *name, size_t *n_bad);

#endif
