/*
 * Anthropic's messages (API reference, "Messages", "Streaming messages", "Tool use"): blocks that
 * begin and end, events with names, counts that replace those before.
 */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"

/* -- what is asked -- */

/* An image block as a part of OpenAI's list. */
static const char *
put_image(struct face_call *f, struct buf *parts, json_object *source)
{
	struct str url = json_text(source, "url");

	if (str_eq(json_text(source, "type"), S("base64")))
		url = arena_printf(f->call.a, "data:%.*s;base64,%.*s",
		    S_ARG(json_text(source, "media_type")), S_ARG(json_text(source, "data")));
	if (url.n == 0)
		return "An image's source must be a base64 or a url.";
	buf_put(parts, S(",{\"type\":\"image_url\",\"image_url\":{\"url\":"));
	buf_json(parts, url);
	buf_put(parts, S("}}"));
	return NULL;
}

/* The user's blocks so far, as one message. */
static void
put_user(struct face_call *f, struct buf *text, struct buf *parts, bool has_images)
{
	struct message m = { .role = ROLE_USER, .content = buf_str(text) };

	if (has_images)
		m.parts = arena_printf(f->call.a, "[%.*s]", (int)parts->n - 1, parts->p + 1);
	if (parts->n > 0)
		face_add(f, m);
}

static void
put_result(struct face_call *f, json_object *block)
{
	struct str said = lenient_text(f->call.a, json_at(block, "content"));

	face_add(f, (struct message){ .role = ROLE_TOOL,
			.content = said.p ? said : S(""),
			.call_id = json_text(block, "tool_use_id") });
}

static const char *
read_user(struct face_call *f, json_object *blocks)
{
	struct buf text = { .a = f->call.a }, parts = { .a = f->call.a };
	bool has_images = false;
	const char *wrong = NULL;

	for (size_t i = 0; i < json_object_array_length(blocks) && !wrong; i++) {
		json_object *block = json_object_array_get_idx(blocks, i);
		struct str type = json_text(block, "type");

		if (str_eq(type, S("tool_result"))) {
			put_result(f, block);
		} else if (str_eq(type, S("image"))) {
			has_images = true;
			wrong = put_image(f, &parts, json_at(block, "source"));
		} else if (str_eq(type, S("text"))) {
			buf_put(&text, json_text(block, "text"));
			buf_put(&parts, S(",{\"type\":\"text\",\"text\":"));
			buf_json(&parts, json_text(block, "text"));
			buf_put(&parts, S("}"));
		} else {
			wrong = "A user's block must be a text, an image or a tool_result.";
		}
	}
	if (!wrong)
		put_user(f, &text, &parts, has_images);
	return wrong;
}

static const char *
read_assistant(struct face_call *f, json_object *blocks)
{
	size_t n = json_object_array_length(blocks);
	struct tool_call *calls = arena_alloc(f->call.a, (n + 1) * sizeof(*calls));
	struct message m = { .role = ROLE_ASSISTANT, .calls = calls };
	struct buf text = { .a = f->call.a };

	for (size_t i = 0; i < n; i++) {
		json_object *block = json_object_array_get_idx(blocks, i);
		struct str type = json_text(block, "type"), id = json_text(block, "id");

		if (str_eq(type, S("text")))
			buf_put(&text, json_text(block, "text"));
		else if (str_eq(type, S("tool_use")) && id.n > 0)
			calls[m.n_calls++] = (struct tool_call){ .id = id,
				.wire_id = id,
				.name = json_text(block, "name"),
				.arguments = arena_str(
				    f->call.a, json_serialised(json_at(block, "input"))) };
		else if (!str_eq(type, S("thinking")) && !str_eq(type, S("redacted_thinking")))
			return "An assistant's block must be a text or a tool_use.";
	}
	m.content = buf_str(&text);
	face_add(f, m);
	return NULL;
}

static const char *
read_message(struct face_call *f, json_object *o)
{
	struct str role = json_text(o, "role");
	json_object *content = json_at(o, "content");
	bool is_user = str_eq(role, S("user"));

	if (!is_user && !str_eq(role, S("assistant")))
		return "A message's role must be user or assistant.";
	if (json_object_is_type(content, json_type_string))
		face_add(f, (struct message){ .role = is_user ? ROLE_USER : ROLE_ASSISTANT,
				.content = json_text(o, "content") });
	else if (!json_object_is_type(content, json_type_array))
		return "A message's content must be a text or a list of blocks.";
	else
		return is_user ? read_user(f, content) : read_assistant(f, content);
	return NULL;
}

