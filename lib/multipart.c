#include <millrace/multipart.h>

#define BOUNDARY_MAX 70
#define HEADERS_MAX 8192
#define PARTS_MAX 128

enum state { BEFORE, AFTER_BOUNDARY, HEADERS, BODY, OVER };

struct multipart {
	struct arena *a;
	const struct multipart_events *events;
	void *arg;
	enum state state;
	char delimiter[BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
	size_t delimiter_len;
	size_t n_parts;
	const char *problem;
	/* Unconsumed bytes: at most the headers of a part, or the start of a delimiter. */
	char held[HEADERS_MAX + BOUNDARY_MAX + 8];
	size_t n_held;
};

/* Is the byte at i of a quoted value a backslash that escapes the next one? */
static bool
escapes(struct str s, size_t i)
{
	return s.p[i] == '\\' && i + 1 < s.n && (s.p[i + 1] == '"' || s.p[i + 1] == '\\');
}

/* The length of the value at the start of s, quotes included. */
static size_t
value_len(struct str s)
{
	size_t i = 0;

	if (s.n > 0 && s.p[0] == '"')
		for (i = 1; i < s.n && s.p[i] != '"'; i++)
			i += escapes(s, i);
	while (i < s.n && s.p[i] != ';')
		i++;
	return i;
}

/* A value without its quotes. */
static struct str
unquoted(struct arena *a, struct str raw)
{
	char *p;
	size_t n = 0;

	if (raw.n == 0 || raw.p[0] != '"')
		return arena_str(a, str_trim(raw));
	p = arena_alloc(a, raw.n + 1);
	for (size_t i = 1; i < raw.n && raw.p[i] != '"'; i++) {
		i += escapes(raw, i);
		p[n++] = raw.p[i];
	}
	return (struct str){ p, n };
}

/* A parameter's value in `form-data; name="x"; filename=y`. Absent where it is not there. */
static struct str
parameter(struct arena *a, struct str header, struct str name)
{
	struct str rest = str_cut(header, ';', &(struct str){ NULL, 0 });

	while (rest.n > 0) {
		struct str key, raw;

		rest = str_cut(rest, '=', &key);
		raw = (struct str){ rest.p, value_len(rest) };
		/* Only the wanted one is copied: a header may hold thousands of parameters. */
		if (rest.p && str_eq_nocase(str_trim(key), name))
			return unquoted(a, raw);
		rest = raw.n < rest.n ? (struct str){ rest.p + raw.n + 1, rest.n - raw.n - 1 }
				      : (struct str){ NULL, 0 };
	}
	return (struct str){ NULL, 0 };
}

/*
 * A name of a form as its user sees it: browsers write %22 for a quote in it, and leave a true %
 * as it is (HTML Standard, 4.10.21.8). Their %0D and %0A stay, since a name is one line.
 */
static struct str
form_name(struct arena *a, struct str header, struct str key)
{
	struct str name = parameter(a, header, key);
	char *p;
	size_t n = 0;

	if (!name.p)
		return name;
	p = arena_alloc(a, name.n + 1);
	for (size_t i = 0; i < name.n; i++) {
		bool quote = name.n - i >= 3 && memcmp(name.p + i, "%22", 3) == 0;

		p[n++] = quote ? '"' : name.p[i];
		i += quote ? 2 : 0;
	}
	return (struct str){ p, n };
}

struct multipart *
multipart_new(
    struct arena *a, struct str content_type, const struct multipart_events *events, void *arg)
{
	struct str type, boundary;
	struct multipart *m;

	if (!content_type.p)
		return NULL;
	(void)str_cut(content_type, ';', &type);
	boundary = parameter(a, content_type, S("boundary"));
	if (!str_eq_nocase(str_trim(type), S("multipart/form-data")) || boundary.n == 0 ||
	    boundary.n > BOUNDARY_MAX)
		return NULL;
	m = arena_alloc(a, sizeof(*m));
	m->a = a;
	m->events = events;
	m->arg = arg;
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary.p, boundary.n);
	m->delimiter_len = boundary.n + 4;
	/* No line end precedes the first boundary, but the delimiter has one: supply it. */
	memcpy(m->held, "\r\n", 2);
	m->n_held = 2;
	return m;
}

static enum err
bad(struct multipart *m, const char *problem)
{
	m->problem = problem;
	return ERR_BAD_REQUEST;
}

/* Encodings that change nothing; the others are of mails, and deprecated here (RFC 7578, 4.7). */
static bool
is_plain(struct str encoding)
{
	encoding = str_trim(encoding);
	return str_eq_nocase(encoding, S("binary")) || str_eq_nocase(encoding, S("8bit")) ||
	       str_eq_nocase(encoding, S("7bit"));
}

