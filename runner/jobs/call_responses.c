/* Answers in the form of OpenAI's responses (API reference, "Responses", "Streaming events"). */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"

/* Why the answer is not all of it; NULL: it is. */
static const char *
cut_by(const struct face_call *f)
{
	const char *finish = f->call.finish ? f->call.finish : "";

	return strcmp(finish, "length") == 0	       ? "max_output_tokens"
	       : strcmp(finish, "content_filter") == 0 ? "content_filter"
						       : NULL;
}

static const char *
status_of(const struct face_call *f)
{
	return cut_by(f) ? "incomplete" : "completed";
}

/* How likely the text's words were from a byte of all of it on, as a list. */
static void
put_logprobs(struct face_call *f, struct buf *b, size_t from)
{
	struct str list = buf_str(&f->logprobs);

	buf_put(b, S(",\"logprobs\":["));
	if (list.n > from && list.n <= LOGPROBS_MAX) {
		from += list.p[from] == ',';
		buf_put(b, (struct str){ list.p + from, list.n - from });
	}
	buf_put(b, S("]"));
}

/* The message's one part: a text, or the model's refusal. */
static void
put_part(struct face_call *f, struct buf *b, struct str text)
{
	if (f->call.refuses) {
		buf_put(b, S("{\"type\":\"refusal\",\"refusal\":"));
	} else {
		buf_put(b, S("{\"type\":\"output_text\",\"annotations\":[]"));
		put_logprobs(f, b, text.n > 0 ? 0 : f->logprobs.n);
		buf_put(b, S(",\"text\":"));
	}
	buf_json(b, text);
	buf_put(b, S("}"));
}

static void
put_message(struct face_call *f, struct buf *b, const char *status)
{
	buf_printf(b,
	    "{\"id\":\"msg_%.*s\",\"type\":\"message\",\"status\":\"%s\",\"role\":\"assistant\","
	    "\"content\":[",
	    S_ARG(f->id), status);
	if (strcmp(status, "in_progress") != 0)
		put_part(f, b, buf_str(&f->call.text));
	buf_put(b, S("]}"));
}

/* What was thought before the text: the first item of a client that asks for it. */
static void
put_reasoning(struct face_call *f, struct buf *b, bool is_whole)
{
	buf_printf(b, "{\"id\":\"rs_%.*s_0\",\"type\":\"reasoning\",\"summary\":[", S_ARG(f->id));
	if (is_whole) {
		buf_put(b, S("{\"type\":\"summary_text\",\"text\":"));
		buf_json(b, face_thoughts(f));
		buf_put(b, S("}"));
	}
	buf_put(b, S("]}"));
}

/*
 * What the model's server wants back with the calls, behind which they stand; the client has it
 * where it asks for that, and names it by its id in any case.
 */
static void
put_kept(struct face_call *f, struct buf *b, struct str kept)
{
	buf_printf(b, "{\"id\":\"rs_%.*s_1\",\"type\":\"reasoning\",\"summary\":[]", S_ARG(f->id));
	if (kept.n > 0) {
		buf_put(b, S(",\"encrypted_content\":"));
		buf_json(b, kept);
	}
	buf_put(b, S("}"));
}

bool
responses_includes(const struct face_call *f, struct str what)
{
	json_object *include = json_at(f->asked, "include");

	for (size_t i = 0; i < json_length(include); i++)
		if (str_eq(lenient_text(f->call.a, json_object_array_get_idx(include, i)), what))
			return true;
	return false;
}

