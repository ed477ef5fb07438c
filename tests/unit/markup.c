/* Markdown as Slack and Telegram write it. */
#include "runner/outside/markup.h"

#include "test.h"

static const struct {
	const char *markdown, *as;
} in_slack[] = {
	{ "", "" },
	{ "plain\n\ntext\n", "plain\n\ntext\n" },
	{ "a < b & c > d <!channel> <@U1>",
	    "a &lt; b &amp; c &gt; d &lt;!channel&gt; &lt;@U1&gt;" },
	{ "**bold** and ~~gone~~ and *it* and _it_", "*bold* and ~gone~ and _it_ and _it_" },
	{ "**bold *both* bold**", "*bold _both_ bold*" },
	{ "__bold__ snake_case_name a__b__c", "*bold* snake_case_name a__b__c" },
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
},
in_telegram[] = {
	{ "", "" },
	{ "a < b & c\n\n<b>not</b>", "a &lt; b &amp; c\n\n&lt;b&gt;not&lt;/b&gt;" },
	{ "**bold *both* bold** __too__ ~~gone~~ _it_",
	    "<b>bold <i>both</i> bold</b> <b>too</b> <s>gone</s> <i>it</i>" },
	{ "**a *b** c*", "<b>a <i>b** c</i></b>" },
	{ "**open `b**`\nnext", "<b>open <code>b**</code></b>\nnext" },
	{ "snake_case_name 2 * 3 * 4 **x", "snake_case_name 2 * 3 * 4 **x" },
	{ "# Head **er**\n- one\n> said", "<b>Head er</b>\n• one\n<blockquote>said</blockquote>" },
	{ "a\n```c\nif (a < b)\n\n\t**c**\n```\n**d**",
	    "a\n<pre>if (a &lt; b)\n\n\t**c**</pre>\n<b>d</b>" },
	{ "```\nit grows", "<pre>it grows</pre>" },
	{ "```", "<pre></pre>" },
	{ "[a<b](https://x.example/?a=1&b=\"2\") [](https://x.example)",
	    "<a href=\"https://x.example/?a=1&amp;b=%222%22\">a&lt;b</a> "
	    "<a href=\"https://x.example\">https://x.example</a>" },
	{ "[no](javascript:x)", "[no](javascript:x)" },
};

/* A text that grows changes at most its last line. */
static bool
grows(struct arena *a, struct str whole)
{
	struct str all = markup_slack(a, whole);

	for (size_t n = 0; n < whole.n; n++) {
		struct str some = markup_slack(a, (struct str){ whole.p, n });

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

	for (size_t i = 0; i < sizeof(in_slack) / sizeof(*in_slack); i++) {
		struct str got = markup_slack(a, str_from(in_slack[i].markdown));

		EACH(good, str_eq(got, str_from(in_slack[i].as)), "%s: %s", in_slack[i].markdown,
		    got.p);
		EACH(good, grows(a, str_from(in_slack[i].markdown)), "%s", in_slack[i].markdown);
	}
	CHECK("Markdown becomes mrkdwn, line by line", good);
	good = true;
	for (size_t i = 0; i < sizeof(in_telegram) / sizeof(*in_telegram); i++) {
		struct str got = markup_telegram(a, str_from(in_telegram[i].markdown));

		EACH(good, str_eq(got, str_from(in_telegram[i].as)), "%s: %s",
		    in_telegram[i].markdown, got.p);
	}
	CHECK("Markdown becomes HTML whose elements are nested and closed", good);
	arena_free(a);
	return test_end();
}