static enum err
begin_part(struct multipart *m, struct str head)
{
	struct str line, name = { NULL, 0 }, file_name = { NULL, 0 };

	if (++m->n_parts > PARTS_MAX)
		return bad(m, "The form has too many parts.");
	while (head.n > 0) {
		struct str field, value;

		head = str_cut(head, '\n', &line);
		value = str_cut(line, ':', &field);
		if (!value.p)
			return bad(m, "A part's header is malformed.");
		if (value.n > 0 && value.p[value.n - 1] == '\r')
			value.n--;
		if (str_eq_nocase(field, S("Content-Transfer-Encoding")) && !is_plain(value))
			return bad(m, "A part's Content-Transfer-Encoding is not read: send the "
				      "file's own bytes.");
		if (!str_eq_nocase(field, S("Content-Disposition")))
			continue;
		name = form_name(m->a, value, S("name"));
		file_name = form_name(m->a, value, S("filename"));
	}
	if (!name.p)
		return bad(m, "A part of the form has no name.");
	if (!str_utf8(name) || !str_utf8(file_name))
		return bad(m, "A part's name is not UTF-8.");
	m->state = BODY;
	return m->events->part(m->arg, name, file_name);
}

/*
 * Emits the bytes of a part up to the delimiter, or as many as cannot belong to one. *used is the
 * number of bytes that were consumed.
 */
static enum err
emit_body(struct multipart *m, struct str s, size_t *used)
{
	const char *at = memmem(s.p, s.n, m->delimiter, m->delimiter_len);
	size_t n = at ? (size_t)(at - s.p) : s.n;
	enum err e = ERR_OK;

	if (!at) {
		const char *cr =
		    memrchr(s.p + (s.n > m->delimiter_len ? s.n - m->delimiter_len : 0), '\r',
			s.n > m->delimiter_len ? m->delimiter_len : s.n);

		/*
		 * The only CR of the delimiter is its first byte, so only the last CR can begin it.
		 */
		if (cr)
			n = (size_t)(cr - s.p);
	}
	if (n > 0 && m->state == BODY)
		e = m->events->data(m->arg, (struct str){ s.p, n });
	*used = n;
	if (e == ERR_OK && at) {
		*used += m->delimiter_len;
		if (m->state == BODY)
			e = m->events->part_end(m->arg);
		m->state = AFTER_BOUNDARY;
	}
	return e;
}

/* Parses one piece of s; *used == 0: more bytes are needed. */
static enum err
step(struct multipart *m, struct str s, size_t *used)
{
	const char *end;
	enum err e;

	*used = 0;
	switch (m->state) {
	case BEFORE:
	case BODY:
		return emit_body(m, s, used);
	case AFTER_BOUNDARY:
		if (s.n < 2)
			return ERR_OK;
		*used = 2;
		if (memcmp(s.p, "--", 2) == 0)
			m->state = OVER;
		else if (memcmp(s.p, "\r\n", 2) == 0)
			m->state = HEADERS;
		else
			return bad(m, "A boundary of the form is followed by something else than a "
				      "line end.");
		return ERR_OK;
	case HEADERS:
		if (s.n >= 2 && memcmp(s.p, "\r\n", 2) == 0)
			return bad(m, "A part of the form has no name.");
		end = memmem(s.p, s.n, "\r\n\r\n", 4);
		if (!end)
			return s.n > HEADERS_MAX ? bad(m, "A part's headers are too long.")
						 : ERR_OK;
		e = (size_t)(end - s.p) > HEADERS_MAX
			? bad(m, "A part's headers are too long.")
			: begin_part(m, (struct str){ s.p, (size_t)(end - s.p) });
		*used = (size_t)(end - s.p) + 4;
		return e;
	case OVER:
		*used = s.n;
		return ERR_OK;
	}
	return ERR_OK;
}

/* Parses s until more bytes are needed, and leaves the rest in it. */
static enum err
run(struct multipart *m, struct str *s)
{
	size_t used = 1;

	while (used > 0 && s->n > 0) {
		enum err e = step(m, *s, &used);

		if (e != ERR_OK)
			return e;
		s->p += used;
		s->n -= used;
	}
	return ERR_OK;
}

enum err
multipart_feed(struct multipart *m, struct str bytes)
{
	while (bytes.n > 0) {
		/* Parse what was held back together with as many new bytes as fit. */
		size_t room = sizeof(m->held) - m->n_held, take = bytes.n < room ? bytes.n : room;
		struct str s = { m->held, m->n_held + take };
		enum err e;

		memcpy(m->held + m->n_held, bytes.p, take);
		bytes.p += take;
		bytes.n -= take;
		if ((e = run(m, &s)) != ERR_OK)
			return e;
		memmove(m->held, s.p, s.n);
		m->n_held = s.n;
		if (m->n_held == sizeof(m->held))
			return bad(m, "A part's headers are too long.");
	}
	return ERR_OK;
}

enum err
multipart_end(struct multipart *m)
{
	return m->state == OVER ? ERR_OK : bad(m, "The form ends before its closing boundary.");
}

const char *
multipart_problem(const struct multipart *m)
{
	return m->problem ? m->problem : "The form is malformed.";
}
