/*
 * Requests to Anthropic's servers (API reference, "Messages", "Tool use", "Extended thinking",
 * "Prompt caching"). What a client has sent in this very format goes on as it is, since it may have
 * much that a struct call has not: marks for the cache, documents, blocks of system text.
 */
#include <ctype.h>
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/models/wire.h"

/* Asked for where nobody says how many, and the model gives as many */
#define OUTPUT_TOKENS 32000
#define OUTPUT_TOKENS_ANY 4096 /* what every model gives */

/* -- messages -- */

static bool
is_good_id(struct str id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!isalnum((unsigned char)id.p[i]) && !strchr("_-", id.p[i]))
			return false;
	return id.n > 0;
}

/*
 * An id that the vendor's pattern allows: another's may be anything. What is not allowed is written
 * in hexadecimal digits, so that two ids stay two.
 */
static void
put_id(struct buf *b, const struct tool_call *call)
{
	struct str id = is_good_id(call->wire_id) ? call->wire_id : call->id;
	bool is_good = is_good_id(id);

	buf_put(b, S("\""));
	for (size_t i = 0; i < id.n; i++)
		buf_printf(b, is_good || isalnum((unsigned char)id.p[i]) ? "%c" : "_%02x",
		    (unsigned char)id.p[i]);
	buf_put(b, S("\""));
}

/* Appends a block, after others of the same list. */
static void
put_block(struct buf *b, size_t from, const char *type)
{
	buf_printf(b, "%s{\"type\":\"%s\"", b->n > from ? "," : "", type);
}

static void
put_text(struct buf *b, size_t from, struct str text)
{
	if (wire_is_blank(text))
		return;
	put_block(b, from, "text");
	buf_put(b, S(",\"text\":"));
	buf_json(b, text);
	buf_put(b, S("}"));
}

static void
put_call(struct buf *b, size_t from, const struct tool_call *call)
{
	put_block(b, from, "tool_use");
	buf_put(b, S(",\"id\":"));
	put_id(b, call);
	buf_put(b, S(",\"name\":"));
	wire_put_name(b, call->name);
	buf_put(b, S(",\"input\":"));
	buf_put(b, is_json_object(call->arguments) ? call->arguments : S("{}"));
	buf_put(b, S("}"));
}

/* How far the message has been put. */
struct progress {
	size_t text; /* bytes */
	size_t calls;
};

static void
put_text_until(struct buf *b, size_t from, const struct message *m, struct progress *p, size_t end)
{
	if (end > m->content.n)
		end = m->content.n;
	if (end <= p->text)
		return;
	put_text(b, from, (struct str){ m->content.p + p->text, end - p->text });
	p->text = end;
}

/* A block that was kept: itself, or what it stands for. */
static void
put_kept(struct buf *b, size_t from, const struct message *m, struct progress *p, json_object *o)
{
	struct str type = json_text(o, "type");
	int64_t end = lenient_count(json_at(o, "end"));

	if (str_eq(type, S("text"))) {
		put_text_until(b, from, m, p, end < 0 ? 0 : (size_t)end);
	} else if (str_eq(type, S("tool_use"))) {
		/* Text may not stand behind a call that it came before. */
		if (p->calls < m->n_calls)
			put_call(b, from, &m->calls[p->calls++]);
	} else if (str_eq(type, S("thinking")) || str_eq(type, S("redacted_thinking"))) {
		buf_put(b, b->n > from ? S(",") : S(""));
		buf_put(b, json_serialised(o));
	}
}

static void
put_assistant(struct buf *b, const struct call *c, const struct message *m, unsigned parts)
{
	struct progress p = { 0 };
	size_t from = b->n;
	json_object *o = NULL, *kept = NULL;

	if (parts & PART_EXTRA && str_starts(m->extra, EXTRA_ANTHROPIC) &&
	    lenient_parse(c->a, m->extra, &o))
		kept = json_at(o, "anthropic");
	if (json_object_is_type(kept, json_type_array))
		for (size_t i = 0; i < json_object_array_length(kept); i++)
			put_kept(b, from, m, &p, json_object_array_get_idx(kept, i));
	put_text_until(b, from, m, &p, m->content.n);
	while (p.calls < m->n_calls)
		put_call(b, from, &m->calls[p.calls++]);
	if (b->n == from)
		put_text(b, from, S("(nothing)"));
}

/* An image or a document, by its address or with its bytes. */
static void
put_source(struct buf *b, size_t from, const char *block, struct str url)
{
	struct str type, data;

	put_block(b, from, block);
	if (wire_is_data_url(url, &type, &data)) {
		buf_put(b, S(",\"source\":{\"type\":\"base64\",\"media_type\":"));
		buf_json(b, type);
		buf_put(b, S(",\"data\":"));
		buf_json(b, data);
	} else {
		buf_put(b, S(",\"source\":{\"type\":\"url\",\"url\":"));
		buf_json(b, url);
	}
	buf_put(b, S("}}"));
}