static bool
wants_kept(const struct face_call *f)
{
	return responses_includes(f, S("reasoning.encrypted_content"));
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

static bool
has_reasoning(const struct face_call *f)
{
	return f->call.shows_thoughts && f->n_thought > 0;
}

/* The list of items, once the answer is there; `tells`: with what its server wants back. */
static void
put_items(struct face_call *f, struct buf *b, bool tells)
{
	struct str kept = face_kept_pack(f);
	size_t from;

	buf_put(b, S("["));
	from = b->n;
	if (has_reasoning(f))
		put_reasoning(f, b, true);
	if (f->call.text.n > 0) {
		buf_put(b, b->n > from ? S(",") : S(""));
		put_message(f, b, status_of(f));
	}
	if (kept.n > 0) {
		buf_put(b, b->n > from ? S(",") : S(""));
		put_kept(f, b, tells ? kept : (struct str){ NULL, 0 });
	}
	for (size_t i = 0; i < f->call.n_calls; i++) {
		buf_put(b, b->n > from ? S(",") : S(""));
		put_call(f, b, i, true);
	}
	buf_put(b, S("]"));
}

/* For a later call, to which it is nothing how likely the words were. */
static void
put_output(struct face_call *f, struct buf *b)
{
	size_t n = f->logprobs.n;

	f->logprobs.n = 0;
	put_items(f, b, true);
	f->logprobs.n = n;
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

/* What comes back as it was asked; what is long does not: the client has it. */
static void
put_asked(struct face_call *f, struct buf *b)
{
	static const struct {
		const char *name, *otherwise;
	} members[] = { { "metadata", "{}" }, { "parallel_tool_calls", "true" },
		{ "temperature", "null" }, { "top_p", "null" }, { "max_output_tokens", "null" },
		{ "tool_choice", "\"auto\"" }, { "reasoning", "null" } };

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		json_object *o = json_at(f->asked, members[i].name);

		buf_printf(b, ",\"%s\":%s", members[i].name,
		    o ? json_serialised(o).p : members[i].otherwise);
	}
}

/* `is_whole`: the answer is there. */
static void
put_response(struct face_call *f, struct buf *b, bool is_whole)
{
	buf_printf(b,
	    "{\"id\":\"resp_%.*s\",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\","
	    "\"error\":null,\"instructions\":null,\"previous_response_id\":null,\"store\":false,"
	    "\"text\":{\"format\":{\"type\":\"text\"}},\"tools\":[],\"truncation\":\"disabled\","
	    "\"model\":",
	    S_ARG(f->id), (long long)f->created_s, is_whole ? status_of(f) : "in_progress");
	buf_json(b, f->model);
	put_asked(f, b);
	buf_put(b, S(",\"incomplete_details\":"));
	if (is_whole && cut_by(f))
		buf_printf(b, "{\"reason\":\"%s\"}", cut_by(f));
	else
		buf_put(b, S("null"));
	buf_put(b, S(",\"output\":"));
	if (is_whole)
		put_items(f, b, wants_kept(f));
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

/* Begins an event of an item, the last but those that have ended: ",\"item\":" and the item
 * follow. */
static void
put_item_event(struct face_call *f, struct buf *b, const char *type)
{
	put_event(f, b, type);
	buf_printf(b, ",\"output_index\":%zu,\"item\":", f->block);
}

/* The same for one of the text's. */
static void
put_text_event(struct face_call *f, struct buf *b, const char *type)
{
	put_event(f, b, type);
	buf_printf(b, ",\"item_id\":\"msg_%.*s\",\"output_index\":%zu,\"content_index\":0",
	    S_ARG(f->id), f->block);
}

/* The same for one of the thoughts'. */
static void
put_thought_event(struct face_call *f, struct buf *b, const char *type)
{
	put_event(f, b, type);
	buf_printf(b, ",\"item_id\":\"rs_%.*s_0\",\"output_index\":%zu,\"summary_index\":0",
	    S_ARG(f->id), f->block);
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

/* Thoughts that come behind the text are the model's alone. */
static bool
responses_shows(const struct face_call *f)
{
	return f->call.shows_thoughts && !f->has_text;
}

static void
responses_thought(struct face_call *f, struct buf *b, struct str text)
{
	if (!f->has_thoughts) {
		put_item_event(f, b, "response.output_item.added");
		put_reasoning(f, b, false);
		buf_put(b, S("}\n\n"));
		put_thought_event(f, b, "response.reasoning_summary_part.added");
		buf_put(b, S(",\"part\":{\"type\":\"summary_text\",\"text\":\"\"}}\n\n"));
	}
	f->has_thoughts = true;
	put_thought_event(f, b, "response.reasoning_summary_text.delta");
	buf_put(b, S(",\"delta\":"));
	buf_json(b, text);
	buf_put(b, S("}\n\n"));
}

static void
end_thoughts(struct face_call *f, struct buf *b)
{
	if (!f->has_thoughts)
		return;
	put_thought_event(f, b, "response.reasoning_summary_text.done");
	buf_put(b, S(",\"text\":"));
	buf_json(b, face_thoughts(f));
	buf_put(b, S("}\n\n"));
	put_thought_event(f, b, "response.reasoning_summary_part.done");
	buf_put(b, S(",\"part\":{\"type\":\"summary_text\",\"text\":"));
	buf_json(b, face_thoughts(f));
	buf_put(b, S("}}\n\n"));
	put_item_event(f, b, "response.output_item.done");
	put_reasoning(f, b, true);
	buf_put(b, S("}\n\n"));
	f->has_thoughts = false;
	f->block++;
}

static void
responses_text(struct face_call *f, struct buf *b, struct str text)
{
	if (!f->has_text) {
		end_thoughts(f, b);
		put_item_event(f, b, "response.output_item.added");
		put_message(f, b, "in_progress");
		buf_put(b, S("}\n\n"));
		put_text_event(f, b, "response.content_part.added");
		buf_put(b, S(",\"part\":"));
		put_part(f, b, S(""));
		buf_put(b, S("}\n\n"));
	}
	f->has_text = true;
	if (f->call.refuses) {
		put_text_event(f, b, "response.refusal.delta");
		buf_put(b, S(",\"delta\":"));
	} else {
		put_text_event(f, b, "response.output_text.delta");
		put_logprobs(f, b, f->likely);
		f->likely = f->logprobs.n;
		buf_put(b, S(",\"delta\":"));
	}
	buf_json(b, text);
	buf_put(b, S("}\n\n"));
}

static void
end_text(struct face_call *f, struct buf *b)
{
	if (!f->has_text)
		return;
	if (f->call.refuses) {
		put_text_event(f, b, "response.refusal.done");
		buf_put(b, S(",\"refusal\":"));
	} else {
		put_text_event(f, b, "response.output_text.done");
		put_logprobs(f, b, 0);
		buf_put(b, S(",\"text\":"));
	}
	buf_json(b, buf_str(&f->call.text));
	buf_put(b, S("}\n\n"));
	put_text_event(f, b, "response.content_part.done");
	buf_put(b, S(",\"part\":"));
	put_part(f, b, buf_str(&f->call.text));
	buf_put(b, S("}\n\n"));
	put_item_event(f, b, "response.output_item.done");
	put_message(f, b, status_of(f));
	buf_put(b, S("}\n\n"));
	f->block++;
}

static void
end_kept(struct face_call *f, struct buf *b)
{
	static const char *const types[] = { "response.output_item.added",
		"response.output_item.done" };
	struct str kept = face_kept_pack(f);

	for (size_t i = 0; i < 2 && kept.n > 0; i++) {
		put_item_event(f, b, types[i]);
		put_kept(f, b, i == 1 && wants_kept(f) ? kept : (struct str){ NULL, 0 });
		buf_put(b, S("}\n\n"));
	}
	f->block += kept.n > 0;
}

static void
end_call(struct face_call *f, struct buf *b, size_t i)
{
	static const char *const types[] = { "response.function_call_arguments.delta",
		"response.function_call_arguments.done" };

	put_item_event(f, b, "response.output_item.added");
	put_call(f, b, i, false);
	buf_put(b, S("}\n\n"));
	for (size_t k = 0; k < 2; k++) {
		put_event(f, b, types[k]);
		buf_printf(b,
		    ",\"item_id\":\"fc_%.*s_%zu\",\"output_index\":%zu,\"%s\":", S_ARG(f->id), i,
		    f->block, k == 0 ? "delta" : "arguments");
		buf_json(b, f->call.calls[i].arguments);
		if (k == 1) {
			buf_put(b, S(",\"name\":"));
			buf_json(b, f->call.calls[i].name);
		}
		buf_put(b, S("}\n\n"));
	}
	put_item_event(f, b, "response.output_item.done");
	put_call(f, b, i, true);
	buf_put(b, S("}\n\n"));
	f->block++;
}

static void
responses_end(struct face_call *f, struct buf *b)
{
	end_thoughts(f, b);
	end_text(f, b);
	end_kept(f, b);
	for (size_t i = 0; i < f->call.n_calls; i++)
		end_call(f, b, i);
	put_event(f, b, cut_by(f) ? "response.incomplete" : "response.completed");
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
	.shows = responses_shows,
	.thought = responses_thought,
	.end = responses_end,
	.whole = responses_whole,
	.output = put_output,
};
