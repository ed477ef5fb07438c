#include "runner/knowledge/furniture.h"
#include "runner/knowledge/terms.h"

#define LEADERS 3 /* dots before a page's number */
#define PAGE_DIGITS 4
#define ROMAN_LETTERS 7
#define ENTRY_MAX 200 /* bytes of a line of contents */
#define TITLE_MAX 90 /* bytes */
#define ENTRIES 4 /* fewer lines are no table of contents */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct str
without_end(struct str s, size_t n)
{
	return (struct str){ s.p, s.n - n };
}

/* Without the page's number at its end, and *page that; the line itself where it has none. */
static struct str
before_page(struct str line, struct str *page)
{
	size_t n = 0;

	while (n < line.n && n <= PAGE_DIGITS && is_digit(line.p[line.n - 1 - n]))
		n++;
	if (n == 0)
		while (n < line.n && n <= ROMAN_LETTERS && strchr("ivxlc", line.p[line.n - 1 - n]))
			n++;
	*page = (struct str){ line.p + line.n - n, n };
	return n > 0 && n < line.n ? without_end(line, n) : line;
}

/* How long the dot is that the line ends with: "." and "_", or "·" and "…"; 0: it ends with none.
 */
static size_t
leader_at_end(struct str line)
{
	if (line.n > 0 && (line.p[line.n - 1] == '.' || line.p[line.n - 1] == '_'))
		return 1;
	if (line.n >= 2 && memcmp(line.p + line.n - 2, "\xc2\xb7", 2) == 0)
		return 2;
	return line.n >= 3 && memcmp(line.p + line.n - 3, "\xe2\x80\xa6", 3) == 0 ? 3 : 0;
}

bool
furniture_is_entry(struct str line)
{
	size_t dots = 0, n;
	struct str page;

	line = before_page(str_trim(line), &page);
	if (page.n == 0)
		return false;
	for (;;) {
		while (line.n > 0 && is_blank(line.p[line.n - 1]))
			line.n--;
		if ((n = leader_at_end(line)) == 0)
			return dots >= LEADERS;
		line.n -= n;
		dots += n == 3 ? LEADERS : 1;
	}
}

bool
furniture_is_shouted(struct str s)
{
	bool capital = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= 'a' && s.p[i] <= 'z')
			return false;
		capital = capital || (s.p[i] >= 'A' && s.p[i] <= 'Z');
	}
	return capital;
}

bool
furniture_is_title(struct str line)
{
	unsigned char first = line.n > 0 ? (unsigned char)line.p[0] : 0;
	char last = line.n > 0 ? line.p[line.n - 1] : '.';

	if (line.n < 3 || line.n > TITLE_MAX || memchr(line.p, '\t', line.n) != NULL)
		return false;
	if (!(first >= 0x80 || (first >= 'A' && first <= 'Z') || is_digit((char)first)))
		return false;
	return last != '.' && last != ',' && last != ';' && last != ':' && last != '|';
}

bool
furniture_is_address(struct str s)
{
	size_t words = 0, addresses = 0, numbers = 0;

	while (s.n > 0) {
		struct str word = { s.p, 0 };

		while (word.n < s.n && !strchr(" \t\n", s.p[word.n]))
			word.n++;
		words += word.n > 0;
		if (memmem(word.p, word.n, "://", 3) || str_starts(word, S("www.")))
			addresses++;
		else
			numbers += word.n > 0 && is_digit(word.p[0]);
		s.p += word.n + (word.n < s.n);
		s.n -= word.n + (word.n < s.n);
	}
	/* A long address may be torn in two. */
	return addresses > 0 && (words - numbers - addresses) * 2 <= addresses;
}

/* The levels of the number that it begins with: 2 of "1.2 Title", "A.1. Title"; 0 without. */
static size_t
levels(struct str line)
{
	size_t i = 0, n = 0;

	if (line.n > 1 && line.p[0] >= 'A' && line.p[0] <= 'Z' && line.p[1] == '.') {
		i = 2;
		n = 1;
	}
	while (i < line.n && is_digit(line.p[i])) {
		while (i < line.n && is_digit(line.p[i]))
			i++;
		n++;
		if (i < line.n && line.p[i] == '.')
			i++;
	}
	return i < line.n && is_blank(line.p[i]) ? n : 0;
}

/* Is one of the headings, or the text's first line, what contents and indexes are called? */
static bool
is_named_contents(struct arena *a, struct str headings, struct str text)
{
	static const char *const names[] = { "contents", "table of contents", "inhalt",
		"inhaltsverzeichnis", "index", "stichwortverzeichnis", "sachregister", "register",
		"sommaire", "table des matieres", "indice", "indice alfabetico",
		"indice de contenido", "sumario", "inhoud", "inhoudsopgave", "innehall",
		"spis tresci", "obsah", "содержание", "оглавление", "目次", "目录", "目錄", "차례",
		"목차" };
	struct str rest = headings, part;
	struct terms t;

	(void)str_cut(text, '\n', &part);
	for (bool last = false; !last;) {
		terms_of(a, part, &t);
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (str_eq(str_trim(t.words), str_from(names[i])))
				return true;
		last = rest.n == 0;
		/* "A › B": the mark's last byte parts them well enough. */
		rest = str_cut(rest, '\xba', &part);
	}
	return false;
}

/* What is counted of a passage's lines. */
struct lines {
	size_t n, leaders, numbered, top, questions, ending; /* top: numbered in one level */
};

static void
count_line(struct str line, struct lines *c)
{
	char last = line.p[line.n - 1];
	size_t n = line.n <= ENTRY_MAX ? levels(line) : 0;
	struct str page, before = before_page(line, &page);

	c->n++;
	if (furniture_is_entry(line) || furniture_is_address(line))
		c->leaders++;
	else if (last == '?' && line.n <= ENTRY_MAX)
		c->questions++;
	else if (n >= 2 && !strchr(".:;,", last))
		c->numbered++;
	else if (n == 1 && !strchr(".:;,", last))
		c->top++;
	if (page.n > 0 && before.n < line.n && line.n <= ENTRY_MAX &&
	    strchr(" \t-,", before.p[before.n - 1]))
		c->ending++;
}

bool
furniture_is_contents(struct str headings, struct str text)
{
	struct lines c = { 0 };
	struct str line, rest = text;
	struct arena *a;
	size_t sure;
	bool named;

	while (rest.n > 0) {
		rest = str_cut(rest, '\n', &line);
		line = str_trim(line);
		if (line.n > 0)
			count_line(line, &c);
	}
	sure = c.leaders + c.numbered + c.questions;
	if (c.n < ENTRIES)
		return false;
	if (sure >= ENTRIES - 1 && (sure + c.top) * 4 >= c.n * 3)
		return true;
	/* An entry of two lines, of which only the second has the dots */
	if (c.leaders >= ENTRIES && c.leaders * 5 >= c.n * 2)
		return true;
	if (c.ending * 3 < c.n * 2)
		return false;
	a = arena_new();
	named = is_named_contents(a, headings, text);
	arena_free(a);
	return named;
}
