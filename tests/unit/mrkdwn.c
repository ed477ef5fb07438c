/* Markdown as Slack writes it. */
#include "runner/outside/mrkdwn.h"

#include "test.h"

static const struct {
	const char *markdown, *mrkdwn;
} cases[] = {
	{ "", "" },
	{ "plain\n\ntext\n", "plain\n\ntext\n" },
	{ "a < b & c > d <!channel> <@U1>",
	    "a &lt; b &amp; c &gt; d &lt;!channel&gt; &lt;@U1&gt;" },
	{ "**bold** and ~~gone~~ and *it* and _it_", "*bold* and ~gone~ and _it_ and _it_" },
	{ "**bold *both* bold**", "*bold _both_ bold*" },
	{ "**not closed, 2 * 3 * 4, a*b*c, ** x **", "**not closed, 2 * 3 * 4, a*b*c, ** x **" },
	{ "# Head\n### **Third** level ", "*Head*\n*Third level*" },
	{ "#tag\n####### seven", "#tag\n####### seven" },
	{ "- one\n  * two\n+ three\n-four", "• one\n  • two\n• three\n-four" },
	{ "> said\n>not", "> said\n&gt;not" },
	{ "`a*b*<c>` ``x`y`` `open", "`a*b*&lt;c&gt;` `x`y` `open" },
	{ "```c\nif (a < b && **c**)\n```\n**d**",
	    "```\nif (a &lt; b &amp;&amp; **c**)\n```\n*d*" },
	{ "```one line``` *it*", "`one line` _it_" },
	{ "[text](https://x.example/?a=1&b=2) ![pic](http://x.example/p)",
	    "<https://x.example/?a=1&amp;b=2|text> <http://x.example/p|pic>" },
	{ "[a|b>](https://x.example/|>) [](mailto:a@b.example)",
	    "<https://x.example/%7C%3E|a|b&gt;> <mailto:a@b.example>" },
	{ "[no](javascript:x) [no](https://a b) [no] (https://x.example)",
	    "[no](javascript:x) [no](https://a b) [no] (https://x.example)" },
	{ "grüße **Müller**", "grüße *Müller*" },
};

/* A text that grows changes at most its last line. */
static bool
grows(struct arena *a, struct str whole)
{
	struct str all = mrkdwn(a, whole);

	for (size_t n = 0; n < whole.n; n++) {
		struct str some = mrkdwn(a, (struct str){ whole.p, n });

		while (some.n > 0 && some.p[some.n - 1] != '\n')
			some.n--;
		if (!str_starts(all, some))
			return false;
	}
	return true;
}

int
main(void)
{
	struct arena *a = arena_new();
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str got = mrkdwn(a, str_from(cases[i].markdown));

		EACH(good, str_eq(got, str_from(cases[i].mrkdwn)), "%s: %s", cases[i].markdown,
		    got.p);
		EACH(good, grows(a, str_from(cases[i].markdown)), "%s", cases[i].markdown);
	}
	CHECK("Markdown becomes mrkdwn, line by line", good);
	arena_free(a);
	return test_end();
}
