/* runner/models/{wire,openai,anthropic,google,traits}.c: what models are asked, by what they take.
 */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/wire.h"

#include "test.h"

static struct arena *a;

#define TOOLS                                                                                \
	"[{\"type\":\"function\",\"function\":{\"name\":\"look\",\"description\":\"Looks\"," \
	"\"parameters\":{\"type\":\"object\"}}}]"

/* The request to a model with these numbers, as JSON. */
static json_object *
asked(
    const struct wire *wire, const char *model, struct message *messages, size_t n, unsigned parts)
{
	struct provider p = {
		.name = "p", .model = model, .wire = wire, .base_url = "http://h/v1//"
	};
	struct call c = { .a = a,
		.provider = &p,
		.messages = messages,
		.n_messages = n,
		.tools = true,
		.schema = TOOLS,
		.temperature = S("0.5"),
		.top_p = S("0.25"),
		.max_tokens = 200000,
		.text = { .a = a } };
	const char *why;
	json_object *o;

	if (json_parse(a, wire->request(&c, parts), &o, &why) != ERR_OK)
		abort();
	return o;
}

static struct message question[] = { { .role = ROLE_SYSTEM, .content = { "Be good.", 8 } },
	{ .role = ROLE_USER, .content = { "Why?", 4 } } };

static json_object *
ask(const struct wire *wire, const char *model, unsigned parts)
{
	return asked(wire, model, question, 2, parts);
}

static void
test_limits(void)
{
	static const struct {
		const struct wire *wire;
		const char *model;
		bool temperature, top_p;
		const char *limit;
		int64_t most;
	} cases[] = {
		{ &wire_openai, "gpt-4o-mini", true, true, "max_tokens", 200000 },
		{ &wire_openai, "gpt-5-mini", false, false, "max_completion_tokens", 200000 },
		{ &wire_openai, "o4-mini", false, false, "max_completion_tokens", 200000 },
		{ &wire_openai, "meta-llama/Llama-3.3-70B", true, true, "max_tokens", 200000 },
		{ &wire_openai, "openai/gpt-oss-20b", true, true, "max_tokens", 200000 },
		{ &wire_anthropic, "claude-3-haiku-20240307", true, true, "max_tokens", 4096 },
		{ &wire_anthropic, "claude-sonnet-4-20250514", true, true, "max_tokens", 64000 },
		{ &wire_anthropic, "claude-sonnet-4-6", true, false, "max_tokens", 64000 },
		{ &wire_anthropic, "claude-opus-4-7", false, false, "max_tokens", 64000 },
		{ &wire_anthropic, "claude-never-heard-of", false, false, "max_tokens", 64000 },
		{ &wire_google, "gemini-2.5-flash", true, true, "maxOutputTokens", 200000 },
		{ &wire_google, "gemini-3.6-flash", false, false, "maxOutputTokens", 200000 },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_object *o = ask(cases[i].wire, cases[i].model, PARTS_ALL),
			    *in =
				cases[i].wire == &wire_google ? json_at(o, "generationConfig") : o;

		EACH(good,
		    cases[i].temperature == (json_at(in, "temperature") != NULL) &&
			cases[i].top_p == (json_at(in, "top_p") || json_at(in, "topP")) &&
			lenient_count(json_at(in, cases[i].limit)) == cases[i].most,
		    "%s: %s", cases[i].model, json_object_to_json_string(o));
	}
	CHECK("each model is sent the parameters that it takes", good);
}

/* Once a server has refused a part of a request. */
static void
test_without(void)
{
	json_object *o = ask(&wire_openai, "gpt-4o", PARTS_ALL & ~(PART_SAMPLING | PART_LIMIT));

	CHECK("the answer's bound goes by its other name",
	    !json_at(o, "temperature") && !json_at(o, "max_tokens") &&
		lenient_count(json_at(o, "max_completion_tokens")) == 200000);
	o = ask(&wire_openai, "gpt-5", PARTS_ALL & ~PART_LIMIT);
	CHECK("and the other way round", lenient_count(json_at(o, "max_tokens")) == 200000);
	o = ask(&wire_anthropic, "claude-opus-4-7", PARTS_ALL & ~PART_LIMIT);
	CHECK("Anthropic's has to be there", lenient_count(json_at(o, "max_tokens")) == 4096);
	o = ask(&wire_anthropic, "claude-opus-4-7", PARTS_ALL & ~(PART_SYSTEM | PART_TOOLS));
	CHECK("the system's words stand before the user's",
	    !json_at(o, "system") && !json_at(o, "tools") &&
		strstr(json_object_to_json_string(o), "\"Be good.\\n\\nWhy?\""));
	o = ask(&wire_google, "gemma-3", PARTS_ALL & ~(PART_SYSTEM | PART_TOOLS | PART_STREAM));
	CHECK("of Google's, too",
	    !json_at(o, "systemInstruction") && !json_at(o, "tools") &&
		strstr(json_object_to_json_string(o), "\"Be good.\\n\\nWhy?\""));
}

