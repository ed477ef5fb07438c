/*
 * Whose words a call is. What documents, files, leads, pages and other servers say is before the
 * model beside what the user has said, and may order it to send some of that away in an address,
 * or to change something by a tool.
 */
#include <string.h>

#include "runner/jobs/chat.h"

#define BETWEEN " \t\r\n\"'`<>()[]{}|,"
#define BEHIND ".,;:!?"

static struct str
without_scheme(struct str s)
{
	const char *end = s.n > 3 ? memmem(s.p, s.n, "://", 3) : NULL;

	return end ? (struct str){ end + 3, s.n - (size_t)(end + 3 - s.p) } : s;
}

/* Is it this address, or a site or a directory (it ends in "/") that the address is in? */
static bool
covers(struct str said, struct str address)
{
	bool is_site = said.n > 0 && memchr(said.p, '/', said.n) == NULL;

	if (!str_starts(address, said))
		return false;
	return said.n == address.n ||
	       (said.n > 0 && (said.p[said.n - 1] == '/' || (is_site && address.p[said.n] == '/')));
}

bool
chat_says_address(struct str text, struct str url)
{
	struct str address = without_scheme(url);
	const char *fragment = memchr(address.p, '#', address.n);
	size_t at = 0;

	if (fragment)
		address.n = (size_t)(fragment - address.p);
	while (at < text.n) {
		struct str word = { text.p + at, 0 };

		while (at < text.n && !strchr(BETWEEN, text.p[at]))
			at++;
		word.n = (size_t)(text.p + at++ - word.p);
		while (word.n > 0 && strchr(BEHIND, word.p[word.n - 1]))
			word.n--;
		if (word.n > 0 && covers(without_scheme(word), address))
			return true;
	}
	return false;
}

/* What these tools give is the public web's, or nobody's: nothing of it is the user's alone. */
static bool
shows_nothing_private(struct str tool)
{
	return str_eq(tool, S("fetch_url")) || str_eq(tool, S("write_file"));
}

static bool
has_shown(const struct tool_call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i].output.p && !shows_nothing_private(calls[i].name))
			return true;
	return false;
}

static bool
is_word(char c)
{
	return c == '_' || (c & 0x80) != 0 || (c >= '0' && c <= '9') ||
	       ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool
chat_says_name(struct str text, struct str name)
{
	for (size_t i = 0; name.n > 0 && i + name.n <= text.n; i++)
		if (strncasecmp(text.p + i, name.p, name.n) == 0 &&
		    (i == 0 || !is_word(text.p[i - 1])) &&
		    (i + name.n == text.n || !is_word(text.p[i + name.n])))
			return true;
	return false;
}

/* What this server's own results, or a command's, ask for is what the user has it for. */
static bool
is_of(const struct chat *c, struct str tool, const struct remote_tool *of)
{
	const struct remote_tool *t = remote_find(&c->remote, tool);

	return of ? t && t->server == of->server : str_eq(tool, S("run_command"));
}

static bool
has_shown_others(
    const struct chat *c, const struct tool_call *calls, size_t n, const struct remote_tool *of)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i].output.p && !str_eq(calls[i].name, S("write_file")) &&
		    !is_of(c, calls[i].name, of))
			return true;
	return false;
}

static bool
names(struct str text, const struct remote_tool *t)
{
	return t ? chat_says_name(text, t->server->name) || chat_says_name(text, t->called)
		 : chat_says_name(text, S("run_command"));
}

bool
chat_may_change(
    const struct chat *c, const struct tool_call *round, size_t n, const struct remote_tool *t)
{
	bool shown = c->found.n > 0 || has_shown_others(c, round, n, t);

	if (c->agent && names(c->agent->prompt, t))
		return true;
	for (size_t i = 1; i < c->n_messages; i++) {
		const struct message *m = &c->messages[i];

		if (m->role == ROLE_USER && names(m->content, t))
			return true;
		shown = shown || has_shown_others(c, m->calls, m->n_calls, t);
	}
	return !shown;
}

bool
chat_may_fetch(const struct chat *c, const struct tool_call *round, size_t n, struct str url)
{
	bool shown = c->found.n > 0 || has_shown(round, n);

	if (c->agent && chat_says_address(c->agent->prompt, url))
		return true;
	for (size_t i = 1; i < c->n_messages; i++) {
		const struct message *m = &c->messages[i];

		if (m->role == ROLE_USER && chat_says_address(m->content, url))
			return true;
		shown = shown || has_shown(m->calls, m->n_calls);
	}
	return !shown;
}
