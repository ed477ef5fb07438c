/*
 * OpenAI's chat completions (API reference, "Chat" and "Streaming"), as their clients want to be
 * answered: calls are numbered from 0, the first delta has the role, the usage has no choices.
 */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"

/* -- what is asked -- */

static const char *
read_calls(struct face_call *f, json_object *list, struct message *m)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	struct tool_call *calls = arena_alloc(f->call.a, (n + 1) * sizeof(*calls));

	for (size_t i = 0; i < n; i++) {
		json_object *o = json_object_array_get_idx(list, i),
			    *function = json_at(o, "function");

		calls[i] = (struct tool_call){ .id = json_text(o, "id"),
			.wire_id = json_text(o, "id"),
			.name = json_text(function, "name"),
			.arguments = json_text(function, "arguments"),
			.extra = face_extra(f, o),
			.function_extra = face_extra(f, function) };
		if (calls[i].id.n == 0 || calls[i].name.n == 0)
			return "Each of tool_calls must have an id, and a function with its name.";
	}
	m->calls = calls;
	m->n_calls = n;
	return NULL;
}

static const char *
read_message(struct face_call *f, json_object *o)
{
	struct str role = json_text(o, "role");
	struct message m = { 0 };
	const char *wrong;

	m.role = str_eq(role, S("user"))	? ROLE_USER
		 : str_eq(role, S("assistant")) ? ROLE_ASSISTANT
		 : str_eq(role, S("tool"))	? ROLE_TOOL
						: ROLE_SYSTEM;
	if (m.role == ROLE_SYSTEM && !str_eq(role, S("system")) && !str_eq(role, S("developer")))
		return "A message's role must be system, developer, user, assistant or tool.";
	if ((wrong = face_content(f, json_at(o, "content"), &m)) != NULL)
		return wrong;
	m.name = m.role == ROLE_TOOL ? (struct str){ NULL, 0 } : json_text(o, "name");
	if (m.role == ROLE_TOOL && (m.call_id = json_text(o, "tool_call_id")).n == 0)
		return "A tool's message must have a tool_call_id.";
	if (m.role == ROLE_ASSISTANT && (wrong = read_calls(f, json_at(o, "tool_calls"), &m)))
		return wrong;
	if (m.role == ROLE_ASSISTANT) {
		m.extra = face_extra(f, o);
		face_give_back(f, face_kept_unpack(f, json_text(o, "kept_content")), &m, NULL);
	}
	if (m.role == ROLE_ASSISTANT && m.content.n == 0)
		m.content = json_text(o, "refusal");
	face_add(f, m);
	return NULL;
}

static const char *
read_tools(struct face_call *f)
{
	json_object *tools = json_at(f->asked, "tools"), *choice = json_at(f->asked, "tool_choice");
	struct str name = json_text(json_at(choice, "function"), "name");
	size_t n =
	    json_object_is_type(tools, json_type_array) ? json_object_array_length(tools) : 0;

	for (size_t i = 0; i < n; i++)
		if (json_text(json_at(json_object_array_get_idx(tools, i), "function"), "name").n ==
		    0)
			return "Each of tools must be a function with its name.";
	if (n == 0)
		return NULL;
	f->call.tools = 1;
	f->call.schema = arena_cstr(f->call.a, json_serialised(tools));
	if (json_object_is_type(choice, json_type_string))
		f->call.tool_choice = json_text(f->asked, "tool_choice");
	else if (json_at(choice, "allowed_tools"))
		return face_allowed(f, json_at(choice, "allowed_tools"));
	else if (choice && name.n == 0)
		return "tool_choice must be auto, none, required, or a function with its name.";
	else if (choice)
		f->call.tool_choice = arena_printf(f->call.a, ":%.*s", S_ARG(name));
	return NULL;
}

static const char *
read_stop(struct face_call *f)
{
	json_object *stop = json_at(f->asked, "stop");
	struct buf b = { .a = f->call.a };

	if (json_object_is_type(stop, json_type_string)) {
		buf_put(&b, S("["));
		buf_json(&b, json_text(f->asked, "stop"));
		buf_put(&b, S("]"));
	} else if (json_object_is_type(stop, json_type_array)) {
		buf_put(&b, json_serialised(stop));
	} else if (stop) {
		return "stop must be a text or a list of texts.";
	}
	f->call.stop = buf_str(&b);
	return NULL;
}

static const char *
read_numbers(struct face_call *f)
{
	int64_t n = 1;

	if (!face_number(f->asked, "temperature", &f->call.temperature) ||
	    !face_number(f->asked, "top_p", &f->call.top_p) ||
	    !face_number(f->asked, "top_k", &f->call.top_k))
		return "temperature, top_p and top_k must be numbers.";
	if (!face_count(f->asked, "max_tokens", &f->call.max_tokens) ||
	    !face_count(f->asked, "max_completion_tokens", &f->call.max_tokens))
		return "max_tokens and max_completion_tokens must be whole numbers above 0.";
	if (!face_count(f->asked, "n", &n) || n != 1)
		return "n must be 1: here an answer has one choice.";
	return NULL;
}

