/*
 * OpenAI's responses (API reference, "Responses" and "Streaming events"), without state: what was
 * said before comes with the request, or is named by items of earlier answers, which their runs
 * have kept.
 */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"
#include "sql_job.h"

/* -- what is asked -- */

/* A list of parts in the form that chat completions have; *has_images where there is one. */
static const char *
read_parts(struct face_call *f, json_object *list, struct message *m)
{
	struct buf text = { .a = f->call.a }, parts = { .a = f->call.a };
	bool has_images = false;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *part = json_object_array_get_idx(list, i);
		struct str type = json_text(part, "type"), said = json_text(part, "text");

		if (str_eq(type, S("input_image"))) {
			has_images = true;
			if (json_text(part, "image_url").n == 0)
				return "An input_image must have an image_url.";
			buf_put(&parts, S(",{\"type\":\"image_url\",\"image_url\":{\"url\":"));
			buf_json(&parts, json_text(part, "image_url"));
			buf_put(&parts, S("}}"));
		} else if (str_eq(type, S("input_text")) || str_eq(type, S("output_text")) ||
			   str_eq(type, S("refusal"))) {
			buf_put(&text, said);
			buf_put(&parts, S(",{\"type\":\"text\",\"text\":"));
			buf_json(&parts, said);
			buf_put(&parts, S("}"));
		} else {
			return "A part of content must be an input_text, output_text or "
			       "input_image.";
		}
	}
	m->content = buf_str(&text);
	if (has_images && m->role == ROLE_USER)
		m->parts = arena_printf(f->call.a, "[%.*s]", (int)parts.n - 1, parts.p + 1);
	return has_images && m->role != ROLE_USER ? "Only a user's message may have images." : NULL;
}

static const char *
read_message(struct face_call *f, json_object *o)
{
	struct str role = json_text(o, "role");
	json_object *content = json_at(o, "content");
	struct message m = { .content = json_text(o, "content") };
	const char *wrong = NULL;

	m.role = str_eq(role, S("user"))	? ROLE_USER
		 : str_eq(role, S("assistant")) ? ROLE_ASSISTANT
						: ROLE_SYSTEM;
	if (m.role == ROLE_SYSTEM && !str_eq(role, S("system")) && !str_eq(role, S("developer")))
		return "A message's role must be system, developer, user or assistant.";
	if (json_object_is_type(content, json_type_array))
		wrong = read_parts(f, content, &m);
	else if (!m.content.p)
		return "A message's content must be a text or a list of parts.";
	if (!wrong)
		face_add(f, m);
	return wrong;
}

/* Calls that follow each other, and what the model has said before them, are one message. */
static const char *
read_call(struct face_call *f, json_object *o)
{
	struct message *last = &f->messages[f->call.n_messages - 1];
	struct tool_call call = { .id = json_text(o, "call_id"),
		.wire_id = json_text(o, "call_id"),
		.name = json_text(o, "name"),
		.arguments = json_text(o, "arguments") };
	struct tool_call *calls;

	if (call.id.n == 0 || call.name.n == 0)
		return "A function_call must have a call_id and a name.";
	if (f->call.n_messages == 1 || last->role != ROLE_ASSISTANT) {
		face_add(f, (struct message){ .role = ROLE_ASSISTANT });
		last++;
	}
	calls = arena_alloc(f->call.a, (last->n_calls + 1) * sizeof(*calls));
	if (last->n_calls > 0)
		memcpy(calls, last->calls, last->n_calls * sizeof(*calls));
	calls[last->n_calls++] = call;
	last->calls = calls;
	return NULL;
}

static const char *read_item(struct face_call *f, json_object *o, bool is_kept);

/* An item of an earlier answer, by its id, which begins with what it is and its run's id. */
static const char *
read_reference(struct face_call *f, json_object *o)
{
	static const char none[] = "There is no such item of an earlier answer.";
	struct str id = json_text(o, "id"), rest = str_cut(id, '_', &(struct str){ NULL, 0 });
	struct uuid run;
	PGresult *res = NULL;
	json_object *output;

	if (rest.n < 36 || !uuid_parse((struct str){ rest.p, 36 }, &run) ||
	    job_runner_call_output(f->call.job, &res, f->call.job->owner, run) != ERR_OK ||
	    PQntuples(res) == 0 || !lenient_parse(f->call.a, sql_get(res, 0, 0), &output) ||
	    !json_object_is_type(output, json_type_array))
		return none;
	for (size_t i = 0; i < json_object_array_length(output); i++) {
		json_object *item = json_object_array_get_idx(output, i);

		if (str_eq(json_text(item, "id"), id))
			return read_item(f, item, true);
	}
	return none;
}

