/*
 * Content generation as Google's Gemini API reference has it ("Generating content", "Function
 * calling", "Thought signatures"), streamed. The signature that comes with a part goes back with
 * it: Gemini 3 refuses a function's call without.
 */
#include <ctype.h>
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/reply.h"
#include "runner/models/wire.h"

/*
 * Stands for the signature of a call that another model has made ("Thought signatures", FAQ); the
 * models before Gemini 3 check none.
 */
#define SIGNATURE_NONE S(",\"thoughtSignature\":\"skip_thought_signature_validator\"")

/* -- the request -- */

/* A message's or call's signature, as a member behind others. */
static void
put_signature(struct buf *b, struct str extra, unsigned parts)
{
	if (!(parts & PART_EXTRA) || !str_starts(extra, EXTRA_GOOGLE))
		return;
	buf_put(b, S(","));
	buf_put(b, (struct str){ extra.p + 1, extra.n - 2 });
}

static bool
is_foreign(const struct message *m)
{
	for (size_t i = 0; i < m->n_calls; i++)
		if (str_starts(m->calls[i].extra, EXTRA_GOOGLE))
			return false;
	return m->n_calls > 0;
}

static bool
checks_signatures(const struct call *c)
{
	return !strstr(c->provider->model, "gemini-1") && !strstr(c->provider->model, "gemini-2");
}

static void
put_text(struct buf *b, struct str text)
{
	buf_put(b, S("{\"text\":"));
	buf_json(b, text);
}

static void
put_model(struct buf *b, const struct call *c, const struct message *m, unsigned parts)
{
	bool has_text = !wire_is_blank(m->content);

	if (has_text || m->n_calls == 0) {
		put_text(b, has_text ? m->content : S("(nothing)"));
		put_signature(b, m->extra, parts);
		buf_put(b, S("}"));
	}
	for (size_t i = 0; i < m->n_calls; i++) {
		const struct tool_call *call = &m->calls[i];

		buf_put(b, i > 0 || has_text ? S(",{") : S("{"));
		buf_put(b, S("\"functionCall\":{\"id\":"));
		buf_json(b, call->wire_id);
		buf_put(b, S(",\"name\":"));
		wire_put_name(b, call->name);
		buf_put(b, S(",\"args\":"));
		buf_put(b, is_json_object(call->arguments) ? call->arguments : S("{}"));
		buf_put(b, S("}"));
		put_signature(b, call->extra, parts);
		if (i == 0 && is_foreign(m) && checks_signatures(c))
			buf_put(b, SIGNATURE_NONE);
		buf_put(b, S("}"));
	}
}

static void
put_result(struct buf *b, const struct message *messages, size_t i)
{
	const struct tool_call *call = wire_call_of(messages, i);

	buf_put(b, S("{\"functionResponse\":{\"id\":"));
	buf_json(b, messages[i].call_id);
	buf_put(b, S(",\"name\":"));
	wire_put_name(b, call ? call->name : S("unknown"));
	buf_printf(b, ",\"response\":{\"%s\":", messages[i].is_error ? "error" : "result");
	buf_json(b, messages[i].content.p ? messages[i].content : S(""));
	buf_put(b, S("}}}"));
}

static void
put_user(struct buf *b, const struct call *c, const struct message *m)
{
	json_object *parts = NULL;
	struct wire_part part;
	struct str type, data, url;
	size_t from = b->n;

	for (size_t i = 0; wire_part(c->a, m, &parts, i, &part); i++) {
		url = part.image.n > 0 ? part.image : part.file;
		if (url.n == 0 && wire_is_blank(part.text))
			continue;
		buf_put(b, b->n > from ? S(",") : S(""));
		if (url.n == 0) {
			put_text(b, part.text);
		} else if (wire_is_data_url(url, &type, &data)) {
			buf_put(b, S("{\"inlineData\":{\"mimeType\":"));
			buf_json(b, type);
			buf_put(b, S(",\"data\":"));
			buf_json(b, data);
			buf_put(b, S("}"));
		} else {
			buf_put(b, S("{\"fileData\":{\"fileUri\":"));
			buf_json(b, url);
			buf_put(b, S("}"));
		}
		buf_put(b, S("}"));
	}
	if (b->n == from)
		buf_put(b, S("{\"text\":\"(nothing)\"}"));
}

/* There have to be as many results in one content as there were calls, and in their order. */
static size_t
put_results(struct buf *b, const struct call *c, const struct message *messages, size_t i, size_t n)
{
	static const struct message none;
	const struct message *made = i > 0 ? &messages[i - 1] : &none;
	size_t end = i, *place = arena_alloc(c->a, (n - i) * sizeof(*place));

	for (; end < n && messages[end].role == ROLE_TOOL; end++)
		for (place[end - i] = 0; place[end - i] < made->n_calls; place[end - i]++)
			if (str_eq(made->calls[place[end - i]].wire_id, messages[end].call_id))
				break;
	for (size_t k = 0, put = 0; k <= made->n_calls; k++)
		for (size_t at = i; at < end; at++)
			if (place[at - i] == k) {
				buf_put(b, put++ > 0 ? S(",") : S(""));
				put_result(b, messages, at);
			}
	return end - 1;
}

