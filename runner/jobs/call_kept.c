/*
 * What a model's server gives with a message or its calls, and wants back with them, goes through
 * the client: as members of a message in OpenAI's chat completions; packed into one text where the
 * format has a place for what only its vendor reads. Neither is to be trusted when it comes back.
 */
#include <millrace/crypto.h>
#include <millrace/json.h>
#include <millrace/lenient.h>

#include "runner/jobs/call.h"
#include "runner/models/wire.h"

const char *const kept_members[] = { "anthropic", "thoughtSignature", "thought_signature",
	"extra_content", "reasoning_content", "reasoning", "reasoning_details",
	"provider_specific_fields", "thinking_blocks", NULL };

struct str
face_extra(struct face_call *f, json_object *o)
{
	json_object *extra = json_object_new_object(), *member;
	struct str text = { NULL, 0 };

	/* The first two are told by how the object begins, and stand alone. */
	for (size_t i = 0; kept_members[i] && (i > 2 || json_object_object_length(extra) == 0); i++)
		if ((member = json_at(o, kept_members[i])) != NULL)
			json_object_object_add(extra, kept_members[i], json_object_get(member));
	if (json_object_object_length(extra) > 0)
		text = arena_str(f->call.a, json_serialised(extra));
	json_object_put(extra);
	return text.n <= EXTRA_MAX ? text : (struct str){ NULL, 0 };
}

static void
put_member(struct buf *b, const char *name, struct str object)
{
	if (object.n == 0)
		return;
	buf_printf(b, "%s\"%s\":", b->p[b->n - 1] == '{' ? "" : ",", name);
	buf_put(b, object);
}

struct str
face_kept_pack(struct face_call *f)
{
	const struct call *c = &f->call;
	struct buf b = { .a = c->a };
	bool has_more = c->extra.n > 0;

	buf_put(&b, S("{"));
	put_member(&b, "message", c->extra);
	buf_put(&b, b.n > 1 ? S(",\"calls\":[") : S("\"calls\":["));
	for (size_t i = 0; i < c->n_calls; i++) {
		buf_put(&b, i > 0 ? S(",{") : S("{"));
		put_member(&b, "call", c->calls[i].extra);
		put_member(&b, "function", c->calls[i].function_extra);
		buf_put(&b, S("}"));
		has_more = has_more || c->calls[i].extra.n > 0 || c->calls[i].function_extra.n > 0;
	}
	buf_put(&b, S("]}"));
	if (!has_more || c->n_calls == 0)
		return (struct str){ NULL, 0 };
	return arena_printf(c->a, "%s%.*s", THOUGHTS_OURS.p, S_ARG(base64url(c->a, buf_str(&b))));
}

json_object *
face_kept_unpack(struct face_call *f, struct str packed)
{
	const size_t head = THOUGHTS_OURS.n;
	json_object *o = NULL;
	struct str text;
	const char *why;

	if (!str_starts(packed, THOUGHTS_OURS) ||
	    !base64url_decode(f->call.a, (struct str){ packed.p + head, packed.n - head }, &text) ||
	    json_parse(f->call.a, text, &o, &why) != ERR_OK)
		return NULL;
	return o;
}

void
face_give_back(struct face_call *f, json_object *kept, struct message *m, struct tool_call *call)
{
	json_object *list = json_at(kept, "calls"), *o;

	/* Once, or as many messages as there are would each have a copy. */
	if (json_at(kept, "message")) {
		m->extra = face_extra(f, json_at(kept, "message"));
		json_object_object_del(kept, "message");
	}
	if (call && m->n_calls <= json_length(list)) {
		o = json_object_array_get_idx(list, m->n_calls - 1);
		call->extra = face_extra(f, json_at(o, "call"));
		call->function_extra = face_extra(f, json_at(o, "function"));
	}
}
