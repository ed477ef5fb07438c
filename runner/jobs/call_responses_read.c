/*
 * What is asked for in OpenAI's responses (API reference, "Responses"), without state: what was
 * said before comes with the request, or is named by items of earlier answers, which their runs
 * have kept.
 */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"
#include "sql_job.h"

#define METADATA_MAX ((size_t)16 * 1024) /* bytes; it comes back with the answer */
#define EARLIER_MAX ((size_t)8 << 20) /* bytes of answers, each time that an item names one */

/* An image or a file in the form that chat completions have. */
static const char *
put_part(struct buf *parts, json_object *part)
{
	struct str url = json_text(part, "image_url"), name = json_text(part, "filename");

	if (str_eq(json_text(part, "type"), S("input_image"))) {
		if (url.n == 0 || json_has(part, "file_id"))
			return "An input_image must have an image_url.";
		buf_put(parts, S(",{\"type\":\"image_url\",\"image_url\":{\"url\":"));
		buf_json(parts, url);
		buf_put(parts, S("}}"));
		return NULL;
	}
	if ((url = json_text(part, "file_data")).n == 0)
		url = json_text(part, "file_url");
	if (url.n == 0 || json_has(part, "file_id"))
		return "An input_file must have its file_data or a file_url.";
	buf_put(parts, S(",{\"type\":\"file\",\"file\":{\"filename\":"));
	buf_json(parts, name.n > 0 ? name : S("file"));
	buf_printf(parts, ",\"%s\":", str_starts(url, S("data:")) ? "file_data" : "file_url");
	buf_json(parts, url);
	buf_put(parts, S("}}"));
	return NULL;
}

static void
put_text(struct buf *parts, struct str text)
{
	if (!parts)
		return;
	buf_put(parts, S(",{\"type\":\"text\",\"text\":"));
	buf_json(parts, text);
	buf_put(parts, S("}"));
}

/* A list of parts in the form that chat completions have; of a tool's, what is no text alone. */
static const char *
read_parts(struct face_call *f, json_object *list, struct message *m)
{
	struct buf text = { .a = f->call.a }, parts = { .a = f->call.a };
	bool has_more = false;
	const char *wrong = NULL;

	for (size_t i = 0; i < json_object_array_length(list) && !wrong; i++) {
		json_object *part = json_object_array_get_idx(list, i);
		struct str type = json_text(part, "type"), said = json_text(part, "text");

		if (str_eq(type, S("input_image")) || str_eq(type, S("input_file"))) {
			has_more = true;
			wrong = put_part(&parts, part);
		} else if (str_eq(type, S("input_text")) || str_eq(type, S("output_text")) ||
			   str_eq(type, S("refusal"))) {
			said = said.n > 0 ? said : json_text(part, "refusal");
			buf_put(&text, said);
			put_text(m->role == ROLE_TOOL ? NULL : &parts, said);
		} else {
			wrong = "A part of content must be an input_text, output_text, "
				"input_image or input_file.";
		}
	}
	m->content = buf_str(&text);
	if (wrong || !has_more)
		return wrong;
	if (m->role != ROLE_USER && m->role != ROLE_TOOL)
		return "Only a user's message and a function's output may have images and files.";
	m->parts = arena_printf(f->call.a, "[%.*s]", (int)parts.n - 1, parts.p + 1);
	return NULL;
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
	if (wrong)
		return wrong;
	if (m.role == ROLE_ASSISTANT)
		face_give_back(f, f->kept, &m, NULL);
	else
		f->kept = NULL;
	face_add(f, m);
	return NULL;
}

/* Makes room for one more of its calls, which are in f->calls: twice as much where that is full. */
static void
grow_calls(struct face_call *f, struct message *last)
{
	size_t n = last->n_calls;

	if ((n & (n - 1)) != 0)
		return;
	f->calls = arena_alloc(f->call.a, (n > 0 ? 2 * n : 1) * sizeof(*f->calls));
	if (n > 0)
		memcpy(f->calls, last->calls, n * sizeof(*f->calls));
	last->calls = f->calls;
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

	if (call.id.n == 0 || call.name.n == 0)
		return "A function_call must have a call_id and a name.";
	if (f->call.n_messages == 1 || last->role != ROLE_ASSISTANT) {
		face_add(f, (struct message){ .role = ROLE_ASSISTANT });
		last++;
	}
	grow_calls(f, last);
	f->calls[last->n_calls++] = call;
	face_give_back(f, f->kept, last, &f->calls[last->n_calls - 1]);
	return NULL;
}

/*
 * What was thought before the assistant's message, or between that and its calls; another server's
 * cannot be read here.
 */
static void
read_reasoning(struct face_call *f, json_object *o)
{
	struct message *last = &f->messages[f->call.n_messages - 1];
	json_object *kept = face_kept_unpack(f, json_text(o, "encrypted_content"));

	if (!kept)
		return;
	f->kept = kept;
	if (f->call.n_messages > 1 && last->role == ROLE_ASSISTANT && last->n_calls == 0)
		face_give_back(f, kept, last, NULL);
}

/* Images and files of tools' results: servers take results that are texts alone, so the user shows
 * them behind all results of a turn. */
static void
show_seen(struct face_call *f)
{
	if (f->seen.n == 0)
		return;
	face_add(f, (struct message){ .role = ROLE_USER,
			.content = S(""),
			.parts = arena_printf(f->call.a, "[%.*s]", (int)f->seen.n, f->seen.p) });
	f->seen = (struct buf){ .a = f->call.a };
}