static void
put_user(struct buf *b, const struct call *c, size_t from, const struct message *m)
{
	json_object *parts = NULL;
	struct wire_part part;

	for (size_t i = 0; wire_part(c->a, m, &parts, i, &part); i++)
		if (part.image.n > 0)
			put_source(b, from, "image", part.image);
		else if (part.file.n > 0)
			put_source(b, from, "document", part.file);
		else
			put_text(b, from, part.text);
	if (b->n == from)
		put_text(b, from, S("(nothing)"));
}

static void
put_result(struct buf *b, size_t from, const struct message *messages, size_t i)
{
	const struct tool_call *call = wire_call_of(messages, i);

	put_block(b, from, "tool_result");
	buf_put(b, S(",\"tool_use_id\":"));
	put_id(b, call ? call : &(struct tool_call){ .wire_id = messages[i].call_id });
	buf_put(b, S(",\"content\":"));
	buf_json(b, messages[i].content.p ? messages[i].content : S(""));
	buf_put(b, messages[i].is_error ? S(",\"is_error\":true}") : S("}"));
}

/* Results of calls stand in one message of the user's. */
static void
put_messages(struct buf *b, const struct call *c, unsigned parts)
{
	size_t n, from;
	const struct message *messages = wire_messages(c, parts, &n);

	for (size_t i = 0, put = 0; i < n; i++) {
		const struct message *m = &messages[i];

		if (m->role == ROLE_SYSTEM)
			continue;
		/* The vendor's servers want the user to have begun. */
		if (put == 0 && m->role == ROLE_ASSISTANT) {
			buf_put(b, S("{\"role\":\"user\",\"content\":\"(nothing)\"}"));
			put++;
		}
		buf_printf(b, "%s{\"role\":\"%s\",\"content\":[", put++ > 0 ? "," : "",
		    m->role == ROLE_ASSISTANT ? "assistant" : "user");
		from = b->n;
		if (m->role == ROLE_ASSISTANT)
			put_assistant(b, c, m, parts);
		else if (m->role == ROLE_USER)
			put_user(b, c, from, m);
		else
			for (put_result(b, from, messages, i);
			     i + 1 < n && messages[i + 1].role == ROLE_TOOL;)
				put_result(b, from, messages, ++i);
		buf_put(b, S("]}"));
	}
}

/* -- what the model is asked for -- */

/* Thinking for so many tokens has to begin a turn that goes on after its calls. */
static bool
turn_may_think(const struct call *c)
{
	for (size_t i = c->n_messages; i-- > 0 && c->messages[i].role != ROLE_USER;)
		if (c->messages[i].n_calls > 0)
			return str_starts(c->messages[i].extra, EXTRA_ANTHROPIC);
	return true;
}

/* For how many tokens the model thinks, of `most` of the answer; 0: the vendor takes no fewer. */
static int64_t
thinking_tokens(const struct call *c, int64_t most)
{
	int64_t n = c->thinking_tokens;

	if (n == 0)
		n = str_eq(c->effort, S("low")) || str_eq(c->effort, S("minimal")) ? 1024
		    : str_eq(c->effort, S("medium"))				   ? 8192
										   : 24576;
	if (n > most / 2)
		n = most / 2;
	return n >= 1024 ? n : 0;
}

/* What another vendor's client says of thinking, as the model takes it. False: nothing. */
static bool
put_thinking(struct buf *b, const struct call *c, enum thinking takes, int64_t most)
{
	bool is_forced = c->tool_choice.n > 0 && !str_eq(c->tool_choice, S("auto")) &&
			 !str_eq(c->tool_choice, S("none"));
	int64_t n = takes == THINK_TOKENS ? thinking_tokens(c, most) : 1;

	if ((c->effort.n == 0 && c->thinking_tokens == 0) || str_eq(c->effort, S("none")) ||
	    takes == THINK_NONE || n == 0 || is_forced ||
	    (takes == THINK_TOKENS && !turn_may_think(c)))
		return false;
	if (takes == THINK_TOKENS) {
		buf_printf(
		    b, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":%lld}", (long long)n);
		return true;
	}
	buf_put(b, S(",\"thinking\":{\"type\":\"adaptive\",\"display\":\"summarized\"}"));
	if (c->effort.n > 0) {
		buf_put(b, S(",\"output_config\":{\"effort\":"));
		buf_json(b, str_eq(c->effort, S("minimal")) ? S("low") : c->effort);
		buf_put(b, S("}"));
	}
	return true;
}

static void
put_limits(struct buf *b, const struct call *c, unsigned parts)
{
	const struct traits *t = traits_of("anthropic", c->provider->model);
	int64_t most = t->output_max, want = c->max_tokens > 0 ? c->max_tokens : OUTPUT_TOKENS;

	if (!(parts & PART_LIMIT))
		most = OUTPUT_TOKENS_ANY;
	if (want < most)
		most = want;
	buf_printf(b, ",\"max_tokens\":%lld", (long long)most);
	if (!c->messages_body && put_thinking(b, c, t->thinking, most))
		return;
	if (!(parts & PART_SAMPLING) || t->sampling == SAMPLING_NONE)
		return;
	wire_put_number(b, ",\"temperature\"", c->temperature);
	if (!c->temperature.p || t->sampling == SAMPLING_ALL)
		wire_put_number(b, ",\"top_p\"", c->top_p);
	wire_put_number(b, ",\"top_k\"", c->top_k);
}

