/*
 * How many tokens a call may be charged for what it asks: no less than any provider counts, since a
 * budget is kept by what is reserved. A tokenizer makes at most one token of a byte. Pictures are
 * counted by themselves where a provider takes them for pictures, in lists of parts, and nowhere
 * else: as a tool's argument base64 is a text. What the payload only names, a file or an earlier
 * answer, is as much as a model can read.
 */
#include <inttypes.h>
#include <string.h>

#include <millrace/json.h>

#include "fcgi/skeleton.h"
#include "handlers/gateway/gateway.h"

#define BYTES_A_TOKEN 4 /* of what is asked, about */
#define PICTURE_TOKENS 1500 /* about */
/* At most: by OpenAI's tiles, Anthropic's and Google's largest; gpt-4o-mini counts 33 times as many
 */
#define PICTURE_TOKENS_MAX 5000
#define PICTURE_TOKENS_MINI_MAX 50000
#define CONTEXT_TOKENS 1000000 /* what the largest models read */
#define TOOLS_TOKENS 1000 /* what a provider says to its model about tools, at most */

struct walk {
	int64_t bytes, pictures;
	bool is_elsewhere; /* some of it is not in the payload */
	struct buf earlier; /* ids of items of earlier answers, as JSON */
};

/* Members below which nothing is a part of a message, whatever it looks like. */
static const char *const opaque[] = { "tools", "functions", "args", "arguments", "response",
	"parameters", "input_schema", "schema", "response_format", "metadata", NULL };
static const char *const lists[] = { "content", "parts", "output", NULL };
/* Parts that are as long as they like, and may be compressed. */
static const char *const documents[] = { "document", "file", "input_file", "video_url",
	"container_upload", "item_reference", NULL };
/* Members of a request that name what is kept at the provider, or have it fetched there. */
static const char *const elsewhere[] = { "previous_response_id", "conversation", "cachedContent",
	"cached_content", "container", "mcp_servers", NULL };

/* A picture's address or bytes in a part; NULL: it is none. */
static json_object *
picture_of(json_object *part)
{
	struct str type = json_text(part, "type");
	json_object *o = json_at(part, "inlineData"), *url;

	if (o || (o = json_at(part, "inline_data")))
		return str_starts(json_text(o, json_at(o, "mimeType") ? "mimeType" : "mime_type"),
			   S("image/"))
			   ? json_at(o, "data")
			   : NULL;
	if (str_eq(type, S("image"))) {
		o = json_at(part, "source");
		return (url = json_at(o, "url")) ? url : json_at(o, "data");
	}
	if (!str_eq(type, S("image_url")) && !str_eq(type, S("input_image")))
		return NULL;
	o = json_at(part, "image_url");
	return json_object_is_type(o, json_type_object) ? json_at(o, "url") : o;
}

/* Sound is less than its bytes, and so is a text. */
static bool
is_document(json_object *part)
{
	struct str source = json_text(json_at(part, "source"), "type"), type;
	json_object *o = json_at(part, "inlineData");

	if (!o && !(o = json_at(part, "inline_data")))
		return (str_is_in(json_text(part, "type"), documents) &&
			   !str_eq(source, S("text")) && !str_eq(source, S("content"))) ||
		       json_at(part, "fileData") || json_at(part, "file_data");
	type = json_text(o, json_at(o, "mimeType") ? "mimeType" : "mime_type");
	return !str_starts(type, S("image/")) && !str_starts(type, S("audio/")) &&
	       !str_starts(type, S("text/"));
}

static void walk(struct walk *w, json_object *o, bool is_opaque, json_object *picture);

static void
walk_parts(struct walk *w, json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *part = json_object_array_get_idx(list, i), *picture = picture_of(part);
		struct str type = json_text(part, "type");

		w->pictures +=
		    picture || str_eq(type, S("input_image")) || str_eq(type, S("image"));
		/* Google's models watch films by their addresses. */
		w->is_elsewhere |=
		    is_document(part) ||
		    (picture && strncmp(json_object_get_string(picture), "http", 4) == 0 &&
			strstr(json_object_get_string(picture), "youtu"));
		walk(w, part, false, picture);
	}
}