/* What would change what the answer is, or cost what has no price here. */
static const char *
read_others(struct face_call *f)
{
	static const char *const others[] = { "functions", "function_call", "audio",
		"web_search_options", NULL };
	json_object *modalities = json_at(f->asked, "modalities"),
		    *effort = json_at(f->asked, "reasoning_effort");
	const char *wrong = face_named(f, others);

	if (modalities && strcmp(json_serialised(modalities).p, "[\"text\"]") != 0)
		return "modalities must be [\"text\"]: here an answer is a text.";
	f->wants_logprobs = json_object_get_boolean(json_at(f->asked, "logprobs"));
	if (!wrong)
		wrong = face_effort(f, effort);
	f->call.shows_thoughts = f->call.effort.n > 0;
	return wrong;
}

static const char *
chat_read(struct face_call *f)
{
	/* The first two are OpenAI's, the others those of servers that speak its format. */
	static const char *const names[] = { "logprobs", "top_logprobs", "top_k", "min_p",
		"repetition_penalty", "thinking", "enable_thinking", "chat_template_kwargs",
		"reasoning", NULL };
	json_object *list = json_at(f->asked, "messages"),
		    *format = json_at(f->asked, "response_format");
	struct buf more = { .a = f->call.a };
	const char *wrong = NULL;

	if (!json_object_is_type(list, json_type_array) ||
	    json_object_array_length(list) > CALL_MESSAGES_MAX)
		return "messages must be a list of messages.";
	for (size_t i = 0; i < json_object_array_length(list) && !wrong; i++)
		wrong = read_message(f, json_object_array_get_idx(list, i));
	if (wrong || (wrong = read_tools(f)) || (wrong = read_stop(f)) ||
	    (wrong = read_numbers(f)) || (wrong = read_others(f)) || (wrong = face_more(f, &more)))
		return wrong;
	face_members(f, &more, names);
	face_schema(f, &more, format, json_at(format, "json_schema"));
	f->call.more = buf_str(&more);
	return NULL;
}

/* -- what is answered -- */

static void
put_head(struct face_call *f, struct buf *b, const char *object)
{
	buf_printf(b,
	    "{\"id\":\"chatcmpl-%.*s\",\"object\":\"%s\",\"created\":%lld,\"model\":", S_ARG(f->id),
	    object, (long long)f->created_s);
	buf_json(b, f->model);
}

static bool
wants_usage(const struct face_call *f)
{
	return json_object_get_boolean(
	    json_at(json_at(f->asked, "stream_options"), "include_usage"));
}

/* Begins a chunk; put_chunk_end ends it. */
static void
put_chunk(struct face_call *f, struct buf *b)
{
	buf_put(b, S("data: "));
	put_head(f, b, "chat.completion.chunk");
	buf_put(b, wants_usage(f) ? S(",\"usage\":null") : S(""));
	buf_put(b, S(",\"choices\":[{\"index\":0,\"delta\":{"));
}

static void
put_chunk_end(struct buf *b, const char *finish)
{
	buf_put(b, S("},\"logprobs\":null,\"finish_reason\":"));
	buf_printf(b, finish ? "\"%s\"}]}\n\n" : "null}]}\n\n", finish);
}

/* As members behind others; but `told`, which the client has already. */
static void
put_extra(struct face_call *f, struct buf *b, struct str extra, const char *told)
{
	json_object *o = NULL, *member;

	if (extra.n == 0 || !lenient_parse(f->call.a, extra, &o))
		return;
	for (const char *const *name = kept_members; *name; name++)
		if (strcmp(*name, told) != 0 && (member = json_at(o, *name)) != NULL) {
			buf_printf(b, ",\"%s\":", *name);
			buf_put(b, json_serialised(member));
		}
}

