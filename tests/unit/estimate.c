/* handlers/gateway/estimate.c: a call's input has no more tokens than it is taken for. */
#include <string.h>

#include <millrace/json.h>

#include "fcgi/skeleton.h"
#include "handlers/gateway/gateway.h"

#include "test.h"

static struct arena *a;

static struct call_size
size_for(struct str text, const char *model)
{
	json_object *o = NULL;
	const char *why;

	if (json_parse(a, text, &o, &why) != ERR_OK)
		abort();
	return call_size(a, o, text.n, str_from(model));
}

static struct call_size
size_of(struct str text)
{
	return size_for(text, "gpt-4o");
}

/* The same where its long texts are left out. */
static int64_t
most_of_cut(struct str text)
{
	struct skeleton s = { .out = { .a = a }, .max = 1 << 20 };

	if (!skeleton_feed(&s, text))
		abort();
	return size_of(buf_str(&s.out)).most;
}

/* A message with one part, in which `%s` is 100,000 times the letter a. */
static struct str
message(const char *part)
{
	char *letters = arena_alloc(a, 100001);
	struct str before, after = str_cut(str_from(part), '$', &before);

	memset(letters, 'a', 100000);
	letters[100000] = '\0';
	return arena_printf(a, "{\"messages\":[{\"role\":\"user\",\"content\":[%.*s%s%.*s]}]}",
	    S_ARG(before), letters, S_ARG(after));
}

static void
check_texts(void)
{
	struct str text = message("{\"type\":\"text\",\"text\":\"$\"}");

	CHECK("a text has at most a token a byte, and about one of four",
	    size_of(text).most == (int64_t)text.n && size_of(text).likely == (int64_t)text.n / 4);
	CHECK("one that is left out has as many",
	    most_of_cut(text) >= (int64_t)text.n && most_of_cut(text) < (int64_t)text.n + 30);
	CHECK("what only looks as if it were left out is what it is",
	    size_of(S("{\"a\":\"(-9 bytes)\",\"b\":\"(9 bytes) \",\"c\":\"(x bytes)\"}")).most ==
		51);
	CHECK("tools come with words of the provider's",
	    size_of(S("{\"tools\":[]}")).most == 12 + 1000);
}

/* Pictures, in each vendor's words. */
static void
check_pictures(void)
{
	static const char *const pictures[] = {
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,$\"}}",
		"{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,$\"}",
		"{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"$\"}}",
		"{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"$\"}}",
		"{\"inline_data\":{\"mime_type\":\"image/png\",\"data\":\"$\"}}",
	};
	static const char *const none[] = {
		"{\"type\":\"tool_use\",\"input\":{\"content\":[{\"type\":\"image\",\"source\":{"
		"\"data\":\"$\"}}]}}",
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"},\"note\":\"$\"}",
		"{\"type\":\"text\",\"text\":\"data:image/png;base64,$\"}",
		"{\"functionCall\":{\"args\":{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/"
		"png\",\"data\":\"$\"}}]}}}",
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(pictures) / sizeof(*pictures); i++) {
		struct str text = message(pictures[i]);
		int64_t most = size_of(text).most;

		EACH(good,
		    most > 5000 && most < 5300 && most_of_cut(text) > 5000 &&
			most_of_cut(text) < 5300,
		    "%s", pictures[i]);
	}
	CHECK("a picture is counted as one, by whichever name", good);
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		EACH(good,
		    size_of(message(none[i])).most >= 100000 &&
			most_of_cut(message(none[i])) >= 100000,
		    "%s", none[i]);
	CHECK("what is no picture to a provider is a text", good);
	CHECK("one model counts more of a picture",
	    size_for(message(pictures[0]), "openai/gpt-4o-mini-2024-07-18").most > 50000);
	CHECK("an address is a picture, too",
	    size_of(S("{\"input\":[{\"content\":[{\"type\":"
		      "\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x/y.png\"}}]}]}"))
		    .most > 5000);
}

/* What is not in the payload. */
static void
check_elsewhere(void)
{
	static const char *const far[] = {
		"{\"previous_response_id\":\"resp_1\"}",
		"{\"cachedContent\":\"caches/1\"}",
		"{\"prompt\":{\"id\":\"pmpt_1\"}}",
		"{\"tools\":[{\"type\":\"mcp\",\"server_url\":\"https://x\"}]}",
		"{\"tools\":[{\"type\":\"web_fetch_20250910\",\"name\":\"web_fetch\"}]}",
		"{\"tools\":[{\"urlContext\":{}}]}",
		"{\"contents\":[{\"parts\":[{\"fileData\":{\"fileUri\":\"https://x\"}}]}]}",
		"{\"contents\":[{\"parts\":[{\"inlineData\":{\"mimeType\":\"video/mp4\","
		"\"data\":\"AA\"}}]}]}",
		"{\"messages\":[{\"content\":[{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}]}]}",
		"{\"messages\":[{\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
		"\"https://youtu.be/x\"}}]}]}",
	};
	struct call_size size;
	struct buf b = { .a = a };
	bool good = true;

	for (size_t i = 0; i < sizeof(far) / sizeof(*far); i++)
		EACH(good, size_of(str_from(far[i])).most >= 1000000, "%s", far[i]);
	CHECK("what is only named is as much as a model reads", good);
	CHECK("a text by the same name is none, nor is a document that is a text",
	    size_of(S("{\"prompt\":\"x\",\"messages\":[{\"content\":[{\"type\":\"document\","
		      "\"source\":{\"type\":\"text\",\"data\":\"x\"}}]}]}"))
		    .most < 1000);
	size = size_of(S("{\"input\":[{\"type\":\"item_reference\",\"id\":\"msg_1\"},{\"type\":"
			 "\"item_reference\",\"id\":\"fc_2\"}]}"));
	call_expect(&b, &size, 7);
	CHECK("items of earlier answers are named",
	    str_eq(size.earlier, S("\"msg_1\",\"fc_2\"")) &&
		str_eq(buf_str(&b), S(",\"expected\":{\"most\":88,\"input\":22,\"output\":7},"
				      "\"earlier\":[\"msg_1\",\"fc_2\"]")));
}

int
main(void)
{
	a = arena_new();
	check_texts();
	check_pictures();
	check_elsewhere();
	arena_free(a);
	return test_end();
}
