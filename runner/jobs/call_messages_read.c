/*
 * What is asked in Anthropic's messages (API reference, "Messages", "Tool use", "Extended
 * thinking"). Anthropic's own servers get it as it is (runner/models/anthropic_request.c); here it
 * is read for those of other vendors, and for what may not be asked.
 */
#include <millrace/face.h>
#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"

/* What a user says, as a message: its text, and OpenAI's list of parts. */
struct said {
	struct buf text, parts;
	bool has_more; /* than texts */
};

static void
put_text(struct said *s, struct str text)
{
	buf_put(&s->text, text);
	buf_put(&s->parts, S(",{\"type\":\"text\",\"text\":"));
	buf_json(&s->parts, text);
	buf_put(&s->parts, S("}"));
}

/* An image, or a document that is no text, by its address or with its bytes. */
static const char *
put_source(struct face_call *f, struct said *s, bool is_image, json_object *block)
{
	json_object *source = json_at(block, "source");
	struct str url = json_text(source, "url");
	bool has_bytes = str_eq(json_text(source, "type"), S("base64"));

	if (has_bytes)
		url = arena_printf(f->call.a, "data:%.*s;base64,%.*s",
		    S_ARG(json_text(source, "media_type")), S_ARG(json_text(source, "data")));
	if (url.n == 0)
		return "The source of an image or a document must be a base64 or a url; of a "
		       "document also a text.";
	s->has_more = true;
	if (is_image) {
		buf_put(&s->parts, S(",{\"type\":\"image_url\",\"image_url\":{\"url\":"));
	} else {
		buf_put(&s->parts, S(",{\"type\":\"file\",\"file\":{\"filename\":"));
		buf_json(&s->parts,
		    json_text(block, "title").n > 0 ? json_text(block, "title") : S("document"));
		buf_put(&s->parts, has_bytes ? S(",\"file_data\":") : S(",\"file_url\":"));
	}
	buf_json(&s->parts, url);
	buf_put(&s->parts, S("}}"));
	return NULL;
}

static void
put_titled(struct face_call *f, struct said *s, json_object *block, struct str text)
{
	put_text(s, arena_printf(f->call.a, "%.*s\n\n%.*s\n\n", S_ARG(json_text(block, "title")),
			S_ARG(text)));
}

/* A document of the client's own blocks has images, too. */
static const char *
put_document(struct face_call *f, struct said *s, json_object *block)
{
	json_object *source = json_at(block, "source"), *content = json_at(source, "content");
	bool has_blocks = str_eq(json_text(source, "type"), S("content"));
	const char *wrong = NULL;

	if (!has_blocks && !str_eq(json_text(source, "type"), S("text")))
		return put_source(f, s, false, block);
	put_titled(
	    f, s, block, has_blocks ? lenient_text(f->call.a, content) : json_text(source, "data"));
	for (size_t i = 0; i < json_length(content) && !wrong; i++)
		if (str_eq(json_text(json_object_array_get_idx(content, i), "type"), S("image")))
			wrong = put_source(f, s, true, json_object_array_get_idx(content, i));
	return wrong;
}

/* A block that is no result; NULL, or what is wrong with it. */
static const char *
put_block(struct face_call *f, struct said *s, json_object *block)
{
	struct str type = json_text(block, "type");

	if (str_eq(type, S("image")))
		return put_source(f, s, true, block);
	if (str_eq(type, S("document")))
		return put_document(f, s, block);
	if (str_eq(type, S("search_result")))
		put_titled(f, s, block, lenient_text(f->call.a, json_at(block, "content")));
	else if (str_eq(type, S("text")))
		put_text(s, json_text(block, "text"));
	else
		return "A user's block must be a text, an image, a document, a search_result or a "
		       "tool_result.";
	return NULL;
}

/* Other vendors' results are texts alone: what else there is, the user says behind them. */
static const char *
put_result(struct face_call *f, struct said *s, json_object *block)
{
	static const char *const shown[] = { "image", "document", "search_result", NULL };
	json_object *content = json_at(block, "content"), *part;
	struct str said = lenient_text(f->call.a, content);
	const char *wrong = NULL;

	for (size_t i = 0; i < json_length(content) && !wrong; i++) {
		part = json_object_array_get_idx(content, i);
		if (str_is_in(json_text(part, "type"), shown))
			wrong = put_block(f, s, part);
	}
	face_add(f, (struct message){ .role = ROLE_TOOL,
			.content = said.p ? said : S(""),
			.call_id = json_text(block, "tool_use_id"),
			.is_error = json_object_get_boolean(json_at(block, "is_error")) });
	return wrong;
}