static const char *
read_item(struct face_call *f, json_object *o, bool is_kept)
{
	struct str type = json_text(o, "type"), said;

	if (type.n == 0 || str_eq(type, S("message")))
		return read_message(f, o);
	if (str_eq(type, S("function_call")))
		return read_call(f, o);
	if (str_eq(type, S("item_reference")) && !is_kept)
		return read_reference(f, o);
	if (str_eq(type, S("reasoning")))
		return NULL;
	if (!str_eq(type, S("function_call_output")))
		return "An item of input must be a message, a function_call or its output.";
	said = lenient_text(f->call.a, json_at(o, "output"));
	face_add(f, (struct message){ .role = ROLE_TOOL,
			.content = said.p ? said : S(""),
			.call_id = json_text(o, "call_id") });
	return NULL;
}

static void
put_function(struct buf *b, json_object *tool)
{
	static const char *const members[] = { "description", "parameters", "strict" };

	buf_put(b, S("{\"type\":\"function\",\"function\":{\"name\":"));
	buf_json(b, json_text(tool, "name"));
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (json_at(tool, members[i]))
			buf_printf(b, ",\"%s\":%.*s", members[i],
			    S_ARG(json_serialised(json_at(tool, members[i]))));
	buf_put(b, S("}}"));
}

/* Functions in the form that chat completions have, which calls have. */
static const char *
read_tools(struct face_call *f)
{
	json_object *tools = json_at(f->asked, "tools"), *choice = json_at(f->asked, "tool_choice");
	struct buf b = { .a = f->call.a };

	if (tools && !json_object_is_type(tools, json_type_array))
		return "tools must be a list.";
	for (size_t i = 0; tools && i < json_object_array_length(tools); i++) {
		json_object *tool = json_object_array_get_idx(tools, i);

		if (json_text(tool, "name").n == 0 ||
		    !str_eq(json_text(tool, "type"), S("function")))
			return "Each of tools must be a function with its name.";
		buf_put(&b, i > 0 ? S(",") : S("["));
		put_function(&b, tool);
	}
	if (b.n == 0)
		return NULL;
	buf_put(&b, S("]"));
	f->call.tools = 1;
	f->call.schema = arena_cstr(f->call.a, buf_str(&b));
	if (json_object_is_type(choice, json_type_string))
		f->call.tool_choice = json_text(f->asked, "tool_choice");
	else if (json_text(choice, "name").n > 0)
		f->call.tool_choice =
		    arena_printf(f->call.a, ":%.*s", S_ARG(json_text(choice, "name")));
	return NULL;
}

static const char *
responses_read(struct face_call *f)
{
	json_object *input = json_at(f->asked, "input"),
		    *format = json_at(json_at(f->asked, "text"), "format");
	struct buf more = { .a = f->call.a };
	const char *wrong = NULL;

	if (json_at(f->asked, "previous_response_id") || json_at(f->asked, "conversation"))
		return "Nothing is kept here between responses: send all of the conversation.";
	if (json_text(f->asked, "instructions").n > 0)
		face_add(f, (struct message){ .role = ROLE_SYSTEM,
				.content = json_text(f->asked, "instructions") });
	if (json_object_is_type(input, json_type_string))
		face_add(f,
		    (struct message){ .role = ROLE_USER, .content = json_text(f->asked, "input") });
	else if (!json_object_is_type(input, json_type_array) ||
		 json_object_array_length(input) > CALL_MESSAGES_MAX)
		return "input must be a text or a list of items.";
	else
		for (size_t i = 0; i < json_object_array_length(input) && !wrong; i++)
			wrong = read_item(f, json_object_array_get_idx(input, i), false);
	if (!wrong && (!face_number(f->asked, "temperature", &f->call.temperature) ||
			  !face_number(f->asked, "top_p", &f->call.top_p) ||
			  !face_count(f->asked, "max_output_tokens", &f->call.max_tokens)))
		wrong = "temperature, top_p and max_output_tokens must be numbers.";
	if (!wrong)
		wrong = face_more(f, &more);
	face_reasoning(f, &more);
	face_schema(f, &more, format, format);
	f->call.more = buf_str(&more);
	return wrong ? wrong : read_tools(f);
}

