/*
 * Words that end a line in U+002D. A program that divides words at the ends of lines writes the
 * same hyphen as an author, and no dictionary tells them apart in all languages; the rest of the
 * document does in most cases.
 */
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>

#include "extract/out.h"
#include "extract/pdf/pdf.h"

#define CAPITALS 3 /* of half a word in capitals; shorter ones are abbreviations */
#define HALF_MAX 64 /* bytes of half a word; longer ones keep their hyphen */

/* A set of words, by hash; open addressing, at most half full. */
struct lexicon {
	uint64_t *slots; /* cap, a power of two; 0: empty */
	size_t cap;
	size_t n;
	size_t german, english; /* how often words stand there that each language is full of */
};

/* FNV-1a. */
static uint64_t
hash_add(uint64_t h, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 0x100000001B3u;
	return h;
}

#define HASH_START 0xCBF29CE484222325u

static size_t
slot_of(const struct lexicon *l, uint64_t h)
{
	size_t i = (size_t)(h ^ h >> 32) & (l->cap - 1);

	while (l->slots[i] != 0 && l->slots[i] != h)
		i = (i + 1) & (l->cap - 1);
	return i;
}

static void
lexicon_add(struct lexicon *l, uint64_t h)
{
	struct lexicon old = *l;
	size_t i;

	if (l->n * 2 >= l->cap) {
		l->cap = l->cap == 0 ? 4096 : l->cap * 2;
		l->slots = grow(NULL, l->cap * sizeof(*l->slots));
		memset(l->slots, 0, l->cap * sizeof(*l->slots));
		for (i = 0; i < old.cap; i++)
			if (old.slots[i] != 0)
				l->slots[slot_of(l, old.slots[i])] = old.slots[i];
		free(old.slots);
	}
	i = slot_of(l, h);
	l->n += l->slots[i] == 0;
	l->slots[i] = h;
}

static bool
lexicon_has(const struct lexicon *l, uint64_t h)
{
	return l->cap > 0 && l->slots[slot_of(l, h)] != 0;
}

/* The small letter that a letter at p is, and its bytes in *used; 0 where there is none. */
static uint32_t
letter(const char *p, size_t n, size_t *used)
{
	uint32_t c;

	*used = utf8_get((const unsigned char *)p, n, &c);
	if (*used == 0)
		*used = 1;
	else if (c < 0x80)
		return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (c | 0x20) : 0;
	else if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M))
		return uc_tolower(c);
	return 0;
}

static bool listed(const char *list, const char *p, size_t n);

/* Counts a word of the text where it tells a language. */
static void
lexicon_language(struct lexicon *l, const char *word, size_t n)
{
	if (n != 3)
		return;
	l->german += listed("der die das und von mit ist den", word, n);
	l->english += listed("the and for are you can not has", word, n);
}

/*
 * All words of the text, and those with hyphens both as a whole and by their parts; not those that
 * are divided at a line's end, which are no evidence.
 */
static void
lexicon_fill(struct lexicon *l, const struct pdf_text *t)
{
	uint64_t part = HASH_START, whole = HASH_START;
	bool in_part = false, divided = false, compound = false;
	size_t i, used, from = 0;
	uint32_t c;
	char b[4];

	for (i = 0; i <= t->len; i += used) {
		used = 1;
		c = i < t->len ? letter(t->p + i, t->len - i, &used) : 0;
		if (c != 0) {
			from = in_part ? from : i;
			part = hash_add(part, b, utf8_put(c, b));
			whole = hash_add(whole, b, utf8_put(c, b));
			in_part = true;
			continue;
		}
		if (in_part && !divided && (i == t->len || t->p[i] != PDF_HYPHEN)) {
			lexicon_add(l, part);
			lexicon_language(l, t->p + from, i - from);
		}
		part = HASH_START;
		divided = in_part && i < t->len && t->p[i] == PDF_HYPHEN;
		if (in_part && i < t->len && t->p[i] == '-') {
			whole = hash_add(whole, "-", 1);
			compound = true;
		} else {
			if (compound && in_part && !divided)
				lexicon_add(l, whole);
			whole = HASH_START;
			compound = false;
		}
		in_part = false;
	}
}

/* One of the words of a list that are divided by blanks. */
static bool
listed(const char *list, const char *p, size_t n)
{
	const char *at;
	size_t len;

	for (at = list; *at != '\0'; at += len + (at[len] == ' ')) {
		len = strcspn(at, " ");
		if (len == n && memcmp(at, p, n) == 0)
			return true;
	}
	return false;
}

/* The two halves of a word, in small letters. */
struct halves {
	char a[HALF_MAX], b[HALF_MAX];
	size_t n_a, n_b;
	bool in_capitals;
	bool goes_on; /* there is another hyphen behind them: state-of-the-art */
};

/* Reads the letters around a hyphen at `at`. False where a half is none, or too long. */
static bool
halves_of(const struct pdf_text *t, size_t at, struct halves *h)
{
	size_t from = at, i, used;
	uint32_t c;

	h->n_a = h->n_b = 0;
	while (
	    from > 0 && at - from < HALF_MAX &&
	    (((unsigned char)t->p[from - 1] & 0x80) != 0 || letter(t->p + from - 1, 1, &used) != 0))
		from--;
	for (i = from; i < at; i += used) {
		if ((c = letter(t->p + i, at - i, &used)) == 0)
			h->n_a = 0;
		else if (h->n_a + 4 > HALF_MAX)
			return false;
		else
			h->n_a += utf8_put(c, h->a + h->n_a);
	}
	for (i = at + 1; i < t->len && (c = letter(t->p + i, t->len - i, &used)) != 0; i += used) {
		if (h->n_b + 4 > HALF_MAX)
			return false;
		h->n_b += utf8_put(c, h->b + h->n_b);
	}
	h->goes_on = i < t->len && (t->p[i] == '-' || t->p[i] == PDF_HYPHEN);
	h->in_capitals = t->p[at - 1] >= 'A' && t->p[at - 1] <= 'Z';
	return h->n_a > 0 && h->n_b > 0;
}