static void
put_choice(struct buf *b, const struct call *c)
{
	struct str choice = c->tool_choice.n > 0 ? c->tool_choice : S("auto");
	bool is_none = str_eq(choice, S("none"));

	if (c->tool_choice.n == 0 && !c->one_call)
		return;
	buf_printf(b, ",\"tool_choice\":{\"type\":\"%s\"",
	    choice.p[0] == ':'		    ? "tool"
	    : str_eq(choice, S("required")) ? "any"
	    : is_none			    ? "none"
					    : "auto");
	if (choice.p[0] == ':') {
		buf_put(b, S(",\"name\":"));
		wire_put_name(b, (struct str){ choice.p + 1, choice.n - 1 });
	}
	buf_put(b, c->one_call && !is_none ? S(",\"disable_parallel_tool_use\":true}") : S("}"));
}

/* Appends what calls of all clients have. */
static void
put_translated(struct buf *b, const struct call *c, unsigned parts)
{
	for (size_t i = 0; i < c->n_messages && parts & PART_SYSTEM; i++)
		if (c->messages[i].role == ROLE_SYSTEM && !wire_is_blank(c->messages[i].content)) {
			buf_put(b, S(",\"system\":"));
			buf_json(b, c->messages[i].content);
			break;
		}
	buf_put(b, S(",\"messages\":["));
	put_messages(b, c, parts);
	buf_put(b, S("]"));
	if (parts & PART_TOOLS) {
		buf_put(b, S(",\"tools\":["));
		wire_put_tools(c, b, "input_schema");
		buf_put(b, S("]"));
		put_choice(b, c);
	}
	if (c->stop.n > 0)
		buf_printf(b, ",\"stop_sequences\":%.*s", S_ARG(c->stop));
}

/* -- what a client has sent in this format -- */

/* Thoughts of another vendor's model, which the gateway has marked: this one did not think them. */
static bool
is_foreign(json_object *block)
{
	struct str type = json_text(block, "type");

	return (str_eq(type, S("thinking")) &&
		   str_starts(json_text(block, "signature"), THOUGHTS_OURS)) ||
	       (str_eq(type, S("redacted_thinking")) &&
		   str_starts(json_text(block, "data"), THOUGHTS_OURS));
}

static void
put_own_message(struct buf *b, json_object *message)
{
	json_object *content = json_at(message, "content");
	size_t from;

	buf_put(b, S("{\"role\":"));
	buf_json(b, json_text(message, "role"));
	buf_put(b, S(",\"content\":"));
	if (!json_object_is_type(content, json_type_array)) {
		buf_put(b, json_serialised(content));
		buf_put(b, S("}"));
		return;
	}
	buf_put(b, S("["));
	from = b->n;
	for (size_t i = 0; i < json_object_array_length(content); i++) {
		json_object *block = json_object_array_get_idx(content, i);

		if (is_foreign(block))
			continue;
		buf_put(b, b->n > from ? S(",") : S(""));
		buf_put(b, json_serialised(block));
	}
	if (b->n == from && json_object_array_length(content) > 0)
		put_text(b, from, S("(nothing)"));
	buf_put(b, S("]}"));
}

/*
 * The members that neither choose another model nor cost more than its price, as the client has
 * them; of all others it has heard (runner/jobs/call_messages.c).
 */
static void
put_own(struct buf *b, const struct call *c)
{
	static const char *const members[] = { "system", "tools", "tool_choice", "stop_sequences",
		"thinking", "output_config", "metadata", "cache_control", "service_tier" };
	json_object *messages = json_at(c->messages_body, "messages");

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (json_at(c->messages_body, members[i]))
			buf_printf(b, ",\"%s\":%.*s", members[i],
			    S_ARG(json_serialised(json_at(c->messages_body, members[i]))));
	buf_put(b, S(",\"messages\":["));
	for (size_t i = 0; i < json_length(messages); i++) {
		buf_put(b, i > 0 ? S(",") : S(""));
		put_own_message(b, json_object_array_get_idx(messages, i));
	}
	buf_put(b, S("]"));
}

/* Ids that another vendor's server has given may have to be changed. */
static bool
has_good_ids(const struct call *c)
{
	for (size_t i = 0; i < c->n_messages; i++)
		for (size_t k = 0; k < c->messages[i].n_calls; k++)
			if (!is_good_id(c->messages[i].calls[k].wire_id))
				return false;
	return true;
}

struct str
anthropic_request(const struct call *c, unsigned parts)
{
	struct buf b = { .a = c->a };

	parts = wire_parts(c, parts);
	buf_put(&b, S("{\"model\":"));
	buf_json(&b, str_from(c->provider->model));
	put_limits(&b, c, parts);
	buf_put(&b, parts & PART_STREAM ? S(",\"stream\":true") : S(""));
	if (c->messages_body && has_good_ids(c))
		put_own(&b, c);
	else
		put_translated(&b, c, parts);
	buf_put(&b, S("}"));
	return buf_str(&b);
}
