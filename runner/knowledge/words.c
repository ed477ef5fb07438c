#include "runner/knowledge/furniture.h"
#include "runner/knowledge/terms.h"
#include "runner/knowledge/utf8.h"
#include "runner/knowledge/words.h"

/* The next of a text's terms, cut at WORD_LETTERS letters; 0 letters at their end. */
static size_t
word_next(struct str *terms, uint32_t letters[WORD_LETTERS])
{
	struct str word;
	size_t n = 0;

	if (terms->n == 0)
		return 0;
	*terms = str_cut(*terms, ' ', &word);
	while (word.n > 0 && n < WORD_LETTERS) {
		size_t len = utf8_next(word, &letters[n++]);

		word.p += len;
		word.n -= len;
	}
	return n;
}

static bool
alike(const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
	size_t shorter = na < nb ? na : nb, same = 0;

	while (same < shorter && a[same] == b[same])
		same++;
	if (na == nb && same == na)
		return true;
	return shorter >= 4 && same * 4 >= (na > nb ? na : nb) * 3;
}

void
words_of(struct arena *a, struct str text, struct words *out)
{
	struct terms terms;
	struct str rest;

	terms_of(a, text, &terms);
	rest = terms_asked(&terms);
	out->n = 0;
	while (out->n < WORDS_MAX) {
		size_t n = word_next(&rest, out->w[out->n].letters);
		bool known = false;

		if (n == 0)
			break;
		for (size_t i = 0; i < out->n; i++)
			known = known ||
				alike(out->w[i].letters, out->w[i].n, out->w[out->n].letters, n);
		if (known)
			continue;
		out->w[out->n++].n = n;
	}
}

static uint32_t
words_among(const struct words *w, struct str terms)
{
	uint32_t letters[WORD_LETTERS], in = 0;
	size_t n;

	while ((n = word_next(&terms, letters)) > 0)
		for (size_t i = 0; i < w->n; i++)
			if (alike(letters, n, w->w[i].letters, w->w[i].n))
				in |= 1U << i;
	return in;
}