/* A tool's result: a text, or a list of parts. */
static const char *
read_output(struct face_call *f, json_object *o)
{
	json_object *output = json_at(o, "output");
	struct message m = { .role = ROLE_TOOL, .call_id = json_text(o, "call_id") };
	const char *wrong = NULL;

	f->kept = NULL;
	if (json_object_is_type(output, json_type_array))
		wrong = read_parts(f, output, &m);
	else
		m.content = lenient_text(f->call.a, output);
	if (!m.content.p)
		m.content = S("");
	if (m.parts.n > 0) {
		buf_put(&f->seen, f->seen.n > 0 ? S(",") : S(""));
		buf_put(&f->seen, (struct str){ m.parts.p + 1, m.parts.n - 2 });
		m.parts.n = 0;
	}
	face_add(f, m);
	return wrong;
}

static const char *read_item(struct face_call *f, json_object *o, bool is_kept);

/* Reads an earlier answer into f->earlier, unless the item before was of it, too. */
static bool
find_earlier(struct face_call *f, struct uuid run)
{
	PGresult *res = NULL;
	struct str text;

	if (f->earlier && strcmp(run.text, f->earlier_run.text) == 0)
		return true;
	f->earlier = NULL;
	if (job_runner_call_output(f->call.job, &res, f->call.job->owner, run) != ERR_OK ||
	    PQntuples(res) == 0)
		return false;
	text = sql_get(res, 0, 0);
	if (!lenient_parse(f->call.a, text, &f->earlier) ||
	    !json_object_is_type(f->earlier, json_type_array))
		f->earlier = NULL;
	f->earlier_run = run;
	f->earlier_n = text.n;
	return f->earlier != NULL;
}

/* An item of an earlier answer, by its id, which begins with what it is and its run's id. */
static const char *
read_reference(struct face_call *f, json_object *o)
{
	static const char none[] = "There is no such item of an earlier answer.";
	struct str id = json_text(o, "id"), rest = str_cut(id, '_', &(struct str){ NULL, 0 });
	struct uuid run;

	if (rest.n < 36 || !uuid_parse((struct str){ rest.p, 36 }, &run) || !find_earlier(f, run))
		return none;
	f->earlier_bytes += f->earlier_n;
	if (f->earlier_bytes > EARLIER_MAX)
		return "The answers that items name have more than 8 MiB together.";
	for (size_t i = 0; i < json_object_array_length(f->earlier); i++) {
		json_object *item = json_object_array_get_idx(f->earlier, i);

		if (str_eq(json_text(item, "id"), id))
			return read_item(f, item, true);
	}
	return none;
}

static const char *
read_item(struct face_call *f, json_object *o, bool is_kept)
{
	struct str type = json_text(o, "type");

	if (!str_eq(type, S("function_call_output")))
		show_seen(f);
	if (type.n == 0 || str_eq(type, S("message")))
		return read_message(f, o);
	if (str_eq(type, S("function_call")))
		return read_call(f, o);
	if (str_eq(type, S("item_reference")) && !is_kept)
		return read_reference(f, o);
	if (str_eq(type, S("reasoning")))
		read_reasoning(f, o);
	else if (!str_eq(type, S("function_call_output")))
		return "An item of input must be a message, a function_call or its output.";
	else
		return read_output(f, o);
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
	else if (str_eq(json_text(choice, "type"), S("allowed_tools")))
		return face_allowed(f, choice);
	else if (str_eq(json_text(choice, "type"), S("function")) &&
		 json_text(choice, "name").n > 0)
		f->call.tool_choice =
		    arena_printf(f->call.a, ":%.*s", S_ARG(json_text(choice, "name")));
	else if (choice)
		return "tool_choice must be auto, none, required, or a function with its name.";
	return NULL;
}

static const char *
read_others(struct face_call *f, struct buf *more)
{
	static const char *const others[] = { "background", "prompt", NULL };
	json_object *reasoning = json_at(f->asked, "reasoning"),
		    *verbosity = json_at(json_at(f->asked, "text"), "verbosity");
	const char *wrong = face_named(f, others);

	if (json_at(f->asked, "metadata") &&
	    json_serialised(json_at(f->asked, "metadata")).n > METADATA_MAX)
		return "metadata must have at most 16 KiB.";
	f->call.shows_thoughts = json_text(reasoning, "summary").n > 0;
	f->wants_logprobs = responses_includes(f, S("message.output_text.logprobs"));
	if (f->wants_logprobs) {
		static const char *const names[] = { "top_logprobs", NULL };

		buf_put(more, S(",\"logprobs\":true"));
		face_members(f, more, names);
	}
	if (verbosity)
		buf_printf(more, ",\"verbosity\":%.*s", S_ARG(json_serialised(verbosity)));
	if (!wrong)
		wrong = face_effort(f, json_at(reasoning, "effort"));
	return wrong ? wrong : face_more(f, more);
}

const char *
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
	show_seen(f);
	if (!wrong && (!face_number(f->asked, "temperature", &f->call.temperature) ||
			  !face_number(f->asked, "top_p", &f->call.top_p) ||
			  !face_count(f->asked, "max_output_tokens", &f->call.max_tokens)))
		wrong = "temperature, top_p and max_output_tokens must be numbers.";
	if (!wrong)
		wrong = read_others(f, &more);
	face_schema(f, &more, format, format);
	f->call.more = buf_str(&more);
	return wrong ? wrong : read_tools(f);
}