static void
walk_object(struct walk *w, json_object *o, bool is_opaque, json_object *picture)
{
	struct str id = json_text(o, "id");

	if (!is_opaque && str_eq(json_text(o, "type"), S("item_reference")) && id.n > 0) {
		buf_put(&w->earlier, w->earlier.n > 0 ? S(",") : S(""));
		buf_json(&w->earlier, id);
	}
	json_object_object_foreach (o, name, value) {
		bool is_list = json_object_is_type(value, json_type_array);
		/* A tool's use has an object there; a request, its items. */
		bool hides =
		    str_is_in(str_from(name), opaque) || (strcmp(name, "input") == 0 && !is_list);

		if (is_list && !is_opaque && str_is_in(str_from(name), lists))
			walk_parts(w, value);
		else
			walk(w, value, is_opaque || hides, picture);
	}
}

/* `picture` is a text that is not counted by its bytes. */
static void
walk(struct walk *w, json_object *o, bool is_opaque, json_object *picture)
{
	struct str text;

	switch (json_object_get_type(o)) {
	case json_type_object:
		walk_object(w, o, is_opaque, picture);
		break;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(o); i++)
			walk(w, json_object_array_get_idx(o, i), is_opaque, picture);
		break;
	case json_type_string:
		text = (struct str){ json_object_get_string(o),
			(size_t)json_object_get_string_len(o) };
		if (o == picture)
			w->bytes -= (int64_t)text.n;
		else
			w->bytes += skeleton_left_out(text);
		break;
	case json_type_null:
	case json_type_boolean:
	case json_type_double:
	case json_type_int:
	default:
		break;
	}
}

/* What a request as a whole says. */
static void
look_at_request(struct walk *w, json_object *payload)
{
	json_object *tools = json_at(payload, "tools");

	for (const char *const *name = elsewhere; *name; name++)
		w->is_elsewhere |= json_at(payload, *name) != NULL;
	/* OpenAI keeps prompts by name; a text is one by itself. */
	w->is_elsewhere |= json_object_is_type(json_at(payload, "prompt"), json_type_object);
	for (size_t i = 0;
	     json_object_is_type(tools, json_type_array) && i < json_object_array_length(tools);
	     i++) {
		json_object *tool = json_object_array_get_idx(tools, i);
		struct str type = json_text(tool, "type");

		w->is_elsewhere |= str_eq(type, S("mcp")) || str_starts(type, S("web_fetch")) ||
				   json_at(tool, "urlContext") || json_at(tool, "url_context");
	}
}

struct call_size
call_size(struct arena *a, json_object *payload, size_t len, struct str model)
{
	struct walk w = { .bytes = (int64_t)len, .earlier = { .a = a } };
	bool is_mini = model.n > 0 && memmem(model.p, model.n, "gpt-4o-mini", 11);
	struct call_size size = { 0 };

	walk(&w, payload, false, NULL);
	look_at_request(&w, payload);
	if (w.bytes < 0)
		w.bytes = 0;
	size.likely = w.bytes / BYTES_A_TOKEN + w.pictures * PICTURE_TOKENS;
	size.most =
	    w.bytes + w.pictures * (is_mini ? PICTURE_TOKENS_MINI_MAX : PICTURE_TOKENS_MAX) +
	    (w.is_elsewhere ? CONTEXT_TOKENS : 0) + (json_at(payload, "tools") ? TOOLS_TOKENS : 0);
	size.earlier = buf_str(&w.earlier);
	return size;
}

void
call_expect(struct buf *input, const struct call_size *size, int64_t output_tokens)
{
	buf_printf(input,
	    ",\"expected\":{\"most\":%" PRId64 ",\"input\":%" PRId64 ",\"output\":%" PRId64 "}",
	    size->most, size->likely, output_tokens);
	if (size->earlier.n > 0)
		buf_printf(input, ",\"earlier\":[%.*s]", S_ARG(size->earlier));
}