/* The tools in OpenAI's form, which calls have. */
static const char *
read_tools(struct face_call *f)
{
	json_object *tools = json_at(f->asked, "tools"), *choice = json_at(f->asked, "tool_choice");
	struct str type = json_text(choice, "type");
	struct buf b = { .a = f->call.a };

	if (tools && !json_object_is_type(tools, json_type_array))
		return "tools must be a list.";
	for (size_t i = 0; tools && i < json_object_array_length(tools); i++) {
		json_object *tool = json_object_array_get_idx(tools, i);

		if (json_text(tool, "name").n == 0 || !json_at(tool, "input_schema"))
			return "Each of tools must have a name and an input_schema.";
		buf_put(&b, i > 0 ? S(",{\"type\":\"function\",\"function\":{\"name\":")
				  : S("[{\"type\":\"function\",\"function\":{\"name\":"));
		buf_json(&b, json_text(tool, "name"));
		buf_put(&b, S(",\"description\":"));
		buf_json(
		    &b, json_text(tool, "description").p ? json_text(tool, "description") : S(""));
		buf_printf(&b, ",\"parameters\":%.*s}}",
		    S_ARG(json_serialised(json_at(tool, "input_schema"))));
	}
	if (b.n == 0)
		return NULL;
	buf_put(&b, S("]"));
	f->call.tools = 1;
	f->call.schema = arena_cstr(f->call.a, buf_str(&b));
	if (str_eq(type, S("tool")))
		f->call.tool_choice =
		    arena_printf(f->call.a, ":%.*s", S_ARG(json_text(choice, "name")));
	else if (type.n > 0)
		f->call.tool_choice = str_eq(type, S("any")) ? S("required") : type;
	return NULL;
}

static const char *
messages_read(struct face_call *f)
{
	json_object *list = json_at(f->asked, "messages"),
		    *stop = json_at(f->asked, "stop_sequences"),
		    *format = json_at(json_at(f->asked, "output_config"), "format");
	struct buf more = { .a = f->call.a };
	struct str system = lenient_text(f->call.a, json_at(f->asked, "system"));
	const char *wrong = NULL;

	if (!json_object_is_type(list, json_type_array) ||
	    (stop && !json_object_is_type(stop, json_type_array)))
		return "messages and stop_sequences must be lists.";
	if (system.n > 0)
		face_add(f, (struct message){ .role = ROLE_SYSTEM, .content = system });
	/* A message with results is one for each of them, and one more. */
	for (size_t i = 0, n = 0; i < json_object_array_length(list) && !wrong; i++) {
		json_object *o = json_object_array_get_idx(list, i),
			    *content = json_at(o, "content");

		n += json_object_is_type(content, json_type_array)
			 ? json_object_array_length(content) + 1
			 : 1;
		wrong = n > CALL_MESSAGES_MAX ? "There are too many messages." : read_message(f, o);
	}
	if (stop)
		f->call.stop = arena_str(f->call.a, json_serialised(stop));
	face_schema(f, &more, format, format);
	f->call.more = buf_str(&more);
	if (!wrong && (!face_number(f->asked, "temperature", &f->call.temperature) ||
			  !face_number(f->asked, "top_p", &f->call.top_p) ||
			  !face_count(f->asked, "max_tokens", &f->call.max_tokens)))
		wrong = "temperature, top_p and max_tokens must be numbers.";
	return wrong ? wrong : read_tools(f);
}

/* -- what is answered -- */

static const char *
stop_reason(const struct face_call *f)
{
	const char *finish = f->call.finish;

	return strcmp(finish, "length") == 0	       ? "max_tokens"
	       : strcmp(finish, "tool_calls") == 0     ? "tool_use"
	       : strcmp(finish, "content_filter") == 0 ? "refusal"
						       : "end_turn";
}