/* -- what is answered -- */

static bool
is_cut(const struct face_call *f)
{
	return f->call.finish && strcmp(f->call.finish, "length") == 0;
}

static void
put_message(struct face_call *f, struct buf *b, const char *status)
{
	buf_printf(b,
	    "{\"id\":\"msg_%.*s\",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\","
	    "\"content\":[",
	    S_ARG(f->id), status);
	if (strcmp(status, "in_progress") != 0) {
		buf_put(
		    b, S("{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":"));
		buf_json(b, buf_str(&f->call.text));
		buf_put(b, S("}"));
	}
	buf_put(b, S("]}"));
}

static void
put_call(struct face_call *f, struct buf *b, size_t i, bool is_whole)
{
	buf_printf(b,
	    "{\"id\":\"fc_%.*s_%zu\",\"type\":\"function_call\",\"status\":\"%s\",\"call_id\":",
	    S_ARG(f->id), i, is_whole ? "completed" : "in_progress");
	buf_json(b, face_call_id(f, i));
	buf_put(b, S(",\"name\":"));
	buf_json(b, f->call.calls[i].name);
	buf_put(b, S(",\"arguments\":"));
	buf_json(b, is_whole ? f->call.calls[i].arguments : S(""));
	buf_put(b, S("}"));
}

/* The list of items, once the answer is there. */
static void
put_output(struct face_call *f, struct buf *b)
{
	buf_put(b, S("["));
	if (f->call.text.n > 0)
		put_message(f, b, is_cut(f) ? "incomplete" : "completed");
	for (size_t i = 0; i < f->call.n_calls; i++) {
		buf_put(b, i > 0 || f->call.text.n > 0 ? S(",") : S(""));
		put_call(f, b, i, true);
	}
	buf_put(b, S("]"));
}

static void
put_usage(struct face_call *f, struct buf *b)
{
	const struct call *c = &f->call;

	buf_printf(b,
	    "{\"input_tokens\":%lld,\"input_tokens_details\":{\"cached_tokens\":%lld},"
	    "\"output_tokens\":%lld,\"output_tokens_details\":{\"reasoning_tokens\":%lld},"
	    "\"total_tokens\":%lld}",
	    (long long)c->input_tokens, (long long)call_part(c->cached_tokens),
	    (long long)c->output_tokens, (long long)call_part(c->reasoning_tokens),
	    (long long)(c->input_tokens + c->output_tokens));
}

/* `is_whole`: the answer is there. */
static void
put_response(struct face_call *f, struct buf *b, bool is_whole)
{
	buf_printf(b,
	    "{\"id\":\"resp_%.*s\",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\","
	    "\"error\":null,\"incomplete_details\":%s,\"instructions\":null,\"metadata\":{},"
	    "\"parallel_tool_calls\":true,\"previous_response_id\":null,\"store\":false,"
	    "\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\",\"tools\":[],"
	    "\"temperature\":null,\"top_p\":null,\"truncation\":\"disabled\",\"model\":",
	    S_ARG(f->id), (long long)f->created_s,
	    !is_whole	? "in_progress"
	    : is_cut(f) ? "incomplete"
			: "completed",
	    is_whole && is_cut(f) ? "{\"reason\":\"max_output_tokens\"}" : "null");
	buf_json(b, f->model);
	buf_put(b, S(",\"output\":"));
	if (is_whole)
		put_output(f, b);
	else
		buf_put(b, S("[]"));
	buf_put(b, S(",\"usage\":"));
	if (is_whole)
		put_usage(f, b);
	else
		buf_put(b, S("null"));
	buf_put(b, S("}"));
}

/* Begins an event; its members follow, and "}\n\n". */
static void
put_event(struct face_call *f, struct buf *b, const char *type)
{
	buf_printf(b, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%lld", type, type,
	    (long long)f->sequence++);
}

/* The same for one of the text's, which is the first item. */
static void
put_text_event(struct face_call *f, struct buf *b, const char *type)
{
	put_event(f, b, type);
	buf_printf(
	    b, ",\"item_id\":\"msg_%.*s\",\"output_index\":0,\"content_index\":0", S_ARG(f->id));
}

static void
responses_begin(struct face_call *f, struct buf *b)
{
	static const char *const types[] = { "response.created", "response.in_progress" };

	for (size_t i = 0; i < 2; i++) {
		put_event(f, b, types[i]);
		buf_put(b, S(",\"response\":"));
		put_response(f, b, false);
		buf_put(b, S("}\n\n"));
	}
}

static void
responses_text(struct face_call *f, struct buf *b, struct str text)
{
	if (!f->has_text) {
		put_event(f, b, "response.output_item.added");
		buf_put(b, S(",\"output_index\":0,\"item\":"));
		put_message(f, b, "in_progress");
		buf_put(b, S("}\n\n"));
		put_text_event(f, b, "response.content_part.added");
		buf_put(b, S(",\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[],"
			     "\"logprobs\":[]}}\n\n"));
	}
	f->has_text = true;
	put_text_event(f, b, "response.output_text.delta");
	buf_put(b, S(",\"logprobs\":[],\"delta\":"));
	buf_json(b, text);
	buf_put(b, S("}\n\n"));
}

static void
end_text(struct face_call *f, struct buf *b)
{
	put_text_event(f, b, "response.output_text.done");
	buf_put(b, S(",\"logprobs\":[],\"text\":"));
	buf_json(b, buf_str(&f->call.text));
	buf_put(b, S("}\n\n"));
	put_text_event(f, b, "response.content_part.done");
	buf_put(b,
	    S(",\"part\":{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":"));
	buf_json(b, buf_str(&f->call.text));
	buf_put(b, S("}}\n\n"));
	put_event(f, b, "response.output_item.done");
	buf_put(b, S(",\"output_index\":0,\"item\":"));
	put_message(f, b, is_cut(f) ? "incomplete" : "completed");
	buf_put(b, S("}\n\n"));
}

static void
end_call(struct face_call *f, struct buf *b, size_t i)
{
	static const char *const types[] = { "response.function_call_arguments.delta",
		"response.function_call_arguments.done" };
	size_t index = i + f->has_text;

	put_event(f, b, "response.output_item.added");
	buf_printf(b, ",\"output_index\":%zu,\"item\":", index);
	put_call(f, b, i, false);
	buf_put(b, S("}\n\n"));
	for (size_t k = 0; k < 2; k++) {
		put_event(f, b, types[k]);
		buf_printf(b,
		    ",\"item_id\":\"fc_%.*s_%zu\",\"output_index\":%zu,\"%s\":", S_ARG(f->id), i,
		    index, k == 0 ? "delta" : "arguments");
		buf_json(b, f->call.calls[i].arguments);
		if (k == 1) {
			buf_put(b, S(",\"name\":"));
			buf_json(b, f->call.calls[i].name);
		}
		buf_put(b, S("}\n\n"));
	}
	put_event(f, b, "response.output_item.done");
	buf_printf(b, ",\"output_index\":%zu,\"item\":", index);
	put_call(f, b, i, true);
	buf_put(b, S("}\n\n"));
}

static void
responses_end(struct face_call *f, struct buf *b)
{
	if (f->has_text)
		end_text(f, b);
	for (size_t i = 0; i < f->call.n_calls; i++)
		end_call(f, b, i);
	put_event(f, b, is_cut(f) ? "response.incomplete" : "response.completed");
	buf_put(b, S(",\"response\":"));
	put_response(f, b, true);
	buf_put(b, S("}\n\n"));
}

static void
responses_whole(struct face_call *f, struct buf *b)
{
	put_response(f, b, true);
}

const struct face_format face_responses = {
	.name = "responses",
	.read = responses_read,
	.begin = responses_begin,
	.text = responses_text,
	.end = responses_end,
	.whole = responses_whole,
	.output = put_output,
};