/* Words that stand before a hyphen of an author, by what is common in English. */
static const char first_halves[] =
    "all cross double ever far fast first five four free full great half hard high ill large life "
    "light like long longer low multi near new nine non north old one open part post quarter right "
    "second self seven short six slow small south third three two vice water well wide world "
    "twenty thirty forty fifty sixty seventy eighty ninety";

/* Short words that may stand behind one. */
static const char last_halves[] = "in up by on to of off out at it as me go do no so us we";

/* Short words and prefixes that begin both compounds and divided words. */
static const char open_halves[] =
    "an as at be by co do ex go he if in is it me my no of on or re so to "
    "un up us we";

/* Ends of English, French and German words that are no words. */
static const char endings[] =
    "able ably ality ally ance ances ants ated ates ation ations ative ble cal cally cial cially "
    "cy "
    "dom ence ences ency ents ers ery est ful fully graphy heit ible ibly ical ically ied ies ify "
    "ing ings ion ions ish ism isms ist ists ities ity ive ization ized izes keit keiten lich "
    "liche "
    "lichen lization logical logies logy ment ments ness nesses ology ors ory ous ously sion sions "
    "sive tal ted ters tial tially tic tical tics ties ting tion tional tionally tions tive tives "
    "tivity tor tors ture tures ual ually ung ungen";

enum verdict {
	VERDICT_OPEN,
	VERDICT_JOINED, /* one word, divided at the line's end */
	VERDICT_HYPHEN, /* the author's hyphen */
	VERDICT_APART, /* that, and a blank behind it: Ein- und Ausgang */
	VERDICT_N,
};

static bool
has_vowel(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strchr("aeiouy", p[i]) != NULL || ((unsigned char)p[i] & 0x80) != 0)
			return true;
	return false;
}

static enum verdict
judge(const struct lexicon *l, const struct halves *h)
{
	uint64_t a = hash_add(HASH_START, h->a, h->n_a), b = hash_add(HASH_START, h->b, h->n_b);

	if (lexicon_has(l, hash_add(hash_add(a, "-", 1), h->b, h->n_b)))
		return VERDICT_HYPHEN;
	if (lexicon_has(l, hash_add(a, h->b, h->n_b)))
		return VERDICT_JOINED;
	if (h->goes_on || (h->in_capitals && (h->n_a < CAPITALS || h->n_b < CAPITALS)))
		return VERDICT_HYPHEN;
	if (listed("and or und oder bzw sowie", h->b, h->n_b))
		return VERDICT_APART;
	if (listed(endings, h->b, h->n_b))
		return VERDICT_JOINED;
	/* A German compound that is written with a hyphen has a capital behind it. */
	if (l->german > l->english && !h->in_capitals && h->n_a > 1)
		return VERDICT_JOINED;
	if (listed(first_halves, h->a, h->n_a) || listed(last_halves, h->b, h->n_b) || h->n_a == 1)
		return VERDICT_HYPHEN;
	if (lexicon_has(l, a) && lexicon_has(l, b))
		return VERDICT_HYPHEN;
	if (listed(open_halves, h->a, h->n_a))
		return VERDICT_OPEN;
	if (h->n_a == 2 || h->n_b <= 2 || !has_vowel(h->a, h->n_a) || !has_vowel(h->b, h->n_b))
		return VERDICT_JOINED;
	return VERDICT_OPEN;
}

/*
 * Where some of the hyphens that can be told divide words, the document's program does that, and
 * those that cannot be told are taken for such; otherwise they are kept.
 */
void
pdf_hyphens(struct pdf_text *t)
{
	struct pdf_text out = { 0 };
	struct lexicon l = { 0 };
	size_t i, from, count[VERDICT_N] = { 0 };
	struct halves h;
	enum verdict v;

	if (t->len == 0 || memchr(t->p, PDF_HYPHEN, t->len) == NULL)
		return;
	lexicon_fill(&l, t);
	for (i = 0; i < t->len; i++)
		if (t->p[i] == PDF_HYPHEN)
			count[halves_of(t, i, &h) ? judge(&l, &h) : VERDICT_HYPHEN]++;
	for (i = from = 0; i < t->len; i++) {
		if (t->p[i] != PDF_HYPHEN)
			continue;
		v = halves_of(t, i, &h) ? judge(&l, &h) : VERDICT_HYPHEN;
		if (v == VERDICT_OPEN && count[VERDICT_JOINED] > 0 &&
		    count[VERDICT_JOINED] * 3 >= count[VERDICT_HYPHEN])
			v = VERDICT_JOINED;
		pdf_put(&out, t->p + from, i - from);
		if (v != VERDICT_JOINED)
			pdf_put(&out, v == VERDICT_APART ? "- " : "-", v == VERDICT_APART ? 2 : 1);
		from = i + 1;
	}
	pdf_put(&out, t->p + from, t->len - from);
	free(t->p);
	free(l.slots);
	*t = out;
}