uint32_t
words_in(struct arena *a, const struct words *w, struct str text)
{
	struct terms terms;

	terms_of(a, text, &terms);
	return words_among(w, terms.words) | words_among(w, terms.more);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* How long the mark of a sentence's end is that stands at i: of Latin or East Asian writing. */
static size_t
end_mark(struct str s, size_t i)
{
	static const char *const wide[] = { "\xe3\x80\x82", "\xef\xbc\x81", "\xef\xbc\x9f",
		"\xef\xbd\xa1" };

	if (s.p[i] == '.' || s.p[i] == '!' || s.p[i] == '?')
		return 1;
	if ((unsigned char)s.p[i] < 0xe3)
		return 0;
	for (size_t k = 0; k < sizeof(wide) / sizeof(*wide) && i + 3 <= s.n; k++)
		if (memcmp(s.p + i, wide[k], 3) == 0)
			return 3;
	return 0;
}

/* How many bytes of quotation marks and brackets close at i. */
static size_t
closing(struct str s, size_t i)
{
	static const char *const marks[] = { ")", "]", "\"", "'", "\xe2\x80\x9d", "\xe2\x80\x9c",
		"\xe2\x80\x99", "\xc2\xbb", "\xe3\x80\x8d", "\xef\xbc\x89" };
	size_t from = i;

	for (size_t k = 0; k < sizeof(marks) / sizeof(*marks); k++) {
		size_t n = strlen(marks[k]);

		if (i + n <= s.n && memcmp(s.p + i, marks[k], n) == 0) {
			i += n;
			k = (size_t)-1;
		}
	}
	return i - from;
}

/* Does the word that begins at i name a month, as in "24. Dezember"? */
static bool
is_month(struct str s, size_t i)
{
	static const char *const months[] = { "Januar", "Jänner", "Februar", "März", "April", "Mai",
		"Juni", "Juli", "August", "September", "Oktober", "November", "Dezember" };
	struct str rest = { s.p + i, s.n - i };

	for (size_t k = 0; k < sizeof(months) / sizeof(*months); k++) {
		size_t n = strlen(months[k]);

		if (str_starts(rest, str_from(months[k])) && (rest.n == n || !is_letter(rest.p[n])))
			return true;
	}
	return false;
}

/* Is the word before the full stop at i written with one, whatever follows? */
static bool
is_short(struct str s, size_t i)
{
	static const char *const words[] = { "Dr", "Mr", "Mrs", "Ms", "Prof", "St", "No", "Nr",
		"Fig", "Abb", "Abs", "Art", "Kap", "Tab", "Bd", "vs", "ca", "bzw", "ggf", "evtl",
		"inkl", "zzgl", "max", "min", "approx", "resp", "vgl", "cf", "Tel", "Sr", "Sra" };
	size_t from = i;
	struct str word;

	while (from > 0 && (is_letter(s.p[from - 1]) || s.p[from - 1] == '.'))
		from--;
	word = (struct str){ s.p + from, i - from };
	/* A letter alone, and what has stops in it: e.g., z.B., U.S. */
	if (word.n == 1 || (word.n > 0 && memchr(word.p, '.', word.n) != NULL))
		return true;
	for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
		if (str_eq(word, str_from(words[k])))
			return true;
	return false;
}

/* Does the full stop at i belong to what is before it: a number's, an abbreviation's? */
static bool
is_inner(struct str s, size_t i, size_t next)
{
	size_t from = i;

	if (next < s.n && s.p[next] >= 'a' && s.p[next] <= 'z')
		return true;
	while (from > 0 && ((s.p[from - 1] >= '0' && s.p[from - 1] <= '9') || s.p[from - 1] == '.'))
		from--;
	if (from == i)
		return is_short(s, i);
	/* The number of a heading, or of a list's point; a day. */
	return from == 0 || s.p[from - 1] == '\n' || (i - from <= 2 && is_month(s, next));
}

/*
 * Where a sentence ends at i: behind the mark of its end and what closes with it, where space
 * follows (East Asian ones need none), or at an empty line. 0: it goes on.
 */
static size_t
end_at(struct str s, size_t i)
{
	size_t mark = end_mark(s, i), end = i + mark, next;

	if (s.p[i] == '\n')
		return i + 1 < s.n && s.p[i + 1] == '\n' ? i + 1 : 0;
	if (mark == 0)
		return 0;
	end += closing(s, end);
	if (mark == 3)
		return end;
	if (end == s.n || !is_space(s.p[end]))
		return 0;
	/* A dot alone is a leader, or an ellipsis. */
	if (i > 0 && is_space(s.p[i - 1]))
		return 0;
	for (next = end; next < s.n && is_space(s.p[next]) && s.p[next] != '\n';)
		next++;
	return s.p[i] == '.' && is_inner(s, i, next) ? 0 : end;
}

/* The first line where it is a heading above a longer line that begins anew. */
static size_t
heading_line(struct str s)
{
	struct str line, next, rest = str_cut(s, '\n', &line);

	if (rest.n == 0 || !furniture_is_title(line))
		return 0;
	(void)str_cut(rest, '\n', &next);
	return next.n > 0 && !is_space(next.p[0]) && !(next.p[0] >= 'a' && next.p[0] <= 'z') &&
		       line.n * 5 <= next.n * 3
		   ? line.n
		   : 0;
}

bool
sentence_asks(struct str s)
{
	return (s.n > 0 && s.p[s.n - 1] == '?') ||
	       (s.n >= 3 && memcmp(s.p + s.n - 3, "\xef\xbc\x9f", 3) == 0);
}

bool
sentence_leads(struct str s)
{
	return sentence_asks(s) || (memchr(s.p, '\n', s.n) == NULL && furniture_is_title(s));
}

struct str
sentence_next(struct str text, struct str *sentence)
{
	bool line = text.n > 0 && !is_space(text.p[0]);
	size_t n = 0, end = 0;

	while (text.n > 0 && is_space(text.p[0])) {
		line = line || text.p[0] == '\n';
		text.p++;
		text.n--;
	}
	if (line)
		end = heading_line(text);
	while (n < text.n && end == 0)
		end = end_at(text, n++);
	if (end == 0)
		end = text.n;
	*sentence = (struct str){ text.p, end };
	while (sentence->n > 0 && is_space(sentence->p[sentence->n - 1]))
		sentence->n--;
	return (struct str){ text.p + end, text.n - end };
}

struct str
quote_next(struct str text, struct str *piece)
{
	struct str rest = sentence_next(text, piece), all = *piece;

	if (piece->n == 0 || memchr(piece->p, '\t', piece->n) == NULL)
		return rest;
	(void)str_cut(all, '\n', piece);
	return (struct str){ piece->p + piece->n, (size_t)(text.p + text.n - piece->p) - piece->n };
}
