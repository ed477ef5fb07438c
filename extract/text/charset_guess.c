/*
 * Guesses an 8-bit encoding: uchardet's statistics, and a check by what they would make of the
 * words, which also tells encodings that uchardet does not know.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uchardet/uchardet.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include "extract/text/charset.h"

#define SAMPLE_MAX ((size_t)256 * 1024) /* bytes that are looked at */
#define SURE 8 /* characters beyond ASCII that say something, from which nonsense is refused */
#define WORDS 50 /* the least score of what is no nonsense */

/*
 * Tried beside uchardet's guess; they win only by better words, but for those of Windows beside a
 * guess of DOS or of old Macintoshes, whose letters are their quotes and dashes: there they win
 * where it is no better.
 */
static const char *const others[] = { "windows-1252", "windows-1250", "windows-1251", "macintosh",
	"ibm-850", "windows-31j" };

/* Is it part of a word? Combining marks are. */
static bool
is_letter(uint32_t c)
{
	return u_isalpha((UChar32)c) || (U_MASK(u_charType((UChar32)c)) & U_GC_M_MASK) != 0;
}

/* What no word holds: symbols, controls, small digits as a letter's beginning. */
static bool
is_odd(uint32_t c)
{
	return (U_MASK(u_charType((UChar32)c)) & (U_GC_S_MASK | U_GC_C_MASK | U_GC_NO_MASK)) != 0 &&
	       c != 0xAD && c != 0x200C && c != 0x200D;
}

/* The script, where one word has only one: Japanese ones mix three, but no half-width kana. */
static UScriptCode
script(uint32_t c)
{
	UErrorCode e = U_ZERO_ERROR;
	UScriptCode s = uscript_getScript((UChar32)c, &e);

	if (c >= 0xFF66 && c <= 0xFF9F)
		return USCRIPT_KATAKANA;
	return s == USCRIPT_HIRAGANA || s == USCRIPT_KATAKANA ? USCRIPT_HAN : s;
}

/* The same of a mark: 1 where typography has it between such neighbours, -1 where it never does. */
static int
score_mark(uint32_t before, uint32_t c, uint32_t after)
{
	bool in = is_letter(after) || u_isdigit((UChar32)after);
	bool out = is_letter(before) || (u_ispunct((UChar32)before) && !in);

	switch (c) {
	case 0x2019: /* an apostrophe, too */
		return out || in;
	case 0x2018:
	case 0x201C: /* closes in German */
	case 0x201D: /* opens in Swedish */
		return in && is_letter(before) ? -1 : in || out;
	case 0x201A:
	case 0x201E:
		return is_letter(before) ? -1 : in;
	case 0x2013:
	case 0x2014:
		if (c == 0x2013 && u_islower((UChar32)before) && u_islower((UChar32)after))
			return -1;
		return u_isspace((UChar32)before) && u_isspace((UChar32)after);
	case 0x2020:
	case 0x2021:
	case 0x2022:
	case 0x2030:
		return is_letter(after) && is_letter(before) ? -1 : 0;
	case 0x20AC:
		return u_isdigit((UChar32)before) || u_isdigit((UChar32)after);
	default:
		return 0;
	}
}

/*
 * A character beyond ASCII among its neighbours: 1 where it makes a word with them, -1 where it
 * cannot, 0 where nothing can be said.
 */
static int
score_one(uint32_t before, uint32_t c, uint32_t after)
{
	uint32_t beside = is_letter(before) ? before : after;
	UScriptCode own = script(c);
	int mark = score_mark(before, c, after);

	if (c == 0xFFFD)
		return -1;
	if (mark != 0)
		return mark;
	if (!is_letter(beside))
		return 0;
	/* The ordinals of Spanish and Portuguese end a word. */
	if ((c == 0xAA || c == 0xBA) && is_letter(after))
		return -1;
	if (is_odd(c))
		return is_letter(after) || u_charType((UChar32)c) != U_OTHER_NUMBER ? -1 : 0;
	if (!is_letter(c))
		return 0;
	if (u_isupper((UChar32)c) && u_islower((UChar32)before))
		return -1;
	return own == script(beside) || own == USCRIPT_COMMON || own == USCRIPT_INHERITED ? 1 : -1;
}

/* How much of the text beyond ASCII makes words: a hundred for all, negative for nonsense. */
static int
score(struct bytes text, size_t *n)
{
	uint32_t c, at = ' ', before = ' ';
	long sum = 0;
	size_t i, used;
	int one;

	for (*n = i = 0; i <= text.n; i += used) {
		used = 1;
		c = ' ';
		if (i < text.n && (used = utf8_get(text.p + i, text.n - i, &c)) == 0) {
			c = 0xFFFD;
			used = 1;
		}
		one = at >= 0x80 ? score_one(before, at, c) : 0;
		sum += one;
		*n += one != 0;
		before = at;
		at = c;
	}
	return *n > 0 ? (int)(sum * 100 / (long)*n) : 0;
}

static const char *
statistics(struct bytes b)
{
	uchardet_t d = uchardet_new();
	const char *name = NULL;

	if (d != NULL && uchardet_handle_data(d, (const char *)b.p, b.n) == 0) {
		uchardet_data_end(d);
		name = charset_known(uchardet_get_charset(d));
	}
	/* uchardet's name goes with it; ICU keeps its own. */
	name = name != NULL ? strdup(name) : NULL;
	uchardet_delete(d);
	return name;
}

/* From shortly before the first byte that is not ASCII. */
static struct bytes
sample(struct bytes b)
{
	size_t i = 0;

	while (i < b.n && b.p[i] < 0x80)
		i++;
	i = i > 256 ? i - 256 : 0;
	b.p += i;
	b.n -= i;
	if (b.n > SAMPLE_MAX)
		b.n = SAMPLE_MAX;
	return b;
}

/* Has it letters where Windows has quotes and dashes? */
static bool
is_before_windows(const char *name)
{
	return strncasecmp(name, "ibm", 3) == 0 || strcasestr(name, "mac") != NULL;
}

const char *
charset_guess(struct bytes b)
{
	struct bytes s = sample(b), text, best_text = { 0 };
	const char *best = NULL, *name = statistics(s);
	size_t i, n, best_n = 0, n_bad;
	int points, best_points = 0;

	for (i = 0; i <= sizeof(others) / sizeof(others[0]); i++) {
		if (i > 0)
			name = others[i - 1];
		if (name == NULL)
			continue;
		text = charset_decode(s, name, &n_bad);
		points = score(text, &n);
		/* Of two that read the same the more usual one is named. */
		if (best == NULL || points > best_points ||
		    (points == best_points && strncmp(name, "windows-125", 11) == 0 &&
			is_before_windows(best)) ||
		    (i == 1 && text.n == best_text.n && memcmp(text.p, best_text.p, text.n) == 0)) {
			best = name;
			best_points = points;
			best_text = text;
			best_n = n;
		}
	}
	return best_n >= SURE && best_points < WORDS ? NULL : best;
}