static void
put_contents(struct buf *b, const struct call *c, unsigned parts)
{
	size_t n;
	const struct message *messages = wire_messages(c, parts, &n);

	for (size_t i = 0, put = 0; i < n; i++) {
		const struct message *m = &messages[i];

		if (m->role == ROLE_SYSTEM)
			continue;
		buf_printf(b, "%s{\"role\":\"%s\",\"parts\":[", put++ > 0 ? "," : "",
		    m->role == ROLE_ASSISTANT ? "model" : "user");
		if (m->role == ROLE_ASSISTANT) {
			put_model(b, c, m, parts);
		} else if (m->role == ROLE_USER) {
			put_user(b, c, m);
		} else {
			i = put_results(b, c, messages, i, n);
		}
		buf_put(b, S("]}"));
	}
}

/* As the vendor's own server of OpenAI's format takes the words ("OpenAI compatibility"). */
static void
put_thinking(struct buf *b, const struct call *c, enum thinking takes)
{
	bool is_little = str_eq(c->effort, S("low")) || str_eq(c->effort, S("minimal")),
	     is_medium = str_eq(c->effort, S("medium"));
	int64_t n = c->thinking_tokens > 0 ? c->thinking_tokens
		    : is_little		   ? 1024
		    : is_medium		   ? 8192
					   : 24576;

	if (takes == THINK_NONE || str_eq(c->effort, S("none")) ||
	    (c->effort.n == 0 && c->thinking_tokens == 0 && !c->shows_thoughts))
		return;
	buf_printf(
	    b, ",\"thinkingConfig\":{\"includeThoughts\":%s", c->shows_thoughts ? "true" : "false");
	if (takes == THINK_TOKENS && (c->effort.n > 0 || c->thinking_tokens > 0))
		buf_printf(b, ",\"thinkingBudget\":%lld", (long long)(n < 24576 ? n : 24576));
	else if (takes == THINK_EFFORT && c->effort.n > 0)
		buf_printf(b, ",\"thinkingLevel\":\"%s\"",
		    is_little	? "low"
		    : is_medium ? "medium"
				: "high");
	buf_put(b, S("}"));
}

static void
put_limits(struct buf *b, const struct call *c, unsigned parts)
{
	const struct traits *t = traits_of("google", c->provider->model);
	struct buf limits = { .a = c->a };

	if (parts & PART_SAMPLING && t->sampling != SAMPLING_NONE) {
		wire_put_number(&limits, ",\"temperature\"", c->temperature);
		wire_put_number(&limits, ",\"topP\"", c->top_p);
		wire_put_number(&limits, ",\"topK\"", c->top_k);
	}
	if (parts & PART_LIMIT && c->max_tokens > 0)
		buf_printf(&limits, ",\"maxOutputTokens\":%lld", (long long)c->max_tokens);
	if (c->stop.n > 0)
		buf_printf(&limits, ",\"stopSequences\":%.*s", S_ARG(c->stop));
	put_thinking(&limits, c, t->thinking);
	buf_put(&limits, c->more_google);
	if (parts & PART_FORMAT)
		buf_put(&limits, c->format);
	if (limits.n > 0)
		buf_printf(b, ",\"generationConfig\":{%.*s}", (int)limits.n - 1, limits.p + 1);
}

static void
put_choice(struct buf *b, struct str choice)
{
	if (choice.n == 0)
		return;
	buf_printf(b, ",\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"%s\"",
	    str_eq(choice, S("none"))	? "NONE"
	    : str_eq(choice, S("auto")) ? "AUTO"
					: "ANY");
	if (choice.p[0] == ':') {
		buf_put(b, S(",\"allowedFunctionNames\":["));
		wire_put_name(b, (struct str){ choice.p + 1, choice.n - 1 });
		buf_put(b, S("]"));
	}
	buf_put(b, S("}}"));
}

/* "models/" is part of the resource's name; tuned models have another beginning. */
const char *
google_url(const struct call *c, const char *method)
{
	struct buf b = { .a = c->a };
	const char *model = c->provider->model;

	buf_printf(&b, "%.*s/%s", S_ARG(wire_base(c)), strchr(model, '/') ? "" : "models/");
	for (const char *p = model; *p; p++)
		buf_printf(&b, isalnum((unsigned char)*p) || strchr("-._~/", *p) ? "%c" : "%%%02X",
		    (unsigned char)*p);
	buf_printf(&b, ":%s", method);
	return arena_cstr(c->a, buf_str(&b));
}

static const char *
google_call_url(const struct call *c, unsigned parts)
{
	return google_url(
	    c, parts & PART_STREAM ? "streamGenerateContent?alt=sse" : "generateContent");
}

