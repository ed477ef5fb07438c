/*
 * Markdown as Telegram's HTML: its elements are nested and closed, and none but those that we
 * write; and as Slack's, in which nobody is named.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "runner/outside/markup.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* The tag at a "<": its name's length, and whether it ends an element. */
static struct str
tag_at(struct str s, bool *is_end)
{
	static const char *const names[] = { "blockquote", "code", "pre", "b", "i", "s", "a" };

	*is_end = s.n > 1 && s.p[1] == '/';
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct str rest = { s.p + 1 + *is_end, s.n - 1 - *is_end };

		if (str_starts(rest, str_from(names[i])) &&
		    (rest.p[strlen(names[i])] == '>' || str_starts(rest, S("a href=\""))))
			return (struct str){ rest.p, strlen(names[i]) };
	}
	return (struct str){ NULL, 0 };
}

static void
look_at(struct str html)
{
	struct str open[16];
	size_t depth = 0;

	for (size_t i = 0; i < html.n; i++) {
		struct str tag;
		bool is_end;

		if (html.p[i] != '<')
			continue;
		tag = tag_at((struct str){ html.p + i, html.n - i }, &is_end);
		assert(tag.p);
		if (is_end) {
			assert(depth > 0 && str_eq(open[depth - 1], tag));
			depth--;
		} else {
			assert(depth < sizeof(open) / sizeof(*open));
			open[depth++] = tag;
		}
	}
	assert(depth == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena *a = arena_new();
	struct str text = { (const char *)bytes, n }, slack = markup_slack(a, text);

	look_at(markup_telegram(a, text));
	for (size_t i = 0; i + 1 < slack.n; i++)
		assert(slack.p[i] != '<' || !strchr("!@#", slack.p[i + 1]));
	arena_free(a);
	return 0;
}