static void
put_usage(struct face_call *f, struct buf *b)
{
	const struct call *c = &f->call;
	int64_t cached = call_part(c->cached_tokens), written = call_part(c->cache_write_tokens);

	buf_printf(b,
	    "{\"input_tokens\":%lld,\"cache_creation_input_tokens\":%lld,"
	    "\"cache_read_input_tokens\":%lld,\"output_tokens\":%lld}",
	    (long long)(c->input_tokens - cached - written), (long long)written, (long long)cached,
	    (long long)c->output_tokens);
}

static void
put_head(struct face_call *f, struct buf *b)
{
	buf_printf(b, "{\"id\":\"msg_%.*s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":",
	    S_ARG(f->id));
	buf_json(b, f->model);
}

static void
messages_begin(struct face_call *f, struct buf *b)
{
	buf_put(b, S("event: message_start\ndata: {\"type\":\"message_start\",\"message\":"));
	put_head(f, b);
	buf_put(b, S(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{"
		     "\"input_tokens\":0,\"output_tokens\":0}}}\n\n"));
}

static void
put_event(struct face_call *f, struct buf *b, const char *type)
{
	buf_printf(b, "event: %s\ndata: {\"type\":\"%s\",\"index\":%zu", type, type, f->block);
}

static void
put_block_stop(struct face_call *f, struct buf *b)
{
	put_event(f, b, "content_block_stop");
	buf_put(b, S("}\n\n"));
	f->block++;
}

/* The block of text is the first, and begins with its first piece. */
static void
messages_text(struct face_call *f, struct buf *b, struct str text)
{
	if (!f->has_text) {
		put_event(f, b, "content_block_start");
		buf_put(b, S(",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"));
	}
	f->has_text = true;
	put_event(f, b, "content_block_delta");
	buf_put(b, S(",\"delta\":{\"type\":\"text_delta\",\"text\":"));
	buf_json(b, text);
	buf_put(b, S("}}\n\n"));
}

/* A call without its input. */
static void
put_call(struct face_call *f, struct buf *b, size_t i)
{
	buf_put(b, S("{\"type\":\"tool_use\",\"id\":"));
	buf_json(b, face_call_id(f, i));
	buf_put(b, S(",\"name\":"));
	buf_json(b, f->call.calls[i].name);
	buf_put(b, S(",\"input\":"));
}

static struct str
input_of(const struct face_call *f, size_t i)
{
	struct str arguments = f->call.calls[i].arguments;

	return is_json_object(arguments) ? arguments : S("{}");
}

static void
messages_end(struct face_call *f, struct buf *b)
{
	if (f->has_text)
		put_block_stop(f, b);
	for (size_t i = 0; i < f->call.n_calls; i++) {
		put_event(f, b, "content_block_start");
		buf_put(b, S(",\"content_block\":"));
		put_call(f, b, i);
		buf_put(b, S("{}}}\n\n"));
		put_event(f, b, "content_block_delta");
		buf_put(b, S(",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":"));
		buf_json(b, input_of(f, i));
		buf_put(b, S("}}\n\n"));
		put_block_stop(f, b);
	}
	buf_printf(b,
	    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
	    "\"%s\",\"stop_sequence\":null},\"usage\":",
	    stop_reason(f));
	put_usage(f, b);
	buf_put(b, S("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

static void
messages_whole(struct face_call *f, struct buf *b)
{
	put_head(f, b);
	buf_put(b, S(",\"content\":["));
	if (f->call.text.n > 0) {
		buf_put(b, S("{\"type\":\"text\",\"text\":"));
		buf_json(b, buf_str(&f->call.text));
		buf_put(b, S("}"));
	}
	for (size_t i = 0; i < f->call.n_calls; i++) {
		buf_put(b, i > 0 || f->call.text.n > 0 ? S(",") : S(""));
		put_call(f, b, i);
		buf_put(b, input_of(f, i));
		buf_put(b, S("}"));
	}
	buf_printf(b, "],\"stop_reason\":\"%s\",\"stop_sequence\":null,\"usage\":", stop_reason(f));
	put_usage(f, b);
	buf_put(b, S("}"));
}

const struct face_format face_messages = {
	.name = "messages",
	.read = messages_read,
	.begin = messages_begin,
	.text = messages_text,
	.end = messages_end,
	.whole = messages_whole,
};
