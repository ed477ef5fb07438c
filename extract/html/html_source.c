/* What has to be known of a page's source before it is parsed. */
#include <string.h>
#include <strings.h>

#include "extract/html/html.h"

#define LABEL_MAX 40 /* bytes of an encoding's name */

static bool
begins(const unsigned char *p, const unsigned char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && strncasecmp((const char *)p, word, n) == 0;
}

/* Where the word is in the text without regard to case, or NULL. Its first byte is no letter. */
static const unsigned char *
find(const unsigned char *p, const unsigned char *end, const char *word)
{
	for (; (p = memchr(p, word[0], (size_t)(end - p))) != NULL; p++)
		if (begins(p, end, word))
			return p;
	return NULL;
}

/* The word anywhere in a tag. */
static const unsigned char *
find_in(const unsigned char *p, const unsigned char *end, const char *word)
{
	for (; p < end; p++)
		if (begins(p, end, word))
			return p;
	return NULL;
}

static const unsigned char *
skip_blanks(const unsigned char *p, const unsigned char *end)
{
	while (p < end && *p != 0 && strchr(" \t\r\n\f", *p) != NULL)
		p++;
	return p;
}

/* The value behind a name in a tag ("charset = 'x'"), NUL-terminated, or NULL. */
static const char *
value_of(const unsigned char *p, const unsigned char *end, const char *name)
{
	static char label[LABEL_MAX + 1];
	size_t n = 0;

	if ((p = find_in(p, end, name)) == NULL)
		return NULL;
	p = skip_blanks(p + strlen(name), end);
	if (p == end || *p != '=')
		return NULL;
	p = skip_blanks(p + 1, end);
	if (p < end && (*p == '"' || *p == '\''))
		p = skip_blanks(p + 1, end);
	while (p < end && n < LABEL_MAX && strchr("\"'; \t\r\n\f/>?", *p) == NULL)
		label[n++] = (char)*p++;
	label[n] = '\0';
	return n > 0 ? label : NULL;
}

/* The end of what begins at p and is no element: a comment, or a script's or style's text. */
static const unsigned char *
skip_raw(const unsigned char *p, const unsigned char *end)
{
	static const struct {
		const char *start, *stop;
	} raw[] = { { "<!--", "-->" }, { "<script", "</script" }, { "<style", "</style" } };
	const unsigned char *stop;
	size_t i;

	for (i = 0; i < sizeof(raw) / sizeof(raw[0]); i++)
		if (begins(p, end, raw[i].start)) {
			stop = find(p + strlen(raw[i].start), end, raw[i].stop);
			return stop != NULL ? stop + strlen(raw[i].stop) : end;
		}
	return p + 1;
}

const char *
html_declared(struct bytes page)
{
	const unsigned char *p = page.p, *end = p + page.n, *stop;
	const char *label;

	p = skip_blanks(p, end);
	if (begins(p, end, "<?xml") && (stop = find(p, end, "?>")) != NULL &&
	    (label = value_of(p, stop, "encoding")) != NULL)
		return label;
	for (; (p = memchr(p, '<', (size_t)(end - p))) != NULL; p = skip_raw(p, end)) {
		if (begins(p, end, "<body"))
			return NULL;
		if (!begins(p, end, "<meta") || (stop = find(p, end, ">")) == NULL ||
		    (label = value_of(p, stop, "charset")) == NULL)
			continue;
		/* In another content it is a word, not a declaration. */
		if (find_in(p, stop, "content") == NULL || find_in(p, stop, "http-equiv") != NULL)
			return label;
	}
	return NULL;
}
