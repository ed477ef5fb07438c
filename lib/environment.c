#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <millrace/arena.h>
#include <millrace/environment.h>

#define FILE_MAX 1000000

/* What is being read; values are unquoted in place, since they only become shorter. */
struct reader {
	char *p;
	size_t line;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

static char
next_byte(struct reader *r)
{
	r->line += *r->p == '\n';
	return *r->p++;
}

/* After a backslash that counts; in quotes only some characters need one. */
static size_t
put_escaped(struct reader *r, char *out, bool quoted)
{
	char c = next_byte(r);

	if (is_line_end(c))
		return 0;
	if (quoted && strchr("\"\\`$", c) == NULL) {
		out[0] = '\\';
		out[1] = c;
		return 2;
	}
	out[0] = c;
	return 1;
}

/* A value, up to the end of its line. NULL: a quote is not closed. */
static const char *
read_value(struct reader *r)
{
	char *start = r->p, *out = start, *end = start, quote = '\0';
	bool bare = false; /* quotes are characters like others then */

	while (*r->p != '\0' && (quote != '\0' || !is_line_end(*r->p))) {
		char c = next_byte(r);

		if (c == '\\' && quote != '\'' && *r->p != '\0') {
			out += put_escaped(r, out, quote != '\0');
			bare = bare || quote == '\0';
			end = out;
		} else if (quote != '\0' && c == quote) {
			quote = '\0';
			end = out;
		} else if (quote == '\0' && !bare && (c == '"' || c == '\'')) {
			quote = c;
		} else if (quote != '\0' || bare || !is_blank(c)) {
			*out++ = c;
			bare = bare || quote == '\0';
			if (quote != '\0' || !is_blank(c))
				end = out;
		}
	}
	if (*r->p != '\0')
		(void)next_byte(r);
	*end = '\0';
	return quote == '\0' ? start : NULL;
}

/* NAME and its =; NULL where the line does not begin so. */
static const char *
read_name(struct reader *r)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	char *start = r->p, *end;

	r->p += strspn(r->p, letters);
	if (r->p == start)
		return NULL;
	while (*r->p != '\0' && (strchr(letters, *r->p) || (*r->p >= '0' && *r->p <= '9')))
		r->p++;
	end = r->p;
	while (is_blank(*r->p))
		r->p++;
	if (*r->p != '=')
		return NULL;
	*end = '\0';
	r->p++;
	return start;
}

/* The next character that is not of a blank line or a comment. */
static void
skip_to_line(struct reader *r)
{
	while (*r->p == '#' || *r->p == ';' || is_blank(*r->p) || is_line_end(*r->p)) {
		if (*r->p == '#' || *r->p == ';')
			r->p += strcspn(r->p, "\r\n");
		if (*r->p != '\0')
			(void)next_byte(r);
	}
}

static bool
parse(struct environment *e, char *why, size_t why_len)
{
	struct reader r = { .p = e->text, .line = 1 };

	for (skip_to_line(&r); *r.p != '\0'; skip_to_line(&r)) {
		struct environment_line *l = &e->lines[e->n];
		size_t number = r.line;

		*l = (struct environment_line){ .name = read_name(&r), .number = number };
		if (l->name != NULL)
			l->value = read_value(&r);
		if (l->value == NULL) {
			/* Not the line itself: it may hold a secret. */
			(void)snprintf(why, why_len, "line %zu %s", number,
			    l->name == NULL ? "is not NAME=value" : "has a quote without an end");
			return false;
		}
		e->n++;
	}
	return true;
}

/* The whole file; false with `why` where it cannot be. */
static bool
read_text(const char *path, struct environment *e, char *why, size_t why_len)
{
	FILE *f = fopen(path, "re");
	size_t n, lines = 1;
	bool failed;

	if (f == NULL) {
		(void)snprintf(why, why_len, "it cannot be read: %s", strerror(errno));
		return false;
	}
	e->text = xmalloc(FILE_MAX + 1);
	n = fread(e->text, 1, FILE_MAX + 1, f);
	failed = ferror(f) != 0;
	(void)snprintf(why, why_len, "it cannot be read: %s", strerror(errno));
	(void)fclose(f);
	errno = 0;
	if (failed)
		return false;
	if (n > FILE_MAX || memchr(e->text, '\0', n) != NULL) {
		(void)snprintf(why, why_len, "it is not a text of at most %d bytes", FILE_MAX);
		return false;
	}
	e->text[n] = '\0';
	for (size_t i = 0; i < n; i++)
		lines += is_line_end(e->text[i]);
	e->lines = xmalloc((lines + 1) * sizeof(*e->lines));
	return true;
}

bool
environment_read(const char *path, struct environment *e, char *why, size_t why_len)
{
	*e = (struct environment){ NULL, 0, NULL };
	return read_text(path, e, why, why_len) && parse(e, why, why_len);
}

void
environment_apply(struct environment *e)
{
	for (size_t i = e->n; i > 0; i--) {
		struct environment_line *l = &e->lines[i - 1];

		l->applied = getenv(l->name) == NULL && setenv(l->name, l->value, 1) == 0;
	}
}

void
environment_free(struct environment *e)
{
	free(e->lines);
	free(e->text);
	*e = (struct environment){ NULL, 0, NULL };
}