static const char *
read_user(struct face_call *f, json_object *blocks)
{
	struct said s = { .text = { .a = f->call.a }, .parts = { .a = f->call.a } };
	struct message m = { .role = ROLE_USER };
	const char *wrong = NULL;

	for (size_t i = 0; i < json_object_array_length(blocks) && !wrong; i++) {
		json_object *block = json_object_array_get_idx(blocks, i);

		wrong = str_eq(json_text(block, "type"), S("tool_result"))
			    ? put_result(f, &s, block)
			    : put_block(f, &s, block);
	}
	m.content = buf_str(&s.text);
	if (s.has_more)
		m.parts = arena_printf(f->call.a, "[%.*s]", (int)s.parts.n - 1, s.parts.p + 1);
	if (!wrong && s.parts.n > 0)
		face_add(f, m);
	return wrong;
}

static const char *
read_assistant(struct face_call *f, json_object *blocks)
{
	size_t n = json_object_array_length(blocks);
	struct tool_call *calls = arena_alloc(f->call.a, (n + 1) * sizeof(*calls));
	struct message m = { .role = ROLE_ASSISTANT, .calls = calls };
	struct buf text = { .a = f->call.a };
	json_object *kept = NULL;

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
		else if (str_eq(type, S("redacted_thinking")))
			kept = face_kept_unpack(f, json_text(block, "data"));
		else if (!str_eq(type, S("thinking")))
			return "An assistant's block must be a text or a tool_use.";
	}
	m.content = buf_str(&text);
	for (size_t made = m.n_calls, i = 0; i <= made; i++) {
		m.n_calls = i;
		face_give_back(f, kept, &m, i > 0 ? &calls[i - 1] : NULL);
	}
	face_add(f, m);
	return NULL;
}

static const char *
read_message(struct face_call *f, json_object *o)
{
	struct str role = json_text(o, "role");
	json_object *content = json_at(o, "content");
	bool is_user = str_eq(role, S("user"));

	if (!is_user && !str_eq(role, S("assistant")) && !str_eq(role, S("system")))
		return "A message's role must be user, assistant or system.";
	if (str_eq(role, S("system")))
		face_add(f, (struct message){
				.role = ROLE_SYSTEM, .content = lenient_text(f->call.a, content) });
	else if (json_object_is_type(content, json_type_string))
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
	f->call.one_call = json_object_get_boolean(json_at(choice, "disable_parallel_tool_use"));
	return NULL;
}

/* What would cost more than the model's price, or is done where this server cannot see it. */
static const char *
read_price(struct face_call *f)
{
	static const char *const others[] = { "container", "mcp_servers", "inference_geo", NULL };
	struct str tier = json_text(f->asked, "service_tier"), speed = json_text(f->asked, "speed");

	if ((tier.n > 0 && !str_eq(tier, S("auto")) && !str_eq(tier, S("standard_only"))) ||
	    (speed.n > 0 && !str_eq(speed, S("standard"))))
		return "service_tier and speed may not ask for what costs more than the model's "
		       "price.";
	if (face_asks_long_cache(f->asked))
		return "The ttl of a cache_control must be 5m: a longer one costs more than the "
		       "model's price.";
	return face_named(f, others);
}

/* How the model is to think, for those of other vendors; Anthropic's get it as it is. */
static const char *
read_thinking(struct face_call *f)
{
	json_object *thinking = json_at(f->asked, "thinking"),
		    *effort = json_at(json_at(f->asked, "output_config"), "effort");
	struct str type = json_text(thinking, "type");
	const char *wrong = face_effort(f, effort);

	f->call.effort_as_is = false;
	if (!face_count(thinking, "budget_tokens", &f->call.thinking_tokens))
		return "thinking.budget_tokens must be a whole number.";
	if (f->call.effort.n == 0 && f->call.thinking_tokens > 0)
		f->call.effort = f->call.thinking_tokens <= 4096    ? S("low")
				 : f->call.thinking_tokens <= 16384 ? S("medium")
								    : S("high");
	f->call.shows_thoughts = type.n > 0 && !str_eq(type, S("disabled")) &&
				 !str_eq(json_text(thinking, "display"), S("omitted"));
	return wrong;
}

const char *
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
	if (!wrong && !(wrong = read_price(f)))
		wrong = read_thinking(f);
	f->call.messages_body = f->asked;
	if (stop)
		f->call.stop = arena_str(f->call.a, json_serialised(stop));
	face_schema(f, &more, format, format);
	f->call.more = buf_str(&more);
	if (!wrong && (!face_number(f->asked, "temperature", &f->call.temperature) ||
			  !face_number(f->asked, "top_p", &f->call.top_p) ||
			  !face_number(f->asked, "top_k", &f->call.top_k) ||
			  !face_count(f->asked, "max_tokens", &f->call.max_tokens)))
		wrong = "temperature, top_p, top_k and max_tokens must be numbers.";
	return wrong ? wrong : read_tools(f);
}