/* With what goes back with their message. */
static void
put_calls(struct face_call *f, struct buf *b, bool numbered)
{
	struct str kept;

	buf_put(b, S("\"tool_calls\":["));
	for (size_t i = 0; i < f->call.n_calls; i++) {
		buf_put(b, i > 0 ? S(",{") : S("{"));
		if (numbered)
			buf_printf(b, "\"index\":%zu,", i);
		buf_put(b, S("\"id\":"));
		buf_json(b, face_call_id(f, i));
		buf_put(b, S(",\"type\":\"function\",\"function\":{\"name\":"));
		buf_json(b, f->call.calls[i].name);
		buf_put(b, S(",\"arguments\":"));
		buf_json(b, f->call.calls[i].arguments);
		put_extra(f, b, f->call.calls[i].function_extra, "");
		buf_put(b, S("}"));
		put_extra(f, b, f->call.calls[i].extra, "");
		buf_put(b, S("}"));
	}
	buf_put(b, S("]"));
	put_extra(f, b, f->call.extra, f->call.thoughts.n > 0 ? f->call.thoughts_in : "");
	/* What came in pieces, whole: OpenAI's helper for streams keeps the last of them alone. */
	if (numbered && f->call.thoughts.n > 0 && (kept = face_kept_pack(f)).n > 0) {
		buf_put(b, S(",\"kept_content\":"));
		buf_json(b, kept);
	}
}

static void
put_usage(struct face_call *f, struct buf *b)
{
	const struct call *c = &f->call;

	buf_printf(b,
	    "{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":%lld},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":%lld}}",
	    (long long)c->input_tokens, (long long)c->output_tokens,
	    (long long)(c->input_tokens + c->output_tokens), (long long)call_part(c->cached_tokens),
	    (long long)call_part(c->reasoning_tokens));
}

static void
chat_begin(struct face_call *f, struct buf *b)
{
	put_chunk(f, b);
	buf_put(b, S("\"role\":\"assistant\",\"content\":\"\""));
	put_chunk_end(b, NULL);
}

static void
chat_text(struct face_call *f, struct buf *b, struct str text)
{
	put_chunk(f, b);
	buf_put(b, f->call.refuses ? S("\"refusal\":") : S("\"content\":"));
	buf_json(b, text);
	put_chunk_end(b, NULL);
}

/* As other servers of this format tell it; their clients join the pieces. */
static void
chat_thought(struct face_call *f, struct buf *b, struct str text)
{
	put_chunk(f, b);
	buf_printf(b, "\"%s\":", f->call.thoughts_in);
	buf_json(b, text);
	put_chunk_end(b, NULL);
}

static void
put_logprobs(struct buf *b, struct str list)
{
	buf_put(b, S("\"logprobs\":{\"content\":["));
	buf_put(b, list);
	buf_put(b, S("],\"refusal\":null}"));
}

static void
chat_logprobs(struct face_call *f, struct buf *b, struct str list)
{
	put_chunk(f, b);
	buf_put(b, S("},"));
	put_logprobs(b, list);
	buf_put(b, S(",\"finish_reason\":null}]}\n\n"));
}

static void
chat_end(struct face_call *f, struct buf *b)
{
	if (f->call.n_calls > 0) {
		put_chunk(f, b);
		put_calls(f, b, true);
		put_chunk_end(b, NULL);
	}
	put_chunk(f, b);
	put_chunk_end(b, f->call.finish);
	if (wants_usage(f)) {
		buf_put(b, S("data: "));
		put_head(f, b, "chat.completion.chunk");
		buf_put(b, S(",\"choices\":[],\"usage\":"));
		put_usage(f, b);
		buf_put(b, S("}\n\n"));
	}
	buf_put(b, S("data: [DONE]\n\n"));
}

static void
put_content(struct face_call *f, struct buf *b)
{
	struct str text = f->call.text.n > 0 ? buf_str(&f->call.text) : S("");

	if (f->call.refuses || (f->call.n_calls > 0 && text.n == 0))
		buf_put(b, S("null"));
	else
		buf_json(b, text);
	buf_put(b, S(",\"refusal\":"));
	if (f->call.refuses)
		buf_json(b, text);
	else
		buf_put(b, S("null"));
}

static void
chat_whole(struct face_call *f, struct buf *b)
{
	put_head(f, b, "chat.completion");
	buf_put(
	    b, S(",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"));
	put_content(f, b);
	if (f->call.thoughts.n > 0) {
		buf_printf(b, ",\"%s\":", f->call.thoughts_in);
		buf_json(b, buf_str(&f->call.thoughts));
	}
	if (f->call.n_calls > 0) {
		buf_put(b, S(","));
		put_calls(f, b, false);
	}
	buf_put(b, S("},"));
	if (f->logprobs.n > 0 && f->logprobs.n <= LOGPROBS_MAX)
		put_logprobs(b, buf_str(&f->logprobs));
	else
		buf_put(b, S("\"logprobs\":null"));
	buf_printf(b, ",\"finish_reason\":\"%s\"}],\"usage\":", f->call.finish);
	put_usage(f, b);
	buf_put(b, S("}"));
}

const struct face_format face_chat = {
	.name = "chat",
	.read = chat_read,
	.begin = chat_begin,
	.text = chat_text,
	.thought = chat_thought,
	.logprobs = chat_logprobs,
	.end = chat_end,
	.whole = chat_whole,
};
