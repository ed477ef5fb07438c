/*
 * Text in the forms that it is compared in, by libunistring and libidn2: what two keyboards write
 * differently for one reader is the same here. Each takes UTF-8 and gives the arena's, or the text
 * itself where nothing is to be changed; what is no UTF-8 is left as it is. Nothing here blocks or
 * keeps state; any thread.
 */
#ifndef MILLRACE_UNICODE_H
#define MILLRACE_UNICODE_H

#include <millrace/arena.h>
#include <millrace/err.h>

/* Composed (NFC, Unicode Standard Annex 15). */
struct str unicode_nfc(struct arena *a, struct str s);
/*
 * A password as RFC 8265, 4.2.2 (OpaqueString) has it: every space is U+0020, and NFC. Case and
 * width stay. Refuses nothing: neither control characters nor what this Unicode does not know yet.
 */
struct str unicode_password(struct arena *a, struct str s);
/*
 * A name as RFC 8265, 3.4.2 (UsernameCasePreserved) has it: full-width letters are the usual ones,
 * and NFC; without white space and invisible characters at both ends.
 */
struct str unicode_name(struct arena *a, struct str s);
/* The same in lower case (3.3.2, UsernameCaseMapped). */
struct str unicode_name_lower(struct arena *a, struct str s);
/* Does it hold a control character, white space or what cannot be seen? */
bool unicode_has_blanks(struct str s);
bool unicode_has_controls(struct str s);

/*
 * Text as search compares it: NFKC, case folded, without accents, the vowels of Hebrew and Arabic,
 * and what cannot be seen; ß is ss, ø is o, ı is i; digits are those of ASCII. U+200B stands where
 * a word has a border inside: it was written there, or floodGate has a capital there, or km² a
 * sign.
 */
struct str unicode_fold(struct arena *a, struct str s);

/* What a character of such text is to whoever cuts it into words. */
enum unicode_kind {
	UNICODE_OTHER, /* stands between words */
	UNICODE_LETTER, /* of a script that is written with spaces, or a mark */
	UNICODE_DIGIT,
	/* From here on of a script without spaces between words */
	UNICODE_IDEOGRAPH, /* may be a word alone: Han, a syllable of Hangul, a pictograph */
	UNICODE_HIRAGANA,
	UNICODE_UNSPACED /* of another: katakana, Thai */
};
enum unicode_kind unicode_kind(uint32_t c);

/*
 * A domain's name by UTS 46 (not transitional) and IDNA 2008 (RFC 5891): in lower case, with
 * U-labels where there are A-labels (xn--…). Of labels in ASCII only the case is changed. False
 * where it is no such name.
 */
MUST_CHECK bool unicode_domain(struct arena *a, struct str s, struct str *out);
/* The same with A-labels, as mail relays take it. */
MUST_CHECK bool unicode_domain_ascii(struct arena *a, struct str s, struct str *out);

#endif
