/* What the formats have in common when they read what a client has sent. */
#include <string.h>

#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"

void
face_add(struct face_call *f, struct message m)
{
	if (m.role == ROLE_SYSTEM) {
		buf_put(&f->system, f->system.n > 0 ? S("\n\n") : S(""));
		buf_put(&f->system, m.content);
		return;
	}
	if (f->call.n_messages == f->room) {
		struct message *more = arena_alloc(f->call.a, 2 * f->room * sizeof(*more));

		memcpy(more, f->messages, f->room * sizeof(*more));
		f->messages = more;
		f->room *= 2;
	}
	f->messages[f->call.n_messages++] = m;
}

/* What is kept at the provider is whoever's that has put it there. */
static bool
is_file(json_object *part)
{
	json_object *file = json_at(part, "file");

	return str_eq(json_text(part, "type"), S("file")) && json_text(file, "file_data").n > 0 &&
	       !json_has(file, "file_id");
}

/* All texts of a list of parts, refusals too. */
static struct str
text_of(struct face_call *f, json_object *parts)
{
	struct buf b = { .a = f->call.a };

	for (size_t i = 0; i < json_object_array_length(parts); i++) {
		json_object *part = json_object_array_get_idx(parts, i);

		buf_put(&b, lenient_text(f->call.a, json_at(part, "text")));
		buf_put(&b, json_text(part, "refusal"));
	}
	return buf_str(&b);
}

const char *
face_content(struct face_call *f, json_object *content, struct message *m)
{
	bool has_more = false;

	if (!content || json_object_is_type(content, json_type_string)) {
		m->content = content ? lenient_text(f->call.a, content) : S("");
		return NULL;
	}
	if (!json_object_is_type(content, json_type_array))
		return "A message's content must be a text or a list of parts.";
	for (size_t i = 0; i < json_object_array_length(content); i++) {
		json_object *part = json_object_array_get_idx(content, i);
		struct str type = json_text(part, "type");

		if (str_eq(type, S("image_url")) || is_file(part))
			has_more = true;
		else if (!str_eq(type, S("text")) && !str_eq(type, S("refusal")))
			return "A part of a message's content must be a text, an image_url, or a "
			       "file with its file_data.";
	}
	m->content = text_of(f, content);
	if (has_more && m->role != ROLE_USER)
		return "Only a user's message may have images and files.";
	if (has_more)
		m->parts = arena_str(f->call.a, json_serialised(content));
	return NULL;
}

bool
face_number(json_object *o, const char *name, struct str *out)
{
	json_object *n = json_at(o, name);

	if (!n)
		return true;
	if (!json_object_is_type(n, json_type_double) && !json_object_is_type(n, json_type_int))
		return false;
	*out = json_serialised(n);
	return true;
}

bool
face_count(json_object *o, const char *name, int64_t *out)
{
	json_object *n = json_at(o, name);

	if (!n)
		return true;
	if (!json_object_is_type(n, json_type_int) || json_object_get_int64(n) <= 0)
		return false;
	*out = json_object_get_int64(n);
	return true;
}

/* Has one of these calls the id? */
static bool
has_id(const struct tool_call *calls, size_t n, struct str id)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(calls[i].wire_id, id))
			return true;
	return false;
}

struct str
face_call_id(const struct face_call *f, size_t i)
{
	struct str id = f->call.calls[i].wire_id;
	bool is_good = id.n > 0 && !has_id(f->call.calls, i, id);

	for (size_t k = 0; k < f->call.n_messages && is_good; k++)
		is_good = !has_id(f->call.messages[k].calls, f->call.messages[k].n_calls, id);
	if (is_good)
		return id;
	return arena_printf(f->call.a, "call_%.*s_%zu", S_ARG(f->id), i + 1);
}