static void
test_url(void)
{
	struct provider p = { .base_url = "http://h/v1//", .model = "a b?x" };
	struct call c = { .a = a, .provider = &p };

	CHECK("addresses",
	    strcmp(wire_openai.url(&c, PARTS_ALL), "http://h/v1/chat/completions") == 0 &&
		strcmp(wire_anthropic.url(&c, PARTS_ALL), "http://h/v1/messages") == 0);
	CHECK("a model's name is no other part of an address",
	    strcmp(wire_google.url(&c, PARTS_ALL),
		"http://h/v1/models/a%20b%3Fx:streamGenerateContent?alt=sse") == 0 &&
		strcmp(wire_google.url(&c, 0), "http://h/v1/models/a%20b%3Fx:generateContent") ==
		    0);
}

/* A round whose calls and text a vendor's server has made, asked of another's. */
static void
test_foreign(void)
{
	struct tool_call call = { .id = S("call_1_1"),
		.wire_id = S("x:odd id"),
		.name = S("look up"),
		.arguments = S("[1]"),
		.extra = S("{\"thoughtSignature\":\"s\"}") };
	struct tool_call pair[] = { { .id = S("a:_1"), .wire_id = S("a:_1"), .name = S("look") },
		{ .id = S("a._1"), .wire_id = S("a._1"), .name = S("look") } };
	struct message messages[] = { question[1],
		{ .role = ROLE_ASSISTANT,
		    .content = S(" \n"),
		    .calls = &call,
		    .n_calls = 1,
		    .extra =
			S("{\"anthropic\":[{\"type\":\"thinking\",\"thinking\":\"t\"},{\"type\":"
			  "\"text\",\"end\":900},{\"type\":\"tool_use\"},{\"type\":\"tool_use\"}]"
			  "}") },
		{ .role = ROLE_TOOL, .content = S("seen"), .call_id = call.wire_id } };
	const char *text =
	    json_object_to_json_string(asked(&wire_openai, "gpt-4o", messages, 3, PARTS_ALL));

	CHECK("what one vendor keeps is not another's",
	    !strstr(text, "thought") && !strstr(text, "anthropic"));
	text = json_serialised(asked(&wire_anthropic, "claude-x", messages, 3, PARTS_ALL)).p;
	CHECK("an id that is not allowed is one of ours, at both ends; blanks are no text",
	    strstr(text, "\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\"},{\"type\":"
			 "\"tool_use\",\"id\":\"call_1_1\",\"name\":\"look_up\",\"input\":{}}]") &&
		strstr(text, "\"tool_use_id\":\"call_1_1\"") && !strstr(text, "odd"));
	messages[1].calls = pair;
	messages[1].n_calls = 2;
	messages[2].call_id = pair[1].wire_id;
	text = json_serialised(asked(&wire_anthropic, "claude-x", messages, 3, PARTS_ALL)).p;
	CHECK("two ids stay two, where both have what is not allowed",
	    strstr(text, "\"id\":\"a_3a_5f1\"") && strstr(text, "\"id\":\"a_2e_5f1\"") &&
		strstr(text, "\"tool_use_id\":\"a_2e_5f1\""));
	messages[1].calls = &call;
	messages[1].n_calls = 1;
	messages[2].call_id = call.wire_id;
	text = json_serialised(asked(&wire_google, "gemini-3", messages, 3, PARTS_ALL)).p;
	CHECK("a signature goes with its call",
	    strstr(text, "\"args\":{}},\"thoughtSignature\":\"s\"}") &&
		strstr(text, "\"functionResponse\":{\"id\":\"x:odd id\",\"name\":\"look_up\""));
	call.extra.n = 0;
	text = json_serialised(asked(&wire_google, "gemini-3", messages, 3, PARTS_ALL)).p;
	CHECK("one that another model has made has what stands for none",
	    strstr(text, "skip_thought_signature_validator") != NULL);
	text = json_serialised(asked(&wire_google, "gemini-2.5-pro", messages, 3, PARTS_ALL)).p;
	CHECK("but of models that check none", !strstr(text, "thoughtSignature"));
}

int
main(void)
{
	a = arena_new();
	test_limits();
	test_without();
	test_url();
	test_foreign();
	arena_free(a);
	return test_end();
}