static struct str
google_request(const struct call *c, unsigned parts)
{
	struct buf b = { .a = c->a };

	parts = wire_parts(c, parts);
	buf_put(&b, S("{\"contents\":["));
	put_contents(&b, c, parts);
	buf_put(&b, S("]"));
	for (size_t i = 0; i < c->n_messages && parts & PART_SYSTEM; i++)
		if (c->messages[i].role == ROLE_SYSTEM && !wire_is_blank(c->messages[i].content)) {
			buf_put(&b, S(",\"systemInstruction\":{\"parts\":["));
			put_text(&b, c->messages[i].content);
			buf_put(&b, S("}]}"));
			break;
		}
	if (parts & PART_TOOLS) {
		buf_put(&b, S(",\"tools\":[{\"functionDeclarations\":["));
		wire_put_tools(c, &b, "parametersJsonSchema");
		buf_put(&b, S("]}]"));
		put_choice(&b, c->tool_choice);
	}
	put_limits(&b, c, parts);
	buf_put(&b, S("}"));
	return buf_str(&b);
}

/* -- the reply -- */

static int64_t
count(json_object *usage, const char *name)
{
	int64_t n = lenient_count(json_at(usage, name));

	return n > 0 ? n : 0;
}

/* Each document's counts are of all so far. What was thought is not among the candidates'. */
static void
google_on_usage(struct reply *r, json_object *o)
{
	json_object *usage = json_at(o, "usageMetadata");
	struct call *c = r->c;

	if (lenient_count(json_at(usage, "promptTokenCount")) < 0)
		return;
	c->input_tokens =
	    count(usage, "promptTokenCount") + count(usage, "toolUsePromptTokenCount");
	c->cached_tokens = count(usage, "cachedContentTokenCount");
	c->reasoning_tokens = count(usage, "thoughtsTokenCount");
	c->output_tokens = count(usage, "candidatesTokenCount") + c->reasoning_tokens;
}

static bool
google_on_part(struct reply *r, json_object *part)
{
	static const char *const members[] = { "text", "thought", "functionCall", "inlineData",
		"executableCode", "codeExecutionResult", "partMetadata", "videoMetadata", NULL };
	json_object *call = json_at(part, "functionCall");
	struct pending_call *p;

	if (json_object_get_boolean(json_at(part, "thought"))) {
		reply_thought(r, lenient_text(r->scratch, json_at(part, "text")));
		return true;
	}
	if (json_object_is_type(call, json_type_object)) {
		p = reply_piece(r, &(struct call_piece){ .index = -1,
				       .id = json_text(call, "id"),
				       .name = json_text(call, "name"),
				       .arguments = reply_arguments(r, json_at(call, "args")),
				       .is_whole = true });
		if (p)
			reply_keep(r, &p->kept, part, members);
		return true;
	}
	/* Of several signatures the last counts. */
	if (json_at(part, "thoughtSignature"))
		r->kept.n = 0;
	reply_keep(r, &r->kept, part, members);
	return reply_text(r, lenient_text(r->scratch, json_at(part, "text")));
}

static void
google_on_reason(struct reply *r, struct str reason)
{
	static const struct {
		const char *said, *meant;
	} known[] = { { "STOP", "stop" }, { "MAX_TOKENS", "length" },
		{ "SAFETY", "content_filter" }, { "RECITATION", "content_filter" },
		{ "BLOCKLIST", "content_filter" }, { "PROHIBITED_CONTENT", "content_filter" },
		{ "SPII", "content_filter" }, { "LANGUAGE", "content_filter" },
		{ "IMAGE_SAFETY", "content_filter" } };

	if (reason.n == 0 || str_eq(reason, S("FINISH_REASON_UNSPECIFIED")))
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_eq(reason, str_from(known[i].said))) {
			r->finish = known[i].meant;
			return;
		}
	/* OTHER, MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, …: it may go better again. */
	reply_fail(r, reason);
}

static bool
google_on_document(struct reply *r, json_object *o)
{
	json_object *candidates = json_at(o, "candidates"), *first = NULL, *parts;

	if (json_length(candidates) > 0)
		first = json_object_array_get_idx(candidates, 0);
	r->is_answer = r->is_answer || first || json_at(o, "promptFeedback");
	if (json_text(json_at(o, "promptFeedback"), "blockReason").n > 0)
		r->finish = "content_filter";
	parts = json_at(json_at(first, "content"), "parts");
	if (json_object_is_type(parts, json_type_object) && !google_on_part(r, parts))
		return false;
	for (size_t i = 0; i < json_length(parts); i++)
		if (!google_on_part(r, json_object_array_get_idx(parts, i)) || r->garbage)
			return false;
	google_on_reason(r, json_text(first, "finishReason"));
	return true;
}

const struct wire wire_google = {
	.kind = "google",
	.title = "Google's Gemini API",
	.says_end = true,
	.key_header = "x-goog-api-key",
	.url = google_call_url,
	.request = google_request,
	.on_usage = google_on_usage,
	.on_document = google_on_document,
};
