/* Whose words an address, or the use of a tool, is. */
#include "runner/jobs/chat.h"

#include "test.h"

static struct remote_server mill = { .name = { "mill", 4 } }, other = { .name = { "my.crm", 6 } };
static struct remote_tool tools[] = {
	{ .called = { "mill__turn", 10 }, .name = { "turn", 4 }, .server = &mill },
	{ .called = { "my_crm__turn", 12 }, .name = { "turn", 4 }, .server = &other },
};

const struct remote_tool *
remote_find(const struct remote_tools *all, struct str called)
{
	for (size_t i = 0; i < all->n; i++)
		if (str_eq(all->p[i].called, called))
			return &all->p[i];
	return NULL;
}

static const struct {
	const char *text, *url;
	bool says;
} addresses[] = {
	{ "See https://a.example/x?y=1.", "https://a.example/x?y=1", true },
	{ "See <https://a.example/x>!", "http://a.example/x#part", true },
	{ "a.example", "https://a.example/any?thing", true },
	{ "(https://a.example/d/)", "https://a.example/d/e", true },
	{ "https://a.example/d", "https://a.example/d/e", false },
	{ "https://a.example/d", "https://a.example/dd", false },
	{ "a.example", "https://a.example.evil/", false },
	{ "a.example", "https://a.example:1@evil/", false },
	{ "a.example", "https://b.example/?a.example", false },
	{ "https://a.example/x?y=1", "https://a.example/x?y=2", false },
	{ "", "https://a.example/", false },
	{ "... ,,, ://", "https://a.example/", false },
};

static const struct {
	const char *text, *name;
	bool says;
} names[] = {
	{ "Use run_command, please", "run_command", true },
	{ "RUN_COMMAND", "run_command", true },
	{ "my.crm: add Ada", "my.crm", true },
	{ "Put it into Mill.", "mill", true },
	{ "milling a windmill, mill_2 and m\xc3\xbchle", "mill", false },
	{ "m\xc3\xbcmill", "mill", false },
	{ "mil", "mill", false },
	{ "", "mill", false },
	{ "anything", "", false },
};

static bool
may_change(const char *question, const char *before, bool found, const struct remote_tool *t)
{
	struct tool_call call = { .name = str_from(before), .output = S("done") };
	struct message m[] = { { .role = ROLE_SYSTEM, .content = S("mill run_command") },
		{ .role = ROLE_USER, .content = str_from(question) } };
	struct chat c = {
		.messages = m, .n_messages = 2, .remote = { tools, 2 }, .found = { .n = found }
	};

	return chat_may_change(&c, &call, *before ? 1 : 0, t);
}

int
main(void)
{
	bool good = true;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		EACH(good,
		    chat_says_address(str_from(addresses[i].text), str_from(addresses[i].url)) ==
			addresses[i].says,
		    "%s in %s", addresses[i].url, addresses[i].text);
	CHECK("an address is said as a whole, or by its site or directory", good);
	good = true;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		EACH(good,
		    chat_says_name(str_from(names[i].text), str_from(names[i].name)) ==
			names[i].says,
		    "%s in %s", names[i].name, names[i].text);
	CHECK("a name is said by itself, in any case", good);
	CHECK("nothing was shown: a tool may change something",
	    may_change("Turn it", "", false, &tools[0]) && may_change("Go", "", false, NULL));
	CHECK("passages were found: it may where the user has named it",
	    !may_change("Turn it", "", true, &tools[0]) && !may_change("Go", "", true, NULL) &&
		may_change("mill: turn", "", true, &tools[0]) &&
		may_change("use my_crm__turn", "", true, &tools[1]) &&
		may_change("by run_command", "", true, NULL) &&
		!may_change("mill: turn", "", true, &tools[1]));
	CHECK("another tool's result is others' words, one's own is not",
	    may_change("Turn it", "mill__turn", false, &tools[0]) &&
		!may_change("Turn it", "mill__turn", false, &tools[1]) &&
		!may_change("Turn it", "mill__turn", false, NULL) &&
		may_change("Go", "run_command", false, NULL) &&
		!may_change("Turn it", "run_command", false, &tools[0]) &&
		!may_change("Turn it", "read_file", false, &tools[0]) &&
		!may_change("Go", "fetch_url", false, NULL) &&
		may_change("Go", "write_file", false, NULL));
	return test_end();
}
